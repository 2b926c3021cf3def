"""Opens files as text, whatever their encoding and line ends, in bounded memory."""

import codecs
import io
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.tables.notices import Notices

MAX_ROW = 16_000_000
"""Characters of a row at most, so that a file without line ends does not fill the memory."""

_OTHERWISE = "name a file that holds a table"
_BLOCK = 2**20
_MARKS = (  # the longer ones first: UTF-16's begins UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
"""What Windows-1252 has no character for."""
_OTHERS = (
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
    (b"PK\x03\x04", "is an Excel workbook or a zip archive; save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; save the sheet as CSV"),
    (b"SQLite format 3", "is an SQLite database; export the table as CSV"),
)


def opened(path: Path) -> BinaryIO:
    """Returns a file that can be read more than once, open; a pipe is copied to disk first.

    Raises:
        InputError: The path cannot be read, or is no file.
    """
    try:
        file = path.open("rb")
        try:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode):
                return file
            if not stat.S_ISFIFO(mode):
                raise InputError(f"{path} is not a file; {_OTHERWISE}.")
            copy = _copied(path, file)
        except BaseException:
            file.close()
            raise
        file.close()
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # a path that no system has
        raise InputError(f"Cannot read {str(path)!r:.80}: {error}; {_OTHERWISE}.") from error
    return copy


def _copied(path: Path, pipe: BinaryIO) -> BinaryIO:
    """Returns what a pipe holds."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - whoever reads it closes it
    try:
        shutil.copyfileobj(pipe, copy)
        copy.seek(0)
    except OSError as error:
        copy.close()
        folder = Path(tempfile.gettempdir())
        raise InputError(
            f"Cannot copy {path} to {folder}: {error.strerror}; "
            f"{advice(error, folder, 'save the table as a file, and name that')}."
        ) from error
    return copy


def unreadable(path: Path, error: OSError) -> InputError:
    """Returns what to say of a file that the system does not let us read."""
    return InputError(f"Cannot read {path}: {error.strerror}; {advice(error, path, _OTHERWISE)}.")


class Lines:
    """The lines of a file, with their ends, as texts.

    Attributes:
        number: Number of the line that was read last, counted from 1.
        size: Characters read so far.
        row_start: ``size`` where the row begins that is being read; readers of rows set it.
    """

    def __init__(self, file: BinaryIO, path: Path, notices: Notices) -> None:
        self.number = 0
        self.size = 0
        self.row_start = 0
        self._path = path
        encoding = _encoding(file, path, notices)
        # Lines end in any way, also within one file; none of the ends is changed within quotes.
        self._text = io.TextIOWrapper(file, encoding=encoding, newline="")

    def __iter__(self) -> Iterator[str]:
        """Yields the lines that have not been read, also after others were.

        Raises:
            InputError: A line cannot be read or decoded, is too long, or is no text.
        """
        try:
            while line := self._text.readline(MAX_ROW):
                self.number += 1
                self.size += len(line)
                if self.size - self.row_start >= MAX_ROW:
                    raise InputError(
                        f"{self._path}, line {self.number}: the row has more than {MAX_ROW:,} "
                        "characters; close the quotation mark that is open there, or, if none is, "
                        "leave long columns out of the file."
                    )
                if "\0" in line:
                    raise InputError(
                        f"{self._path}, line {self.number}: a NUL character, so this is not a "
                        "text file; save the table as CSV in UTF-8."
                    )
                yield line
        except UnicodeError as error:
            raise InputError(
                f"{self._path}, after line {self.number}: the text is not valid "
                f"{self._text.encoding.upper()}; save the file as UTF-8."
            ) from error
        except OSError as error:
            raise unreadable(self._path, error) from error

    def close(self) -> None:
        """Closes the file."""
        self._text.close()


def _encoding(file: BinaryIO, path: Path, notices: Notices) -> str:
    """Returns the encoding of a file, which it reads once, and goes back to the beginning."""
    try:
        head = file.read(_BLOCK)
        for magic, what in _OTHERS:
            if head.startswith(magic):
                raise InputError(f"{path} {what}.")
        encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        if encoding is None and b"\0" in head[:1000]:
            encoding = _wide(head[:1000])
        if encoding is None and (number := _not_utf8(head, file)):
            file.seek(0)
            blocks = iter(lambda: file.read(_BLOCK), b"")
            latin = any(_UNDEFINED.search(block) for block in blocks)
            encoding = "latin-1" if latin else "cp1252"
            notices.say(
                f"{path} is not UTF-8 (line {number}), so it was read as "
                f"{'Latin-1' if latin else 'Windows-1252'}; if letters look wrong, save it as "
                "UTF-8."
            )
        file.seek(0)
    except OSError as error:
        raise unreadable(path, error) from error
    if encoding and encoding.startswith(("utf-16", "utf-32")):
        notices.say(f"{path} was read as {encoding.upper()}.")
    return encoding or "utf-8"


def _wide(head: bytes) -> str | None:
    """Returns the encoding of UTF-16 without a mark, if the text is mostly Latin."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if even + odd < len(head) / 4 or min(even, odd) > 0:
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _not_utf8(block: bytes, file: BinaryIO) -> int:
    """Returns the number of the first line that is not UTF-8, or 0."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    while True:
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            return lines + block[: error.start].count(b"\n")
        if not block:
            return 0
        lines += block.count(b"\n")
        block = file.read(_BLOCK)
