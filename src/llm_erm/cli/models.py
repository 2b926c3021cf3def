"""From --provider and --model to a language model."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_erm.cli.output import note
from llm_erm.errors import InputError
from llm_erm.llms.llm import LLM
from llm_erm.llms.local import LocalLLM
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.synthesis.settings import Constraint

PROVIDERS = ("local", "scripted")


@dataclass(frozen=True)
class ModelOptions:
    """Which language model proposes."""

    provider: str | None = None
    """local (in this process) or scripted (answers from a file); local unless told otherwise."""
    model: str | None = None
    """For local: a GGUF file; the embedded SmolLM2-135M-Instruct unless given."""
    constraint: Constraint | None = None
    """What local answers must match: an expression of the small grammar (the embedded model's
    default), the JSON schema of the answer (the default for your own model), or nothing."""
    answers: Path | None = None
    """For scripted: a JSON list of texts; attempt i of every grid point gets the i-th, later
    attempts the last."""
    threads: int | None = None
    """For local: CPU threads; all usable cores unless given."""


@dataclass(frozen=True)
class Choice:
    """A language model and the settings that suit it.

    Attributes:
        llm: The model.
        constraint: What its answers must match.
        attempts: Its default budget.
        max_tokens: Its default limit on generated tokens an attempt.
    """

    llm: LLM
    constraint: Constraint
    attempts: int
    max_tokens: int


def choose(options: ModelOptions) -> Choice:
    """Returns the model that the flags name; the embedded one where they name none.

    Raises:
        InputError: No such provider, or flags that do not fit it.
        MissingExtraError: The local runtime or the embedded weights are not installed.
    """
    match options.provider or "local":
        case "local":
            return _local(options)
        case "scripted":
            if options.answers is None:
                raise InputError(
                    "--provider scripted takes its answers from a file; name one with --answers."
                )
            llm = ScriptedLLM.from_file(options.answers)
            return Choice(llm, options.constraint or "none", attempts=5, max_tokens=20_000)
        case unknown:
            raise InputError(
                f"There is no provider {unknown!r}; choose one of {', '.join(PROVIDERS)}."
            )


def _local(options: ModelOptions) -> Choice:
    if options.answers is not None:
        raise InputError("--answers goes with --provider scripted; leave one of the two out.")
    if options.threads is not None and options.threads < 1:
        raise InputError(f"--threads is {options.threads}; give 1 or more, or leave it out.")
    path = None if options.model is None else Path(options.model)
    llm = LocalLLM(path, threads=options.threads)
    if options.provider is None and path is None:
        note(
            "No model was named, so the embedded SmolLM2-135M-Instruct proposes short expressions: "
            "a prior over simple rules that does not read the examples."
        )
    constraint = options.constraint or ("grammar" if path is None else "schema")
    if constraint == "grammar":
        return Choice(llm, constraint, attempts=256, max_tokens=64)
    return Choice(llm, constraint, attempts=16, max_tokens=1024)


def fingerprint(options: ModelOptions) -> Mapping[str, str | None]:
    """Returns digests of the files that shape what the model answers."""
    return {
        "answers_sha256": file_digest(options.answers),
        "model_sha256": file_digest(Path(options.model)) if options.model is not None else None,
    }


def file_digest(path: Path | None) -> str | None:
    """Returns the SHA-256 of a file in hex, or None where there is none."""
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
