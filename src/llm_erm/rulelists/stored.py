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
class _Version:
    """What every version of the file has."""

    version: int


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
    text = read(path, setting=None, otherwise="name a file that llm-erm fit wrote")
    try:
        version = from_json(_Version, text).version
        if version != VERSION:
            raise InputError(
                f"{path} is of version {version}; this program reads version {VERSION}. Run "
                "llm-erm fit again."
            )
        return from_json(_File, text).learned
    except (RecordError, ValueError) as error:
        raise InputError(f"{path} holds no rule that llm-erm fit wrote: {error}.") from error
