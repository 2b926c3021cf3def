"""Rules in files: what was learned, with what is known of it."""

from dataclasses import dataclass
from pathlib import Path

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.rulelists.evidence import Learned
from llm_erm.runs.files import read, replace
from llm_erm.serial import RecordError, from_json, to_json

VERSION = 2


@dataclass(frozen=True)
class _File:
    learned: Learned
    version: int = VERSION


def write_rule(path: Path, learned: Learned) -> None:
    """Writes a rule into a file.

    Raises:
        InputError: The file cannot be written.
    """
    try:
        replace(path, to_json(_File(learned)) + "\n")
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror}; {advice(error, path, 'name another file')}.",
            setting="out",
        ) from error


def read_rule(path: Path) -> Learned:
    """Returns the rule in a file.

    Raises:
        InputError: The file cannot be read, or holds no rule.
    """
    text = read(path, setting=None)
    try:
        stored = from_json(_File, text)
    except (RecordError, ValueError) as error:
        raise InputError(f"{path} holds no rule that llm-erm fit wrote: {error}.") from error
    if stored.version != VERSION:
        raise InputError(
            f"{path} is of version {stored.version}; this program reads version {VERSION}."
        )
    return stored.learned
