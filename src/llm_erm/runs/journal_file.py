"""Reads a journal: which of its lines fit their checksums, and what they hold."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from llm_erm.errors import InputError
from llm_erm.runs.checksum import Seal, has_checksum
from llm_erm.runs.files import read_bytes
from llm_erm.serial import RecordError, from_json

Record = TypeVar("Record")


@dataclass
class JournalFile:
    """The lines of one journal.

    Attributes:
        path: The file.
        lines: The lines that fit their checksums, each with its text and its checksum.
        damaged: The others, by their numbers.
        cut: Whether a kill left an incomplete line at the end.
    """

    path: Path
    lines: list[tuple[int, bytes, str, str]] = field(default_factory=list)
    damaged: dict[int, bytes] = field(default_factory=dict)
    cut: bool = False

    @classmethod
    def read(cls, path: Path, seal: Seal, setting: str | None) -> "JournalFile":
        """Returns the lines of a file; none if there is no file.

        Raises:
            InputError: The file cannot be read.
        """
        read = cls(path)
        *whole, last = read_bytes(path, setting, missing=b"").split(b"\n")
        for number, line in enumerate([*whole, last], start=1):
            if (opened := seal.open(line)) is not None:
                read.lines.append((number, line, *opened))
            elif number <= len(whole) or has_checksum(last):
                read.damaged[number] = line
        read.cut = bool(last)
        return read

    def records(self, kind: type[Record], setting: str | None) -> Iterator[tuple[Record, str]]:
        """Yields the records of the lines that fit their checksums, and these.

        Raises:
            InputError: A line holds no such record.
        """
        for number, _, text, checksum in self.lines:
            try:
                record = from_json(kind, text)
            except RecordError as error:
                raise InputError(
                    f"Another version of llm-erm wrote {self.path}, line {number} ({error}); use "
                    "that version, or name another folder.",
                    setting=setting,
                ) from None
            except InputError as error:
                raise InputError(f"{self.path}, line {number}: {error}", setting=setting) from None
            yield record, checksum

    @property
    def count(self) -> int:
        """Number of lines, whole or damaged."""
        return len(self.lines) + len(self.damaged)

    @property
    def fault(self) -> str | None:
        """A phrase that names the damaged lines, if there are any."""
        if not self.damaged:
            return None
        numbers = [str(number) for number in self.damaged]
        more = f" and {len(numbers) - 3} more" if len(numbers) > 3 else ""
        lines = f"line{'s' * (len(numbers) > 1)} {', '.join(numbers[:3])}{more}"
        return f"{self.path}, {lines}: damaged, edited or of another run"
