"""What the user says of columns by name."""

from collections.abc import Collection
from dataclasses import dataclass

from llm_erm.errors import InputError
from llm_erm.tables.chunks import Opened
from llm_erm.tables.labels import no_such_column
from llm_erm.tables.notices import short


@dataclass(frozen=True)
class Roles:
    """The columns that are named.

    Attributes:
        target: The column to predict.
        groups: A column that says which rows belong together.
        time: A column that orders the rows.
        ignore: Columns to leave out.
        columns: The columns to learn from; None for all.
        categories: Columns to read as categories.
    """

    target: str
    groups: str | None
    time: str | None
    ignore: frozenset[str]
    columns: frozenset[str] | None
    categories: frozenset[str]

    @property
    def special(self) -> list[str]:
        """The columns that are not to be learned from, but read; the target first."""
        return [name for name in (self.target, self.groups, self.time) if name is not None]

    @property
    def wanted(self) -> set[str]:
        """All names: the source must have them."""
        return {*self.special, *self.ignore, *(self.columns or ()), *self.categories}

    def learns_from(self, name: str) -> bool:
        """Returns whether a column is one to learn from."""
        named = self.columns is None or name in self.columns
        return named and name not in self.special and name not in self.ignore

    def check(self, opened: Opened) -> None:
        """Raises an InputError if a named column does not exist, or several have its name."""
        for name in dict.fromkeys((*self.special, *sorted(self.wanted))):
            setting = "target" if name == self.target else None
            if name not in opened.names:
                others = [other for other in opened.names if other not in self.wanted]
                raise no_such_column(
                    name, opened.names, opened.place, likely=others, setting=setting
                )
            if name in opened.repeated and name in self.special:
                raise InputError(
                    f"Several columns of {opened.place} are called {short(name)!r}; rename all but "
                    "one.",
                    setting=setting,
                )


def roles(
    target: object,
    groups: object,
    time: object,
    ignore: Collection[object],
    columns: Collection[object] | None,
    categories: Collection[object],
) -> Roles:
    """Returns the roles of columns, whose names may be numbers where a frame's are.

    Raises:
        InputError: A column is given two roles that exclude each other, or one name is given where
            several are expected.
    """
    special = {"target": str(target)}
    for setting, name in (("groups", groups), ("time", time)):
        if name is not None:
            if str(name) == str(target):
                raise InputError(
                    f"{setting} names the target {short(str(target))!r}; name another column.",
                    setting=setting,
                )
            special[setting] = str(name)
    for setting, given in (("ignore", ignore), ("columns", columns), ("categories", categories)):
        if isinstance(given, str):
            raise InputError(
                f"{setting} is the text {given!r:.60}; give a list of names.", setting=setting
            )
        for role, name in special.items():
            if name in map(str, given or ()):
                raise InputError(
                    f"{setting} and {role} both name {short(name)!r}; name it in one of them.",
                    setting=setting,
                )
    return Roles(
        str(target),
        special.get("groups"),
        special.get("time"),
        frozenset(map(str, ignore)),
        None if columns is None else frozenset(map(str, columns)),
        frozenset(map(str, categories)),
    )
