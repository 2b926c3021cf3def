"""Rules in files: what was learned, with what is known of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as replaced
from itertools import chain
from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Condition,
    Missing,
    MoreThan,
    NotAmong,
    NotMoreThan,
    Present,
    RuleList,
)
from llm_erm.runs.files import read, replace, writing
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
    with writing(path, "out"):
        replace(path, to_json(_File(learned)) + "\n")


def read_rule(path: Path) -> Learned:
    """Returns the rule in a file.

    Raises:
        InputError: The file cannot be read, or holds no rule whose parts fit each other.
    """
    text = read(path, setting=None, otherwise="name a file that llm-erm fit wrote")
    try:
        version = from_json(_Version, text).version
        if version != VERSION:
            raise InputError(
                f"{path} is of version {version}; this program reads version {VERSION}. Run "
                "llm-erm fit again."
            )
        learned = _with_times(from_json(_File, text).learned)
        if fault := next(chain(_unknown(learned), _wrong_numbers(learned)), None):
            raise ValueError(fault)
        return learned
    except (RecordError, ValueError) as error:
        raise InputError(f"{path} holds no rule that llm-erm fit wrote: {error}.") from error


def _with_times(learned: Learned) -> Learned:
    """Returns it with times of day where its columns have them: older files do not say it."""
    with_times = {column.name for column in learned.schema.columns if column.times}

    def known(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        return tuple(
            replaced(one, times=True)
            if isinstance(one, AtMost | Above) and one.column in with_times
            else one
            for one in conditions
        )

    def of(rule: RuleList) -> RuleList:
        lines = (replaced(line, conditions=known(line.conditions)) for line in rule.lines)
        return replaced(rule, lines=tuple(lines))

    return replaced(
        learned,
        rule=of(learned.rule),
        sizes=tuple(replaced(size, rule=of(size.rule)) for size in learned.sizes),
        check=replaced(learned.check, rule=of(learned.check.rule)),
        open=tuple(replaced(one, others=known(one.others)) for one in learned.open),
        ties=tuple(replaced(tie, rule=of(tie.rule)) for tie in learned.ties),
    )


def _unknown(learned: Learned) -> Iterator[str]:
    """Yields which classes and columns its rules name that its data does not have."""
    classes = learned.schema.classes
    rules = [learned.rule, learned.check.rule, *(size.rule for size in learned.sizes)]
    for rule in (*rules, *(tie.rule for tie in learned.ties)):
        if rule.classes != classes:
            yield "a rule has other classes than the data"
        for label in (*(line.label for line in rule.lines), rule.otherwise):
            if not 0 <= label < len(classes):
                yield f"a rule gives class {label} of {len(classes)}"
        for line in rule.lines:
            if not 1 <= line.needed <= len(line.conditions):
                yield f"a line needs {line.needed} of its {len(line.conditions)} conditions"
            yield from _unknown_in(learned, line.conditions)
    for one in learned.open:
        yield from _unknown_in(learned, one.others)


def _unknown_in(learned: Learned, conditions: tuple[Condition, ...]) -> Iterator[str]:
    kinds = {column.name: column.kind for column in learned.schema.columns}
    for one in conditions:
        names = [one.column, *([one.other] if isinstance(one, NotMoreThan | MoreThan) else [])]
        kind = "category" if isinstance(one, Among | NotAmong) else "number"
        either = isinstance(one, Missing | Present)
        if not all(name in kinds and (either or kinds[name] == kind) for name in names):
            yield f"{one} is about no such column of the data"
        if isinstance(one, Among | NotAmong) and not one.levels:
            yield f"a condition on {one.column} names no values"


def _wrong_numbers(learned: Learned) -> Iterator[str]:
    """Yields which of its numbers cannot be, or do not fit each other."""
    rule, check = learned.rule, learned.check
    if not 0 <= learned.chosen < len(learned.sizes):
        yield f"size {learned.chosen} of {len(learned.sizes)} is chosen"
    if len(learned.lines) != len(rule.lines) + 1:
        yield f"{len(learned.lines)} counts are not one for each of {len(rule.lines) + 1} lines"
    if not 0 <= len(learned.wrong) <= learned.learned_rows or learned.learned_rows < 1:
        yield f"{len(learned.wrong)} of {learned.learned_rows} rows learned from are wrong"
    if not 0 <= check.errors <= check.rows or check.rows < 1:
        yield f"{check.errors} of {check.rows} rows checked on are wrong"
    for bound in (check.error_at_most, learned.error_at_most):
        if bound is not None and not 0 <= bound <= 1:
            yield f"{bound:g} is no share of the rows"
    for one in learned.open:
        lines = rule.lines[one.line : one.line + 1] if one.line >= 0 else ()
        if not any(0 <= one.place < len(line.conditions) for line in lines):
            yield f"condition {one.place} of line {one.line} is left open, but is not there"
