"""Damages the folders of runs of every method, and runs and reads each as if it were whole.

    python tests/damage.py [--flips 1000] [--changes 1000] [--seed 0]

What follows must be the intact results, or one sentence. It counts how often each happened.
"""

# ruff: noqa: T201

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from incontext.engines import SETTINGS, ScriptedEngine, truth
from llm_erm.baselines.method import Baselines
from llm_erm.enumeration.method import Enumeration
from llm_erm.enumeration.prior import read_prior
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.errors import InputError, LLMERMError
from llm_erm.incontext.export import export as export_queries
from llm_erm.incontext.method import InContext
from llm_erm.reports.comparison import compare, verdicts
from llm_erm.reports.remarks import remarks
from llm_erm.reports.results import entries_in, read_results
from llm_erm.reports.tables import cells, record
from llm_erm.runs.events import Advanced, Answered, Attempted, Noticed
from llm_erm.runs.jobs import Method
from llm_erm.runs.ledger import LEDGER
from llm_erm.runs.run import Plan, opened, plan, run_in
from llm_erm.serial import to_plain
from llm_erm.synthesis.export import export as export_attempts
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.replay import read_replay
from llm_erm.tasks.spec import DataSpec
from llm_erm.training.method import Training
from run_folders import reseal
from small_training import SMALL

SPEC = DataSpec(function="fn_a", length=8, train_size=10, val_size=10, test_size=20)
TIMES = {
    *("seconds", "seconds_to_selected", "cpu_seconds", "first_seconds", "queries_per_second"),
    *("latency_seconds", "duration_ms", "peak_memory_bytes"),
    # A local model that starts again computes the tokens that it had kept.
    *("computed_tokens", "cached_tokens"),
}


@dataclass(frozen=True)
class Case:
    """A run to damage.

    Attributes:
        name: The method, and whether the run was interrupted.
        planned: The run.
        results: What it results in.
        read: What reads its folder, each with what that returns.
    """

    name: str
    planned: Plan
    results: Any
    read: Sequence[tuple[Callable[[Path], Any], Any]]


