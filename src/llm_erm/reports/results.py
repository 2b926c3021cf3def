"""What the folder of a run says of one task, in the form in which methods compare."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError
from llm_erm.journal import lines_of, read

Task = tuple[str, int]
"""Task id and length of the inputs."""


@dataclass(frozen=True)
class Result:
    """One method on one data set.

    Attributes:
        method: What learned, with the model where that says more.
        run: The folder that was named.
        task: The task's id and the length of its inputs.
        trial: Which of several data sets drawn alike.
        data_sha256: Digest of the data.
        examples: Labelled examples to learn and select from.
        accuracy: Test accuracy; 0 where what was learned has none.
        test_examples: Number of test examples.
        certified: Whether the data support a bound.
        probe_accuracy: Accuracy next to the rule's boundary, where the task has such a set.
        exact: Whether all test examples are right, and all probes where there are any; never where
            only a sample of the test examples was asked about.
        candidates: Candidates up to the first exact one, if the result is exact.
        seconds_to_exact: Wall time up to it.
        seconds: Wall time of the whole run.
        cost_usd: Price of the model's answers; None where it is unknown.
        bits: Length of the program in a prefix-free code, where the method has one.
        program: Source of the program, where it is one.
    """

    method: str
    run: Path
    task: Task
    trial: int
    data_sha256: str
    examples: int
    accuracy: float
    test_examples: int
    certified: bool
    probe_accuracy: float | None
    exact: bool
    candidates: int | None
    seconds_to_exact: float | None
    seconds: float
    cost_usd: float | None
    bits: float | None
    program: str | None


def read_results(run: Path) -> list[Result]:
    """Returns the results in a run's folder and in the folders below it.

    Raises:
        InputError: There are none, or one of them is damaged or does not say what it is of.
    """
    found = [
        _result(run, path, line, attempts)
        for path in sorted([*run.rglob("results.jsonl"), *run.rglob("result.json")])
        for attempts in [_attempts(path.parent)]
        for line in _lines(path)
    ]
    if not found:
        raise InputError(
            f"{run} holds no results; name the folder of a finished run (its --out-dir)."
        )
    return found


def is_exact(line: Mapping[str, Any]) -> bool:
    """Returns whether all test data are right, and all probes where there are any.

    A sample of the test data, which is what in-context learning is asked about, never shows that.
    """
    whole = line["method"] != "incontext"
    return whole and line["test_accuracy"] == 1.0 and line["probe_accuracy"] in (1.0, None)


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".jsonl":
        yield from (line for _, line in lines_of(path))
        return
    try:
        line = json.loads(read(path))
    except ValueError:
        raise InputError(f"{path} is not one JSON object; run its command again.") from None
    yield line


def _attempts(folder: Path) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    """The journaled attempts of each grid point."""
    attempts: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for _, attempt in lines_of(folder / "attempts.jsonl"):
        attempts.setdefault(_point(attempt), []).append(attempt)
    return attempts


def _point(line: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(line.get(key) for key in ("function", "length", "seed"))


def _result(
    run: Path,
    path: Path,
    line: Mapping[str, Any],
    attempts: Mapping[tuple[Any, ...], list[Mapping[str, Any]]],
) -> Result:
    try:
        facts = {key: line[key] for key in ("data_sha256", "examples", "test_examples")}
        if not all(facts.values()):
            raise KeyError("which data it is of")
        exact = is_exact(line)
        own = attempts.get(_point(line), [])
        candidates, seconds = _first_exact(own, line) if exact else (None, None)
        method, model = line["method"], line["model"]
        return Result(
            method=method if method.endswith(f":{model}") else f"{method} {model}",
            run=run,
            task=(line["function"], line["length"]),
            trial=line.get("trial", 1),
            **facts,
            accuracy=line["test_accuracy"] or 0.0,
            certified=line["certificate"] is not None,
            probe_accuracy=line["probe_accuracy"],
            exact=exact,
            candidates=candidates,
            seconds_to_exact=seconds,
            seconds=line["seconds"],
            cost_usd=line.get("cost_usd"),
            bits=line.get("bits"),
            program=line["program"],
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"A result in {path} lacks {error}; run its command again to have it compared."
        ) from None


def _first_exact(
    attempts: Sequence[Mapping[str, Any]], line: Mapping[str, Any]
) -> tuple[int | None, float | None]:
    """Candidates and wall seconds up to the first with the program of a result that is exact."""
    if "candidates_to_first_exact" in line:
        return line["candidates_to_first_exact"], line["seconds_to_first_exact"]
    same = [a["index"] for a in attempts if a["candidate"]["source"] == line["program"]]
    if line["program"] is None or not same:
        return None, None
    first = min(same)
    return first, _seconds([attempt for attempt in attempts if attempt["index"] <= first])


def _seconds(attempts: Sequence[Mapping[str, Any]]) -> float:
    """Wall time of answers, one after another; those that were drawn together share theirs."""
    calls = {attempt["candidate"]["completion"]["latency_seconds"] for attempt in attempts}
    return float(sum(calls) + sum(attempt["validation"]["cpu_seconds"] for attempt in attempts))
