"""Checksums of the lines and settings of a run, so that what has changed is not believed.

A line ends with a checksum of its content, the name of its file and the settings of its run. A line
that was damaged, edited, or copied from another file or run does not fit its checksum. Nobody is
kept from writing a new one: checksums find accidents and edits, not forgeries.
"""

import hashlib
import json
import re
from dataclasses import dataclass

DIGITS = 16
"""Hexadecimal digits of a checksum: 64 bits are plenty, since accidents search for no collision."""

_END = re.compile(rb', "sha256": "([0-9a-f]{%d})"}' % DIGITS)


@dataclass(frozen=True)
class Seal:
    """Adds and checks the checksums of one file of a run.

    Attributes:
        settings: SHA-256 of the run's settings.
        file: Name of the file.
    """

    settings: str
    file: str

    def close(self, text: str) -> str:
        """Returns a JSON object with its checksum as the last key."""
        return f'{text[:-1]}, "sha256": "{self.of(text)}"}}'

    def open(self, line: bytes) -> tuple[str, str] | None:
        """Returns the JSON object and the checksum of a line; None if they do not fit."""
        if (end := _END.fullmatch(line, max(len(line) - _LENGTH, 0))) is None:
            return None
        try:
            text, checksum = line[: end.start()].decode() + "}", end[1].decode()
        except UnicodeDecodeError:
            return None
        return (text, checksum) if self.of(text) == checksum else None

    def of(self, text: str) -> str:
        """Returns the checksum of a JSON object."""
        parts = "\n".join((self.settings, self.file, text))
        return hashlib.sha256(parts.encode()).hexdigest()[:DIGITS]


_LENGTH = len(', "sha256": ""}') + DIGITS


def has_checksum(line: bytes) -> bool:
    """Returns whether a checksum was written in a line, so that a kill did not cut it off."""
    return _END.search(line) is not None


def chained(earlier: str, checksum: str) -> str:
    """Returns a checksum of a series of lines, from that of those before and the next line's."""
    return hashlib.sha256(f"{earlier}\n{checksum}".encode()).hexdigest()[:DIGITS]


def sealed_settings(settings: str) -> str:
    """Returns the JSON object of a run's settings as it is written, with its SHA-256."""
    return _indented({**json.loads(settings), "sha256": settings_digest(settings)})


def settings_digest(settings: str) -> str:
    """Returns the SHA-256 of a run's settings."""
    return hashlib.sha256(settings.encode()).hexdigest()


def opened_settings(text: str) -> str | None:
    """Returns the settings in a text that ``sealed_settings`` returned; None if it has changed."""
    try:
        value = json.loads(text)
        del value["sha256"]
        settings = _indented(value)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return settings if sealed_settings(settings) == text else None


def _indented(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
