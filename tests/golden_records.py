"""What must not change of the records that commands write and print: all but times and places.

Each ``canonical_`` function knows how one kind of line is written, and nothing else does. Lines of
version 0.1 are read as well as today's, so that recordings of both can be compared; what the
readers return has the names of 0.1.
"""

import csv
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Line = Mapping[str, Any]

TIMES = {
    *("seconds", "seconds_to_first_exact", "cpu_seconds", "first_seconds", "queries_per_second"),
    *("latency_seconds", "duration_ms", "peak_memory_bytes"),
}
"""What is measured anew each time, and what memory the process happened to take."""

RESULT = (
    *("method", "function", "length", "seed", "trial", "model", "attempts", "duplicates"),
    *("selected_attempt", "program", "train_accuracy", "validation_accuracy", "test_accuracy"),
    *("test_examples", "probe_accuracy", "length_shift_accuracy", "certificate", "notices"),
    *("isolation", "prompt_tokens", "completion_tokens", "tool_calls", "cost_usd", "data_sha256"),
    "examples",
)
FACTS = {
    "synthesis": ("attempt_test_accuracies", "exact_attempts", "success_at"),
    "enumeration": (
        *("inputs", "solutions", "considered", "kept", "stopped_by", "levels", "found_by", "bits"),
        *("candidates_to_first_exact", "tied"),
    ),
    "incontext": (
        *("shots", "queries", "correct", "parse_failures", "accuracy_interval", "accuracy_parsed"),
        *("accuracy_parsed_interval", "differs_from_chance", "predicted_1", "log_loss"),
        "prompt_tokens_computed",
    ),
    "training": (
        *("train_loss", "test_loss", "epochs", "steps", "samples", "parameters"),
        *("trained_parameters", "context_length", "vocabulary", "device", "curve", "train_size"),
        *("accuracy_at_length", "folder"),
    ),
    "baseline": ("learner", "parameters", "grid", "circuit", "folds"),
}
"""What a method tells beside what all tell."""

unlisted: set[str] = set()
"""Keys of results that no list above names: they would go unnoticed."""