def timeless(value: Any) -> Any:
    """A JSON value without times."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key not in TIMES}
    return [timeless(part) for part in value] if isinstance(value, list | tuple) else value


def done(planned: Plan, noticed: list[str]) -> Any:
    """What a run results in and leaves in its folder, but for times."""

    def observe(job: object, event: object) -> None:
        if isinstance(event, Noticed):
            noticed.append(event.text)

    assert planned.folder is not None
    for splits in planned.data:  # or bounds would count the runs before
        assert splits.folder is not None
        (splits.folder / LEDGER).unlink(missing_ok=True)
    with opened(planned) as folder:
        assert folder is not None
        results = run_in(folder, planned, observers=[observe])
        records = None
        path = planned.folder.with_suffix(".exported")
        if isinstance(planned.method, Synthesis):
            export_attempts(folder, [job.key for job in planned.jobs], "none", path, None)
            records = [json.loads(line) for line in path.read_text().splitlines()]
        if isinstance(planned.method, InContext):
            export_queries(folder, planned, planned.method, results, path, None)
            records = [json.loads(line) for line in path.read_text().splitlines()]
    names = ("programs/*.py", "metrics.*")
    files = {
        str(path.relative_to(planned.folder)): path.read_text()
        for name in names
        for path in planned.folder.glob(name)
    }
    if isinstance(planned.method, Training):  # seconds are part of them, and of the results
        files = dict.fromkeys(files, "")
    return timeless([[to_plain(result) for result in results], records, files])


def replayed(folder: Path) -> Any:
    """What a replay reads."""
    earlier = read_replay(folder)
    answers = {
        seed: [to_plain(one) for one in answers] for seed, answers in earlier.llm._answers.items()
    }
    return timeless([to_plain(earlier.settings), answers, to_plain(earlier.data)])


def compared(folder: Path) -> Any:
    """What a comparison reads, in any order."""
    results = [timeless(to_plain(result)) for result in read_results(folder)]
    return sorted(results, key=json.dumps)


def reported(folder: Path) -> None:
    """Computes what a comparison prints."""
    rows = compare(entries_in([folder]))
    assert [cells(row) for row in rows]
    assert json.dumps([record(row) for row in rows])
    for sentences in (verdicts(rows), remarks(rows)):
        assert all(sentences)


def cases(scratch: Path) -> Iterator[Case]:
    """Runs of every method, whole and interrupted."""
    answers = scratch / "answers.json"
    bodies = ["x.count('0') % 2", "1", "x.count('1') % 2 == 0", "no program", "x.count('1') % 2"]
    answers.write_text(json.dumps([f"def f(x):\n    return {body}" for body in bodies]))
    methods: dict[str, tuple[Method, type]] = {
        "synthesis": (Synthesis.of(f"scripted:{answers}", attempts=5), Attempted),
        "enumeration": (
            Enumeration(
                settings=EnumerationSettings(max_memory_bytes=8 * 2**30, max_programs=2000)
            ),
            Attempted,
        ),
        "incontext": (
            InContext(engine=ScriptedEngine(answer), settings=SETTINGS, shots=(4, 8), queries=6),
            Answered,
        ),
        "training": (
            Training(settings=replace(SMALL, n_layer=1, n_epochs=3, checkpoint_every=1)),
            Advanced,
        ),
        "baselines": (Baselines(learners=("knn", "logistic-regression")), type(None)),
    }
    for name, (method, step) in methods.items():
        specs = [SPEC] if name == "training" else [SPEC, replace(SPEC, length=10)]
        planned = plan(method, specs, scratch / name, dataset_dir=scratch / "data")
        done(planned, [])
        wanted = done(planned, [])
        read: list[tuple[Callable[[Path], Any], Any]] = [(compared, compared(scratch / name))]
        read.append((reported, None))
        if name == "synthesis":
            read += [(replayed, replayed(scratch / name)), (read_prior, read_prior(scratch / name))]
        yield Case(name, planned, wanted, read)
        if step is type(None):
            continue
        halfway = replace(planned, folder=scratch / f"{name}-interrupted")
        interrupt(halfway, step)
        yield Case(f"{name}, interrupted", halfway, wanted, ())


def answer(prompt: Any) -> str:
    """An answer of the model of in-context learning, sometimes wrong."""
    return truth(prompt) if prompt.index % 3 else '{"label": "1"}'


def interrupt(planned: Plan, step: type) -> None:
    """Runs until the fourth step."""
    left = iter(range(3 if step is not Advanced else 1))

    def observe(job: object, event: object) -> None:
        if isinstance(event, step) and next(left, None) is None:
            raise InputError("stopped")

    with opened(planned) as folder, contextlib.suppress(InputError):
        run_in(folder, planned, observers=[observe])


def files_of(folder: Path) -> list[Path]:
    """The files that a bit may flip in."""
    left_out = {".lock", "logs.log", "curves.png", "config.json"}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in left_out and path.stat().st_size
    )


def flip(folder: Path, draw: random.Random, others: Sequence[Path]) -> str:
    """Flips one bit."""
    path = draw.choice(files_of(folder))
    data = bytearray(path.read_bytes())
    place, bit = draw.randrange(len(data)), draw.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place} of {path.name}"


ODD: tuple[Any, ...] = (
    *(None, True, -1, 10**400, 0, 1.5, float("nan"), "", "text", "\ud800", "\x00", [], {}, [[]]),
    *({"a": 1}, "../../x", [1, 2, 3], "2", 2**63),
)


def odd(value: Any, draw: random.Random) -> Any:
    """A JSON value with one change somewhere in it."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(sorted(value))
        if draw.random() < 0.15:
            return {name: part for name, part in value.items() if name != key}
        return value | {key: odd(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], odd(value[place], draw), *value[place + 1 :]]
    if isinstance(value, int | float) and not isinstance(value, bool) and draw.random() < 0.5:
        return value + draw.choice([1, -1])
    return draw.choice(ODD)


def edit(line: bytes, draw: random.Random) -> bytes:
    """A line with a change in the JSON object that it holds."""
    return json.dumps(odd(json.loads(line), draw)).encode()


