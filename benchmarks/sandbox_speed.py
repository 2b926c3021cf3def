"""Times the sandbox beside plain in-process exec, in one run: python benchmarks/sandbox_speed.py.

Both sides do the same work: compile, run on every input, score. The numbers are medians of rounds
in which the two sides take turns, so that changes in the machine's load affect both equally. CPU
seconds are those of this process and of all processes that it waits for; for sandbox processes that
it does not wait for, they are the kernel's per-process numbers.
"""

import argparse
import json
import os
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from llm_erm.sandbox import Limits, Sandbox

EXAMPLES, LENGTH = 10_200, 50
DIGITS = 100
PARITIES = {
    "parity by a sum": "def f(x):\n    return sum(int(c) for c in x) % 2",
    "parity by a loop": (
        "def f(x):\n    n = 0\n    for c in x:\n"
        "        if c == '1':\n            n += 1\n    return n % 2"
    ),
    "parity by count": "def f(x):\n    return x.count('1') % 2",
}
TRIVIAL = "def f(x):\n    return 1"
MILLER_RABIN = """
def f(x):
    n = int(x)
    if n % 2 == 0:
        return int(n == 2)
    d, s = n - 1, 0
    while d % 2 == 0:
        d, s = d // 2, s + 1
    for a in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if n % a == 0:
            return int(n == a)
        y = pow(a, d, n)
        if y in (1, n - 1):
            continue
        for _ in range(s - 1):
            y = y * y % n
            if y == n - 1:
                break
        else:
            return 0
    return 1
"""


def strings(count, length, digits="01"):
    draw = random.Random(length)
    return ["".join(draw.choices(digits, k=length)) for _ in range(count)]


def in_process(source, inputs, labels):
    """Compiles, runs and scores a program without a sandbox; only its exceptions are caught."""
    names = {}
    exec(compile(source, "<candidate>", "exec"), names)
    function = names["f"]
    predictions = []
    for x in inputs:
        try:
            predictions.append(function(x))
        except Exception:  # noqa: BLE001 - as the sandbox does
            predictions.append(255)
    return int(np.sum(np.array(predictions) == labels))


def in_sandbox(sandbox, source, inputs, labels, limits=Limits()):
    execution = sandbox.execute(source, inputs, limits)
    return int(np.sum(execution.predictions == labels)), execution.cpu_seconds


def timed(act):
    wall, cpu = time.perf_counter(), time.process_time()
    answer = act()
    return time.perf_counter() - wall, time.process_time() - cpu, answer


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def calls_per_second(sandbox, inputs, rounds):
    """Compares the calls alone; the sandbox's start-up time of a child is reported separately."""
    figures = {}
    labels = np.array([x.count("1") % 2 for x in inputs])
    start = statistics.median(
        sandbox.execute(TRIVIAL, inputs[:1]).cpu_seconds for _ in range(20 * rounds)
    )
    for name, source in PARITIES.items():
        plain, boxed = [], []
        for _ in range(rounds):
            _, cpu, right = timed(lambda s=source: in_process(s, inputs, labels))
            plain.append(cpu)
            boxed_right, cpu = in_sandbox(sandbox, source, inputs, labels)
            boxed.append(cpu - start)
            assert right == boxed_right == len(inputs)
        figures[name] = {
            "in_process_calls_per_cpu_second": len(inputs) / statistics.median(plain),
            "sandbox_calls_per_cpu_second": len(inputs) / statistics.median(boxed),
            "ratio": statistics.median(plain) / statistics.median(boxed),
        }
    return {"start_cpu_seconds": start, **figures}


def overhead(sandbox, count):
    """Wall and CPU time of trivial candidates, one after another on a single worker."""
    walls, cpus = [], []
    for _ in range(count):
        wall, cpu, execution = timed(lambda: sandbox.execute(TRIVIAL, ["1"]))
        walls.append(wall)
        cpus.append(cpu + execution.cpu_seconds)
    return {
        "wall_ms_median": 1e3 * statistics.median(walls),
        "wall_ms_p95": 1e3 * quantile(walls, 0.95),
        "cpu_ms_median": 1e3 * statistics.median(cpus),
        "cpu_ms_p95": 1e3 * quantile(cpus, 0.95),
    }


