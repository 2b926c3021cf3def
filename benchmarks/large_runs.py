"""Times `llm-erm watch` and `llm-erm report` on searches with very many attempts.

    python benchmarks/large_runs.py --attempts 10000 100000

Each run is made up: answers of some 1,500 characters and their verdicts, written by the journal of
this package. `watch` reads it in a process of its own, which says how many seconds the first
reading takes, how many milliseconds a tick in which nothing, or one answer and one attempt, was
added (medians of 20), and its peak memory after the first reading. `report` is the command in a
process of its own: seconds, peak memory, and size of the file. Memory is the peak resident set of
that process (Linux).
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llm_erm.facts import SynthesisFacts
from llm_erm.llms.llm import Completion, Usage
from llm_erm.records import Attempt, Candidate, Result, Verdict
from llm_erm.runs.events import Answered, Attempted, Finished, Prompted
from llm_erm.runs.fingerprint import DataRecord, Fingerprint
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey

TICKS = 20
GROWING = ("answers.jsonl", "attempts.jsonl")
PEAK = """
import re, sys
from pathlib import Path

def peak():  # that of getrusage counts the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
REPORTING = f"""{PEAK}
from llm_erm.cli.main import main
try:
    main(["report", sys.argv[1], "--out", sys.argv[2]])
except SystemExit as ended:
    print(peak())
    raise
"""
WATCHING = f"""{PEAK}
import statistics, time
from llm_erm.reports.watched import Watch

def seconds(of):
    started = time.perf_counter()
    of()
    return time.perf_counter() - started

folder, rest = map(Path, sys.argv[1:])
place, before = Watch(folder), peak()
first, most = seconds(place.states), peak()
quiet = [seconds(place.states) for _ in range(20)]
later = [(path.name, path.read_text().splitlines(keepends=True)) for path in rest.iterdir()]
grown = []
for lines in zip(*[lines for _, lines in later]):
    for (name, _), line in zip(later, lines):
        with (folder / name).open("a") as file:
            file.write(line)
    grown.append(seconds(place.states))
(state,) = place.states()
(search,) = state.searches
print(search.steps, first, statistics.median(quiet), statistics.median(grown), before, most)
"""


def make(folder: Path, attempts: int) -> None:
    """Writes a finished search of so many attempts, a seventh of them without a program."""
    spec = DataSpec(function="fn_a", length=20)
    key = JobKey("fn_a", 20, spec.trial_seed)
    settings = {"settings": {"attempts": attempts}}
    known = Fingerprint("0", "synthesis", settings, (DataRecord(spec, "abc", "abc", None),))
    draw = random.Random(0)
    words = [f"{draw.getrandbits(40):x}" for _ in range(2000)]
    journal = RunFolder(folder, known, [key])
    journal(key, Prompted("Find the rule.\n", 1))
    for index in range(1, attempts + 1):
        code = f"def f(x):\n    return int(x[{index % 19}] == '1')  # {index}\n"
        text = f"{' '.join(draw.choices(words, k=130))}\n\n{code}"
        usage = Usage(2_000, 0, draw.randrange(100, 4_000), 0)
        journal(key, Answered(Completion(index, text, usage, draw.random() * 60, cost_usd=0.01)))
        right = draw.randrange(40, 70)
        if index % 7 == 0:
            verdict = Verdict("no_code", 0, 100, 100, "the answer holds no program")
            candidate = Candidate(None, verdict.message)
        else:
            verdict, candidate = Verdict("ok", right, 0, 100, None, 0.001), Candidate(code)
        journal(key, Attempted(Attempt(index, candidate, verdict, verdict)))
    result = Result(
        method="synthesis",
        model="openai:gpt-5",
        data=DataKey("fn_a", 20, spec.trial_seed, 1, "abc"),
        examples=200,
        attempts=attempts,
        test=Verdict("ok", 60, 0, 100),
        seconds=1.0,
        facts=SynthesisFacts(),
    )
    journal(key, Finished(result))
    journal.close()


def megabytes(kilobytes: float) -> str:
    return f"{kilobytes * 1024 / 1e6:,.0f} MB"


def run(code: str, *words: Path) -> tuple[float, list[float]]:
    """Seconds of a process, and the numbers that it printed."""
    started = time.perf_counter()
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - started, list(map(float, done.stdout.split()))


def report(folder: Path, out: Path) -> None:
    seconds, (peak,) = run(REPORTING, folder, out)
    size = out.stat().st_size / 1e6
    print(f"  report: {seconds:.1f} s, peak {megabytes(peak)}, file {size:.1f} MB", flush=True)


def watch(folder: Path, rest: Path) -> None:
    """Takes the last lines of the run away, and adds them while it is watched."""
    rest.mkdir()
    (folder / "results.jsonl").write_text("")
    for name in GROWING:
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[:-TICKS]))
        (rest / name).write_text("".join(lines[-TICKS:]))
    _, (steps, first, quiet, grown, before, peak) = run(WATCHING, folder, rest)
    print(
        f"  watch: first reading {first:.2f} s; a tick {1e3 * quiet:.1f} ms, with a new attempt "
        f"{1e3 * grown:.1f} ms; peak {megabytes(peak)}, of which imports {megabytes(before)} "
        f"({steps:,.0f} attempts seen)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--attempts", type=int, nargs="+", default=[10_000, 100_000])
    for attempts in parser.parse_args().attempts:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "run")
            make(folder, attempts)
            sizes = {name: (folder / name).stat().st_size / 1e6 for name in GROWING}
            said = " and ".join(f"{name} of {size:.0f} MB" for name, size in sizes.items())
            print(f"{attempts:,} attempts, {said}:", flush=True)
            report(folder, Path(place, "report.html"))
            watch(folder, Path(place, "rest"))


if __name__ == "__main__":
    main()
