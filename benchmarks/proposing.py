"""Times the calls of llm-erm synthesize against a loopback server.

    PYTHONPATH=tests python benchmarks/proposing.py [--only small|large|marginal]

The server runs in a separate process and answers after a fixed latency, so any wall time beyond
latency x rounds is due to the client. CPU seconds are those of the client process and of all
processes of its sandbox.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from api_server import Reply, serving

WRONG = '{"code": "def f(x):\\n    return (len(x) + %d) %% 2"}'  # another program each time
RIGHT = '{"code": "def f(x):\\n    return x.count(\'1\') % 2"}'


def response(text):
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_760_000_000,
        "model": "gpt-5",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
        ],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 1200,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 300,
            "output_tokens_details": {"reasoning_tokens": 256},
            "total_tokens": 1500,
        },
    }


def serve(latency, right_on, pipe):
    """Answers the n-th call for a prompt with the correct program if n is ``right_on``."""
    seen = {}

    def answer(call):
        prompt = json.dumps(call.body["input"])
        seen[prompt] = seen.get(prompt, 0) + 1
        text = RIGHT if seen[prompt] == right_on else WRONG % call.number
        return Reply(response(text), after=latency)

    with serving(answer) as api:
        pipe.send(api.url)
        pipe.recv()
        times = [call.at for call in api.calls], [call.left for call in api.calls if call.left]
        pipe.send((len(api.calls), max(times[1]) - min(times[0]), api.most_in_flight))


def measure(latency, right_on, arguments):
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=serve, args=(latency, right_on, theirs), daemon=True
    )
    process.start()
    url = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).with_name("llm-erm")),
            *("synthesize", "--provider", "openai", "--base-url", url + "/v1"),
            *map(str, arguments),
        ]
        environment = os.environ | {"OPENAI_API_KEY": "sk-loopback"}
        subprocess.run(
            [command[0], "data", *_data_flags(arguments)],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(
            [*command, "--out-dir", "out", "--json"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(done.stderr)
        exact = sum(
            json.loads(line)["test"]["accuracy"] == 1.0 for line in done.stdout.splitlines()
        )
    ours.send("stop")
    calls, span, most = ours.recv()
    process.join()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "calls": calls,
        "most_in_flight": most,
        "exact": exact,
        "first_request_to_last_reply_seconds": round(span, 3),
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 2),
        "cpu_ms_per_call": round(1000 * cpu / calls, 2),
        "peak_mb": round(after.ru_maxrss / 1024),
    }


def marginal(test_size):
    """CPU time per additional call and its verification: the same 100 searches, 5 and 25 long."""
    taken = []
    for attempts in (5, 25):
        arguments = (
            *("--functions", "fn_a", "fn_c", "--lengths", 20, 25, 30, 50, 100, "--num-trials", 10),
            *("--attempts", attempts, "--concurrency", 256, "--test-size", test_size),
        )
        taken.append(measure(0.5, 0, arguments))
    more = taken[1]["calls"] - taken[0]["calls"]
    cpu = taken[1]["cpu_seconds"] - taken[0]["cpu_seconds"]
    return {"what": "one call more, verified", "calls": more, "cpu_ms": round(1000 * cpu / more, 2)}


def _data_flags(arguments):
    names = (
        "--functions",
        "--lengths",
        "--test-size",
        "--num-trials",
        "--train-size",
        "--val-size",
    )
    flags, taking = [], False
    for word in map(str, arguments):
        if word.startswith("--"):
            taking = word in names
        if taking:
            flags.append(word)
    return flags


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=5.0)
    parser.add_argument("--test-size", type=int, default=10_000)
    parser.add_argument("--only", choices=["small", "large", "marginal"])
    options = parser.parse_args()
    if options.only in (None, "marginal"):
        print(json.dumps(marginal(options.test_size)))
    if options.only in (None, "small"):
        lengths = range(20, 39)
        small = ("--functions", "fn_a", "--lengths", *lengths, "--attempts", 3, "--concurrency", 16)
        result = measure(0.5, 3, small)
        print(json.dumps({"what": "57 calls of 0.5 s, 16 at once", "ideal_seconds": 2.0} | result))
    if options.only in (None, "large"):
        trials = options.points // 50
        large = (
            *("--functions", *(f"fn_{x}" for x in "abcdefgjkl"), "--lengths", 20, 25, 30, 50, 100),
            *("--num-trials", trials, "--attempts", 5, "--concurrency", 256),
            *("--test-size", options.test_size),
        )
        calls = trials * 50 * 5
        ideal = calls * options.latency / 256
        result = measure(options.latency, 5, large)
        what = f"{trials * 50} grid points x 5 attempts of {options.latency} s, 256 at once"
        print(json.dumps({"what": what, "ideal_seconds": round(ideal, 1)} | result))


if __name__ == "__main__":
    main()
