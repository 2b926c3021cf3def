"""`llm-erm verify`: runs a program on a file of labelled examples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.advice import advice
from llm_erm.cli import output
from llm_erm.cli.options import LimitOptions
from llm_erm.cli.progress import Bars
from llm_erm.erm.alone import examine
from llm_erm.erm.verify import execute
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks.files import read_dataset


@dataclass(frozen=True)
class Options(LimitOptions):
    """Flags of `llm-erm verify`."""

    program: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """Python file that defines `f(x)`, or a single function."""
    data: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """File with lines of the form `<input> -> <label>`."""
    json: bool = False
    """Print one JSON object."""


def verify(options: Options) -> int:
    """Run a program on labelled examples in the sandbox; count correct answers."""
    limits = options.limits()
    source = _read(options.program)
    examples = read_dataset(options.data)
    # It runs once, then 16 inputs alone, then all of them again within twice the time.
    most = 5 * limits.seconds_per_candidate
    with options.sandbox() as sandbox, Bars() as bars:
        bars.add("running the program", None, seconds=most)
        verification = execute(source, [examples], sandbox, limits)
        verdict = verification.verdicts[0]
        alone = examine(verification, [True]).verdicts[0]
        isolation = sandbox.isolation
    if alone.status != "ok":
        verdict = alone
    # A program that fails on each input alone has no status of its own in the sandbox.
    status = verdict.status
    answered = verdict.invalid < verdict.total
    row = {
        "status": status if answered or status != "ok" else "no_predictions",
        "correct": verdict.correct,
        "invalid": verdict.invalid,
        "total": verdict.total,
        "accuracy": verdict.accuracy,
        "cpu_seconds": round(verdict.cpu_seconds, 6),
        "alone": alone.total if alone.status == "ok" else None,
        "isolation": isolation,
    }
    if options.json:
        output.say_json(row | {"message": verdict.message})
    else:
        message = {"message": verdict.message} if verdict.message else {}
        output.record({key: str(value) for key, value in (row | message).items()})
    if row["status"] != "ok":
        return 1
    if verdict.invalid:
        output.note(
            f"The program returned no label for {verdict.invalid:,} of "
            f"{counted(verdict.total, 'input')}; they count as wrong."
        )
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"Cannot read the program {path}: {error.strerror}; "
            f"{advice(error, path, 'name a Python file that defines f(x)')}."
        ) from error
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not UTF-8 text; name a Python file that defines f(x)."
        ) from None
