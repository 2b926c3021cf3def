"""Writes a rule as one Python file that needs nothing else."""

import ast
import inspect
import keyword
import re
from collections.abc import Collection, Iterable
from types import ModuleType

from llm_erm.rulelists import standalone
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.literals import number_literal, one_line
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    Line,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
)
from llm_erm.tables import cells
from llm_erm.tables.columns import ColumnSchema

_IMPORTS = (
    ("csv", ()),
    ("math", ()),
    ("re", ()),
    ("sys", ()),
    ("collections.abc", ("Callable", "Collection", "Iterable")),
    ("datetime", ("UTC", "datetime")),
    ("functools", ("lru_cache",)),
    ("typing", ("Literal", "NamedTuple", "TextIO")),
)
_TEXTS = ("MISSING", "text_of")
_NUMBERS = (
    *("NumberFormat", "_NUMBER", "_INFINITE", "_LOOKALIKES", "_CURRENCIES", "_SIGNS"),
    *("read_number", "has_sign", "_grouped", "number_of"),
)
_DATES = ("_DATE", "_EPOCH", "_DAY", "read_date", "days_of")
_MAIN = """\
if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    with open(sys.argv[1] if len(sys.argv) > 1 else 0, encoding="utf-8-sig", newline="") as rows:
        print_classes(predict, COLUMNS, rows, sys.stdout)
"""
_TAKEN = frozenset({"row", "predict"})


def python_file(learned: Learned) -> str:
    """Returns a Python file (3.11 or later) that defines ``predict(row)``.

    A row is a mapping from the names of columns to cells, texts as in the rule's data or values of
    Python. Run as a program, the file reads CSV from the file that its argument names or from
    stdin, and prints a class per row.
    """
    used = [column for column in learned.schema.columns if column.name in learned.rule.columns]
    named = _variables(used)
    body = [f"    {named[column.name]} = {_read(column)}" for column in used]
    for line in learned.rule.lines:
        conditions = _line(line, named)
        body.append(f"    # {one_line(str(line))}")
        body += [f"    if {conditions}:", f"        return {learned.rule.classes[line.label]!r}"]
    body.append(f"    return {learned.rule.classes[learned.rule.otherwise]!r}")
    function = "\n".join(
        [
            "def predict(row: dict[str, object]) -> str:",
            '    """Returns the class of a row: a mapping from names of columns to cells."""',
            *body,
        ]
    )
    code = "\n\n\n".join([function, *_copied(_needed(used)), _MAIN])
    return "\n\n".join(
        [
            f"# Rule for {one_line(learned.schema.target)}, learned from "
            f"{learned.learned_rows:,} rows.\n"
            "# A cell is missing if it is None, NaN, empty or a word such as NA; then no\n"
            "# comparison with it is true.\n"
            "# `python THIS_FILE rows.csv` prints the class of each row.",
            "\n".join(_imports(code)),
            f"BOOLEANS = {_booleans(learned)!r}\n"
            f"COLUMNS = {tuple(column.name for column in used)!r}\n",
            code,
        ]
    )


def _imports(code: str) -> Iterable[str]:
    """Yields the imports that some code needs."""
    words = set(re.findall(r"\w+", code))
    for module, names in _IMPORTS:
        if used := [name for name in names if name in words]:
            yield f"from {module} import {', '.join(used)}"
        elif not names and module in words:
            yield f"import {module}"


def _needed(columns: Collection[ColumnSchema]) -> frozenset[str]:
    """Returns the names of what reads the cells of some columns."""
    names = {*_TEXTS, "print_classes"}
    if any(column.kind == "number" and not column.dates for column in columns):
        names.update(_NUMBERS)
    if any(column.dates for column in columns):
        names.update(_DATES)
    return frozenset(names)


def _copied(names: Collection[str]) -> Iterable[str]:
    """Yields the definitions of some names, in the order in which they can stand."""
    found = dict(_definitions(cells)) | dict(_definitions(standalone))
    for name, definition in found.items():
        if name in names:
            yield (
                definition + "\n" if definition.startswith(("def ", "class ", "@")) else definition
            )


def _definitions(module: ModuleType) -> Iterable[tuple[str, str]]:
    """Yields the names that a module defines, with their source."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield node.name, "\n".join(lines[first - 1 : node.end_lineno])
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, "\n".join(lines[node.lineno - 1 : node.end_lineno])


def _variables(columns: Collection[ColumnSchema]) -> dict[str, str]:
    """Returns a variable for each column: its name, where that is one."""
    taken = {*_TAKEN, *_TEXTS, *_NUMBERS, *_DATES}
    own = {
        column.name: column.name
        for column in columns
        if column.name.isascii()
        and column.name.isidentifier()
        and not keyword.iskeyword(column.name)
        and not column.name.startswith("__")  # such as __debug__, which cannot be assigned
        and column.name not in taken
    }
    numbers = (f"cell_{number}" for number in range(1, 2 * len(columns) + 1))
    free = (name for name in numbers if name not in own)
    return {column.name: own.get(column.name) or next(free) for column in columns}


def _read(column: ColumnSchema) -> str:
    cell = f"row[{column.name!r}]"
    missing = repr(column.missing)
    if column.kind == "category":
        return f"text_of({cell})"
    if column.dates:
        return f"days_of({cell}, {missing})"
    form = f"NumberFormat({column.decimal!r}, {column.thousands!r})"
    return f"number_of({cell}, {form}, {missing})"


def _line(line: Line, named: dict[str, str]) -> str:
    conditions = [_condition(condition, named) for condition in line.conditions]
    if line.least is None:
        return " and ".join(conditions)
    return f"sum([{', '.join(conditions)}]) >= {line.least}"


def _condition(condition: Condition, named: dict[str, str]) -> str:
    name = named[condition.column]
    match condition:
        case AtMost():
            return f"{name} <= {number_literal(condition.value)}"
        case Above():
            return f"{name} > {number_literal(condition.value)}"
        case Among(levels=(level,)):
            return f"{name} == {level!r}"
        case Among():
            return f"{name} in {condition.levels!r}"
        case NotAmong():
            return f"{name} not in {(None, *condition.levels)!r}"
        case Missing():  # None, or NaN, which is not itself
            return f"({name} is None or {name} != {name})"
        case Present():
            return f"({name} is not None and {name} == {name})"
        case NotMoreThan():
            return f"{name} <= {named[condition.other]}"
        case MoreThan():
            return f"{name} > {named[condition.other]}"


def _booleans(learned: Learned) -> tuple[str, str]:
    """Returns how the rule's data write false and true: as JSON does, or as Python does."""
    levels = {level for column in learned.schema.columns for level in column.levels}
    if levels & {"true", "false"} and not levels & {"True", "False"}:
        return ("false", "true")
    return standalone.BOOLEANS
