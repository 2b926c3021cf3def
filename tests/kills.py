"""Kills commands at random moments with SIGKILL, and starts each again until it is done.

    python tests/kills.py [--kills 20] [--seed 0] [--only NAME ...]

`--only train-cuda` kills training on a GPU.

Nothing may be lost or there twice, no process may be left, and what comes of it must be what comes
of a run that was never killed.
"""

# ruff: noqa: T201

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from damage import timeless

SLOW = """
def f(x):
    for _ in range(40):
        sum(map(int, x))
    return (x.count('1') + NUMBER) % 2
"""
DATA = ("--train-size", "20", "--val-size", "20", "--test-size", "200")
SMALL = ("--n_layer", "1", "--n_head", "2", "--n_embd", "16", "--train_set_size", "80")
COMMANDS: dict[str, tuple[str, ...]] = {
    "synthesize": (
        *("synthesize", "--provider", "scripted", "--answers", "answers.json", "--attempts", "12"),
        *("--functions", "fn_g", "fn_c", "--lengths", "20", "--out-csv", "OUT.csv", *DATA),
    ),
    "enumerate": (
        *("enumerate", "--functions", "fn_a", "fn_c", "fn_g", "--lengths", "20"),
        *("--max-programs", "100000", *DATA),
    ),
    "incontext": (
        *("incontext", "--functions", "fn_a", "--lengths", "20", "--shots", "4", "8"),
        *("--test-size", "20", "--max-new-tokens", "12"),
    ),
    "train": (
        *("train", "--target_func", "fn_a", "--sequence_length", "20", *SMALL),
        *("--test_set_size", "200", "--n_epochs", "30", "--eval_every", "10"),
        *("--checkpoint_every", "1", "--precision", "fp32", "--device", "cpu"),
    ),
    "sweep": ("sweep", "sweep.yaml", "--jobs", "2"),
    "benchmark": (
        *("benchmark", "--tasks", "tasks", "--proposer", "scripted:answers.json"),
        *("--attempts", "12", "--without", "enumeration", "--learners", "decision-tree", *DATA),
    ),
}
ON_A_GPU: dict[str, tuple[str, ...]] = {
    "train-cuda": (
        *("train", "--target_func", "fn_a", "--sequence_length", "20", "--n_layer", "2"),
        *("--n_head", "2", "--n_embd", "64", "--train_set_size", "200", "--test_set_size", "200"),
        *("--n_epochs", "1500", "--eval_every", "100", "--checkpoint_every", "1"),
        *("--device", "cuda"),
    ),
}
TASK = """
bits, kind, lengths, uniform = NUMBER, "binary", (20,), True

def rule(x):
    return x.count("1") % NUMBER % 2

def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length)))
"""
SWEEP = """
experiment_name: OUT
results_root: .
command: enumerate
base_args: {functions: [fn_l, fn_c], lengths: [20], max-programs: 100000, train-size: 20,
            val-size: 20, test-size: 200}
grid: {seed: [1, 2, 3]}
"""


def start(name: str, out: str, scratch: Path) -> "subprocess.Popen[bytes]":
    """Starts a command in a session of its own."""
    words = [word.replace("OUT", out) for word in (COMMANDS | ON_A_GPU)[name]]
    if name == "sweep":
        (scratch / "sweep.yaml").write_text(SWEEP.replace("OUT", out))
    else:
        words += ["--results_path" if words[0] == "train" else "--out-dir", out]
    with (scratch / f"{out}.said").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "llm_erm", *words],
            cwd=scratch,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def in_session(session: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(stat.parent.name))
    return found


def left_over(session: int) -> list[int]:
    """The processes of a session that are alive three seconds after its end."""
    deadline = time.monotonic() + 3
    while (found := in_session(session)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def lines_in(folder: Path) -> Counter[str]:
    """What the journals below a folder hold, without times and checksums: whole lines alone."""
    found: Counter[str] = Counter()
    for path in folder.rglob("*.jsonl"):
        if path.name in ("prompts.jsonl", "answers.jsonl", "attempts.jsonl", "results.jsonl"):
            *whole, _ = path.read_bytes().split(b"\n")
            for line in whole:
                checked = ("sha256", "lines_sha256", "answer_sha256")
                plain = {k: v for k, v in json.loads(line).items() if k not in checked}
                place = path.relative_to(folder)
                found[f"{place} {json.dumps(timeless(plain), sort_keys=True)}"] += 1
    return found


def forget_runs(scratch: Path) -> None:
    """Deletes what the data know of runs, which bounds count."""
    for path in (scratch / "datasets").rglob("ledger.jsonl"):
        path.unlink()


def check(name: str, kills: int, draw: random.Random, scratch: Path) -> bool:
    """Kills one command that often; returns whether all was well."""
    began = time.monotonic()
    whole = start(name, "whole", scratch)
    assert whole.wait() == 0, (scratch / "whole.said").read_text()
    takes = time.monotonic() - began
    wanted = lines_in(scratch / "whole")
    forget_runs(scratch)
    lost = twice = left = at_work = ended = 0
    for _ in range(kills):
        before = lines_in(scratch / "killed")
        process = start(name, "killed", scratch)
        time.sleep(draw.uniform(0.1, takes))
        if process.poll() is not None:
            ended += 1
        else:
            process.send_signal(signal.SIGKILL)
        process.wait()
        for pid in (found := left_over(process.pid)):
            os.kill(pid, signal.SIGKILL)
        left += len(found)
        after = lines_in(scratch / "killed")
        lost += (before - after).total()
        twice += sum(count > 1 for count in after.values())
        at_work += after != before
        if ended and process.returncode == 0:  # it was done: begin anew
            shutil.rmtree(scratch / "killed")
            forget_runs(scratch)
    last = start(name, "killed", scratch)
    assert last.wait() == 0, (scratch / "killed.said").read_text()[-3000:]
    found = lines_in(scratch / "killed")
    same = found == wanted
    twice += sum(count > 1 for count in found.values())
    said = (scratch / "killed.said").read_text()
    traces, noticed = said.count("Traceback"), said.count("damaged")
    print(
        f"{name}: a whole run took {takes:.1f} s; {kills} kills, {at_work} while it worked, "
        f"{ended} after it; {lost} lines lost, {twice} there twice, {left} processes left, "
        f"{traces} tracebacks, {noticed} lines called damaged; same results: {same}",
        flush=True,
    )
    if not same:
        for line in [*(found - wanted), *(wanted - found)]:
            print("   ", line[:300])
    return same and not (lost or twice or left or traces or noticed)


def main() -> int:
    """Kills every command; returns 1 if anything was lost, twice, different or left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(COMMANDS))
    asked = parser.parse_args()
    well = []
    for name in asked.only:
        with tempfile.TemporaryDirectory() as place:
            scratch = Path(place)
            answers = [SLOW.replace("NUMBER", str(number)) for number in range(12)]
            (scratch / "answers.json").write_text(json.dumps(answers))
            (scratch / "tasks").mkdir()
            for number in (2, 3, 4):
                text = TASK.replace("NUMBER", str(number))
                (scratch / "tasks" / f"task{number}.py").write_text(text)
            well.append(check(name, asked.kills, random.Random(f"{asked.seed} {name}"), scratch))
    return int(not all(well))


if __name__ == "__main__":
    sys.exit(main())