LINES: dict[str, Callable[[list[bytes], int, random.Random], list[bytes]]] = {
    "delete a line": lambda lines, at, _: lines[:at] + lines[at + 1 :],
    "repeat a line": lambda lines, at, _: [*lines, lines[at]],
    "reverse the lines": lambda lines, *_: lines[::-1],
    "edit a line": lambda lines, at, draw: [
        *(*lines[:at], edit(lines[at], draw)),
        *lines[at + 1 :],
    ],
    "empty a line": lambda lines, at, _: [*lines[:at], b"", *lines[at + 1 :]],
    "nest deeply": lambda lines, at, _: [*lines[:at], b"[" * 50_000, *lines[at:]],
    "nest within": lambda lines, at, _: [
        *(*lines[:at], lines[at][:-1] + b', "x": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001),
        *lines[at + 1 :],
    ],
    "add no text": lambda lines, at, _: [*lines[:at], b"\xff\xfe\x00", *lines[at:]],
    "add a number": lambda lines, at, _: [*lines[:at], b"9" * 5000, *lines[at:]],
    "add NaN": lambda lines, at, _: [*lines[:at], b'{"job": NaN}', *lines[at:]],
    "join two lines": lambda lines, at, _: [*lines[:at], b"".join(lines[at : at + 2])],
    "cut short": lambda lines, at, draw: [*lines[:at], lines[at][: draw.randrange(40)]],
}


def change(folder: Path, draw: random.Random, others: Sequence[Path]) -> str:
    """Changes the structure of one file."""
    path = draw.choice([path for path in files_of(folder) if path.suffix != ".pt"])
    kind = draw.choice([*LINES, *(["edit a line"] * 8), "whole"])
    if kind == "whole":
        return whole(path, draw, others)
    if path.name == "settings.json" and kind == "edit a line":
        path.write_text(json.dumps(odd(json.loads(path.read_text()), draw), indent=2) + "\n")
        return f"{kind} of settings.json"
    if path.suffix != ".jsonl" and kind == "edit a line":
        kind = "repeat a line"
    lines = path.read_bytes().splitlines()
    at = draw.randrange(len(lines))
    path.write_bytes(b"".join(line + b"\n" for line in LINES[kind](lines, at, draw)))
    return f"{kind} {at + 1} of {path.name}"


def whole(path: Path, draw: random.Random, others: Sequence[Path]) -> str:
    """Replaces a file by what is none, or by that of another run."""
    kind = draw.choice(["empty", "gone", "folder", "pipe", "of another run", "of another journal"])
    other = draw.choice(others) / path.name
    sibling = draw.choice(files_of(path.parent))
    content = sibling.read_bytes()
    path.unlink()
    match kind:
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "of another run" if other.is_file():
            shutil.copy(other, path)
        case "of another journal":
            path.write_bytes(content)
    return f"{path.name}: {kind}"


def forge(folder: Path, draw: random.Random, others: Sequence[Path]) -> str:
    """Changes a line and its checksum with it: no error may be more than one sentence."""
    journals = [path for path in files_of(folder) if path.name in JOURNALS]
    if not journals:
        return "nothing to forge"
    path = draw.choice(journals)

    numbers, chosen = count(), draw.randrange(len(path.read_bytes().splitlines()))

    def edited(line: dict[str, Any]) -> None:
        if next(numbers) != chosen:
            return
        del line["sha256"]
        while not isinstance(other := odd(line, draw), dict):
            pass
        line.clear()
        line.update(other, sha256="")

    reseal(path, edited)
    return f"forged line {chosen + 1} of {path.name}"


JOURNALS = {f"{name}.jsonl" for name in ("results", "prompts", "answers", "attempts")}


def outcome(
    case: Case,
    folder: Path,
    damage: Callable[..., str],
    draw: random.Random,
    others: Sequence[Path],
) -> tuple[str, str]:
    """Damages a copy of a run; returns what came of it, and what was done to it."""
    assert case.planned.folder is not None
    shutil.copytree(case.planned.folder, folder)
    what = damage(folder, draw, others)
    try:
        read = "same"
        for reader, wanted in case.read:
            try:
                found = reader(folder)
                fewer = reader is compared and all(result in wanted for result in found)
                if found != wanted and not fewer:  # fewer: as if interrupted before the others
                    read = "DIFFERENT"
                    break
            except LLMERMError as error:
                assert "\n" not in str(error), error
        noticed: list[str] = []
        try:
            found = done(replace(case.planned, folder=folder), noticed)
        except LLMERMError as error:
            assert "\n" not in str(error), error
            said = "refused"
        else:
            same = found == case.results
            said = ("named, same" if noticed else "same") if same else "DIFFERENT"
        if read == "DIFFERENT":
            said = "READ DIFFERENTLY"
        return said, what
    except Exception:  # noqa: BLE001 - what is looked for
        return "TRACEBACK", f"{what}\n{traceback.format_exc()}"
    finally:
        shutil.rmtree(folder)


BAD = ("DIFFERENT", "READ DIFFERENTLY", "TRACEBACK")


def damage_all(
    scratch: Path, counts: dict[Callable[..., str], int], seed: int, *, only: Sequence[str] = ()
) -> dict[str, Counter[str]]:
    """Returns what came of each kind of damage; prints what must not."""
    made = [case for case in cases(scratch) if not only or case.name in only]
    others = [case.planned.folder for case in made if case.planned.folder is not None]
    found: dict[str, Counter[str]] = {}
    for damage, times in counts.items():
        tally = found.setdefault(damage.__name__, Counter())
        for number in range(times):
            case = made[number % len(made)]
            draw = random.Random(f"{seed} {damage.__name__} {number}")
            came, what = outcome(case, scratch / "damaged", damage, draw, others)
            forged = damage is forge and "DIFFERENT" in came
            tally["forged" if forged else came] += 1
            if came in BAD and not forged:
                print(f"{damage.__name__} {number}, {case.name}: {came}: {what}", file=sys.stderr)
    return found


def main() -> int:
    """Damages as often as asked; returns 1 if anything was believed that must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("flips", "changes", "forgeries"):
        parser.add_argument(f"--{name}", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    counts = {flip: asked.flips, change: asked.changes, forge: asked.forgeries}
    with tempfile.TemporaryDirectory() as scratch:
        found = damage_all(Path(scratch), counts, asked.seed)
    for kind, tally in found.items():
        print(kind, dict(tally))
    return int(any(tally[bad] for tally in found.values() for bad in BAD))


if __name__ == "__main__":
    sys.exit(main())
