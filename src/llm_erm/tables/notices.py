"""What the user should know about how the data were read, in sentences."""

from collections.abc import Iterable, Sequence

from llm_erm.phrases import counted, listed

_NAMES = 8
"""How many names a sentence lists."""


class Notices:
    """Collects sentences; those that differ only in the column become one."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}

    def say(self, sentence: str) -> None:
        """Adds a sentence, once."""
        self._columns.setdefault(sentence, [])

    def of_column(self, what: str, column: str) -> None:
        """Adds what was done with a column: the sentence begins with the columns' names."""
        self._columns.setdefault(what, []).append(column)

    def sentences(self) -> tuple[str, ...]:
        """Returns the sentences, in the order in which they were first said."""
        return tuple(
            f"Column{'s' if len(columns) > 1 else ''} {names(columns)}: {what}."
            if columns
            else what
            for what, columns in self._columns.items()
        )


def short(text: str, length: int = 60) -> str:
    """Returns a text, cut if it is long."""
    return text if len(text) <= length else text[: length - 3] + "..."


def names(columns: Sequence[str]) -> str:
    """Returns the names of columns as a sentence lists them, the first few of many."""
    shown = [short(name) for name in columns[:_NAMES]]
    if others := len(columns) - len(shown):
        shown.append(counted(others, "other"))
    return listed(shown)


def quoted(words: Iterable[str]) -> str:
    """Returns words in quotation marks, the first few of many, separated by commas."""
    words = list(words)
    shown = ", ".join(repr(short(word, 30)) for word in words[:3])
    return shown + (", ..." if len(words) > 3 else "")