def trivial_rate(sandbox, count):
    with ThreadPoolExecutor(sandbox.workers) as threads:
        wall, cpu, _ = timed(
            lambda: list(threads.map(lambda _: sandbox.execute(TRIVIAL, ["1"]), range(count)))
        )
    return {"candidates_per_second": count / wall, "parent_cpu_ms": 1e3 * cpu / count}


def work_of_one(arguments):
    source, inputs, labels = arguments
    began = time.process_time()
    right = in_process(source, inputs, labels)
    return right, time.process_time() - began


_inputs = []


def keep_inputs(inputs, labels):
    _inputs[:] = [inputs, labels]


def work_of_kept(source):
    return work_of_one((source, *_inputs))


def throughput(sandbox, inputs, candidates, rounds):
    """Many candidates on many inputs, two at a time: threads of the sandbox, or plain processes."""
    labels = np.array([x.count("1") % 2 for x in inputs])
    sources = [PARITIES["parity by a sum"] + f"  # {i}" for i in range(candidates)]
    plain, boxed, plain_cpu, boxed_cpu = [], [], [], []
    with (
        ProcessPoolExecutor(
            2, get_context("spawn"), initializer=keep_inputs, initargs=(inputs, labels)
        ) as processes,
        ThreadPoolExecutor(2) as threads,
    ):
        list(processes.map(work_of_kept, sources[:2]))
        for _ in range(rounds):
            wall, cpu, answers = timed(lambda: list(processes.map(work_of_kept, sources)))
            plain.append(wall)
            plain_cpu.append(cpu + sum(seconds for _, seconds in answers))
            wall, cpu, answers = timed(
                lambda: list(threads.map(lambda s: in_sandbox(sandbox, s, inputs, labels), sources))
            )
            boxed.append(wall)
            boxed_cpu.append(cpu + sum(seconds for _, seconds in answers))
            assert all(right == len(inputs) for right, _ in answers)
    return {
        "in_process_wall_seconds": statistics.median(plain),
        "sandbox_wall_seconds": statistics.median(boxed),
        "wall_ratio": statistics.median(b / a for a, b in zip(plain, boxed, strict=True)),
        "in_process_cpu_seconds": statistics.median(plain_cpu),
        "sandbox_cpu_seconds": statistics.median(boxed_cpu),
        "cpu_ratio": statistics.median(b / a for a, b in zip(plain_cpu, boxed_cpu, strict=True)),
    }


def heavy(sandbox, count):
    """Miller–Rabin on 100-digit numbers: in process, on one worker, and over all of them."""
    inputs = [x[:-1] + "7" for x in strings(count, DIGITS, "0123456789")]
    wall, cpu, right = timed(lambda: in_process(MILLER_RABIN, inputs, 0))
    figures = {"in_process": {"wall_seconds": wall, "cpu_seconds": cpu}}
    limits = Limits(seconds_per_candidate=100)
    with Sandbox(workers=1) as alone:
        for name, box in (("one_worker", alone), ("all_workers", sandbox)):
            wall, _, (boxed_right, cpu) = timed(
                lambda b=box: in_sandbox(b, MILLER_RABIN, inputs, 0, limits)
            )
            figures[name] = {"wall_seconds": wall, "cpu_seconds": cpu}
            assert right == boxed_right
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=200, help="for the throughput")
    parser.add_argument("--trivial", type=int, default=1000, help="trivial candidates")
    parser.add_argument("--numbers", type=int, default=EXAMPLES, help="for Miller–Rabin")
    chosen = parser.parse_args()
    inputs = strings(EXAMPLES, LENGTH)
    with Sandbox(workers=2) as sandbox:
        figures = {
            "isolation": sandbox.isolation,
            "cores": len(os.sched_getaffinity(0)),
            "load_average_before": Path("/proc/loadavg").read_text().split()[0],
            "calls": calls_per_second(sandbox, inputs, chosen.rounds),
            "overhead_of_a_trivial_candidate": overhead(sandbox, chosen.trivial),
            "trivial_candidates_on_two_workers": trivial_rate(sandbox, 2 * chosen.trivial),
            "throughput": throughput(sandbox, inputs, chosen.candidates, min(3, chosen.rounds)),
            "miller_rabin": heavy(sandbox, chosen.numbers),
            "load_average_after": Path("/proc/loadavg").read_text().split()[0],
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