def canonical_result(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``results.jsonl``, ``result.json`` or ``--json``."""
    named = _result_today(line) if "facts" in line else line
    names = (*RESULT, *FACTS[named["method"].partition(":")[0]])
    unlisted.update(named.keys() - {*names, *TIMES})
    return {name: timeless(named[name]) for name in names if name in named}


def _result_today(line: Line) -> dict[str, Any]:
    """The result under the names of 0.1; what does not apply is left out."""
    plain = {*line} - {*VERDICTS, *("data", "cost", "facts", "variant", "version")} - CHECKS
    test = line["test"]
    named = {name: line[name] for name in plain - {"candidates_to_selected", "seconds_to_selected"}}
    named |= {name: line["data"][name] for name in ("function", "length", "seed", "trial")}
    named |= {"data_sha256": line["data"]["sha256"]}
    named |= {
        f"{name}_accuracy": None if line[part] is None else line[part]["accuracy"]
        for part, name in VERDICTS.items()
    }
    named |= {"test_examples": None if test is None else test["total"]}
    named |= {COST.get(name, name): value for name, value in line["cost"].items()}
    facts = {name: value for name, value in line["facts"].items() if name != "method"}
    match line["facts"]["method"]:
        case "synthesis":
            facts = {PASSES[name]: value for name, value in facts.items() if value is not None}
        case "enumeration":
            facts["candidates_to_first_exact"] = line["candidates_to_selected"]
        case "incontext":
            counts = {"queries": "total", "correct": "correct", "parse_failures": "invalid"}
            facts |= {name: test[count] for name, count in counts.items()}
        case "baseline":
            facts = {key: fact for key, fact in facts.items() if fact is not None}
    return named | facts


CHECKS = {"sha256", "lines_sha256"}
"""What only checks a line."""
VERDICTS = {
    **{name: name for name in ("train", "validation", "test")},
    **{"contrast": "probe", "length_generalization": "length_shift"},
}
COST = {"usd": "cost_usd"}
PASSES = {
    "test_accuracies": "attempt_test_accuracies",
    "exact_attempts": "exact_attempts",
    "pass_at": "success_at",
}
"""Names of today, and those of 0.1."""


def canonical_completion(line: Line) -> dict[str, Any]:
    """What must not change of an answer of a model."""
    names = ("index", "text", "usage", "finish_reason", "cost_usd", "tool_calls", "error")
    scored = [name for name in ("probability", "computed_tokens") if line.get(name) is not None]
    return {name: line[name] for name in (*names, *scored)}


def canonical_job_key(line: Line) -> dict[str, Any]:
    """Which job a line of a journal is about."""
    key = line.get("job", line)
    shots = key.get("variant", "").removeprefix("shots=")
    named = {name: key[name] for name in ("function", "length", "seed", "trial")}
    return named | ({"shots": int(shots)} if shots else {})


def canonical_answer(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``answers.jsonl``."""
    return canonical_job_key(line) | canonical_completion(line.get("answer", line))


def canonical_prompt(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``prompts.jsonl``."""
    return canonical_job_key(line) | {"prompt": line["prompt"]}


PLACE = ("function", "length", "seed", "trial", "index")
"""Which attempt a line is about; the last line about one holds."""


def canonical_attempt(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``attempts.jsonl``; its prompt and answer, if inside."""
    attempt = line.get("attempt", line)
    candidate = attempt["candidate"]
    verdict = ("status", "correct", "invalid", "total", "message")
    told = (
        canonical_job_key(line)
        | {name: attempt[name] for name in ("index", "duplicate_of")}
        | {part: {n: attempt[part][n] for n in verdict} for part in ("train", "validation")}
        | {name: candidate[name] for name in ("source", "reason")}
    )
    if "completion" in candidate:
        told |= {"prompt": candidate["prompt"]}
        told |= {"completion": canonical_completion(candidate["completion"])}
    return told


def with_prompts_and_answers(attempts: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Attempts with what led to each, which a run keeps in files of its own since 0.2."""
    if not (folder / "prompts.jsonl").exists():
        return attempts
    prompts = {_key(line): line["prompt"] for line in lines_of(folder / "prompts.jsonl")}
    answers = {
        (_key(line), line["answer"]["index"]): canonical_completion(line["answer"])
        for line in lines_of(folder / "answers.jsonl")
        if line["answer"]["finish_reason"] != "cancelled"
    }
    return [
        attempt | {"prompt": prompts[key], "completion": answers[key, attempt["index"]]}
        for attempt in attempts
        for key in [_key(attempt)]
    ]


def _key(line: Line) -> tuple[Any, ...]:
    return tuple(canonical_job_key(line).values())


def canonical_query(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``queries.jsonl``."""
    names = ("function", "length", "seed", "trial", "shots", "index", "input", "label", "prompt")
    answer = line["answer"]
    return (
        {name: line[name] for name in (*names, "prediction")}
        | {name: answer[name] for name in ("probability", "computed_tokens")}
        | {"completion": canonical_completion(answer["completion"])}
    )


def canonical_published(line: Line) -> dict[str, Any]:
    """What must not change of a row of the published files, which keep their columns: the times."""
    return timeless(line)


def canonical_point(line: Line) -> dict[str, Any]:
    """What must not change of one line of ``metrics.jsonl``."""
    return timeless(line)


def canonical_data(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm data --json``."""
    return dict(line)


def canonical_verification(line: Line) -> dict[str, Any]:
    """What must not change of the line of ``llm-erm verify --json``."""
    return timeless(line)


def canonical_comparison(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm compare --json``."""
    return timeless(line)


def canonical_curve(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm figure --json``."""
    return dict(line)


def canonical_job(line: Line) -> dict[str, Any]:
    """What must not change of a line of ``llm-erm sweep --json``."""
    results = [canonical_result(result) for result in line["results"]]
    return timeless(line) | {"results": results}


PRINTED: dict[str, Callable[[Line], dict[str, Any]]] = {
    **dict.fromkeys(("synthesize", "enumerate", "incontext"), canonical_result),
    **dict.fromkeys(("baselines", "train"), canonical_result),
    "data": canonical_data,
    "verify": canonical_verification,
    "compare": canonical_comparison,
    "figure": canonical_curve,
    "sweep": canonical_job,
    "tasks": dict,
    "bound": dict,
}
"""What each command prints with ``--json``, one object per line."""

JOURNALS: dict[str, Callable[[Line], dict[str, Any]]] = {
    "results.jsonl": canonical_result,
    "attempts.jsonl": canonical_attempt,
    "answers.jsonl": canonical_answer,
    "prompts.jsonl": canonical_prompt,
    "queries.jsonl": canonical_query,
}
"""Files of a run's folder whose lines come in the order in which work was done; kept sorted."""

WHOLE: dict[str, Callable[[Line], dict[str, Any]]] = {
    "result.json": canonical_result,
    "meta.json": dict,
    "config.json": dict,
    "job.json": dict,
}
DATA = ("train.txt", "val.txt", "test.txt")
LEFT_OUT = (
    ".lock",
    "settings.json",
    "log.jsonl",
    "runner.log",
    "stdout.log",
    "stderr.log",
    "comparison.png",
)
"""Files that hold no result: flags, events, what jobs printed of what they also wrote, and a
picture with times in it."""


def timeless(value: Any) -> Any:
    """A JSON value without times, wherever they are in it."""
    if isinstance(value, Mapping):
        return {key: timeless(part) for key, part in value.items() if key not in TIMES}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def canonical_file(path: Path) -> Any:
    """What must not change of a file, or None where nothing in it must not."""
    if path.name in LEFT_OUT:
        return None
    if path.name in DATA:
        return {"sha256": digest(path.read_bytes()), "lines": path.read_bytes().count(b"\n")}
    if path.suffix == ".png":
        return {"sha256": digest(path.read_bytes())}
    content = path.read_text()
    if path.name in JOURNALS:
        found = [JOURNALS[path.name](line) for line in json_lines(content)]
        if path.name == "attempts.jsonl":
            # One that takes an earlier one's place found it to differ when run again: by chance.
            found = list({tuple(one[key] for key in PLACE): one for one in found}.values())
            found = with_prompts_and_answers(found, path.parent)
        # Which calls are given up depends on who is faster.
        found = [one for one in found if one.get("finish_reason") != "cancelled"]
        return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))
    if path.name in WHOLE:
        return WHOLE[path.name](json.loads(content))
    if path.name == "metrics.jsonl":
        return [canonical_point(line) for line in json_lines(content)]
    if path.suffix == ".jsonl":
        return [canonical_published(line) for line in json_lines(content)]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        lines = [dict(zip(header, row, strict=True)) for row in rows]
        return {"header": header, "rows": [canonical_published(line) for line in lines]}
    if path.name == "logs.log":
        return [line.split(" - ", 3)[-1] for line in content.splitlines()]  # but the time
    return content.splitlines()


def lines_of(path: Path) -> list[dict[str, Any]]:
    return json_lines(path.read_text())


def json_lines(content: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical_output(command: str, printed: str, *, as_json: bool) -> Any:
    """What must not change of what a command printed to stdout."""
    if as_json:
        return [PRINTED[command](line) for line in json_lines(printed)]
    lines = printed.splitlines()
    match command:
        case "verify":
            return [line for line in lines if not line.startswith("cpu_seconds")]
        case "compare" if lines:
            width = lines[0].index("s to exact")  # the last columns are times and cost
            return [line[:width] for line in lines]
        case "incontext":
            return [re.sub(r"[0-9.]+ *$", "", line) for line in lines]  # queries per second
        case "sweep":
            return [re.sub(r"[0-9]+ s *$", "", line) for line in lines]
    return lines
