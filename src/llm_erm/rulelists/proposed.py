"""Reads rules that a language model wrote, in the words in which rules are printed.

Nothing in an answer is executed. What is read are rules of the forms that the search knows, so that
all that holds for every rule of a form and size holds for them: see ``description``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from llm_erm.llms.thoughts import without_thoughts
from llm_erm.phrases import counted
from llm_erm.rulelists.comparisons import OPERATOR, Comparisons, Trail, UnreadableError, sign_of
from llm_erm.rulelists.m_of_n import FEWEST
from llm_erm.rulelists.names import Names, reversed_names
from llm_erm.rulelists.rule import Condition, Line, RuleList
from llm_erm.tables.columns import Table

__all__ = ["UnreadableError", "rule_in"]

LONGEST_ANSWER = 1_000_000
"""Characters of an answer, thoughts included."""

LONGEST_TEXT = 20_000
"""Characters at the end of an answer in which a rule is looked for; the longest have some thousand.

Patterns look no further than some blanks and marks, so that no text takes long.
"""

MOST_STARTS = 50
"""Places in an answer where a rule may begin; the last ones count."""

LONGEST_COMPARISON = 1_000
"""Characters of a comparison with what joins it to the next; names are shown in up to 80."""

_MARKED = r"[\s>*#`\-\d.)]{0,30}"
_START = re.compile(
    rf"^{_MARKED}(?:[\w ]{{1,30}}:\s{{0,9}})?(?=[*`]{{0,3}}(?:IF|ALWAYS)\b)", re.I | re.M
)
_IF = re.compile(r"[*`]{0,3}IF\b[*`]{0,3}:?\s{1,30}", re.I)
_ALWAYS = re.compile(r"[*`]{0,3}ALWAYS\b[*`]{0,3}:?\s{0,30}", re.I)
_NEXT = re.compile(
    rf"(?:\s{{0,30}}[/,;.|])?{_MARKED}(?=[*`]{{0,3}}(?:ELSE(?:IF)?|OTHERWISE|ELIF)\b)"
    rf"|\s{{0,30}}\n{_MARKED}(?=IF\b)",
    re.I,
)
_ELSE_IF = re.compile(r"[*`]{0,3}(?:(?:ELSE\s{0,9})?IF|ELIF)\b[*`]{0,3}:?\s{1,30}", re.I)
_ELSE = re.compile(r"[*`]{0,3}(?:ELSE|OTHERWISE)\b[*`]{0,3}[,:]?\s{0,30}", re.I)
_ARROW = re.compile(
    r"[*`]{0,3}(?:\bTHEN\b[*`]{0,3}:?\s{0,9})?(?:→|⇒|⟶|->|=>)|[*`]{0,3}\bTHEN\b[*`]{0,3}", re.I
)
_LINE = re.compile(r"\b(?:ELSE(?:IF)?|ELIF|OTHERWISE)\b", re.I)
_AND = re.compile(r"\s{1,30}[*`]{0,3}AND\b[*`]{0,3}\s{1,30}|\s{0,30}&&?\s{0,30}", re.I)
_SEMICOLON = re.compile(r"\s{0,30};\s{0,30}")
_SOME = re.compile(r"[*`]{0,3}at least (\d{1,3})(?: conditions?)?(?: holds?)? of\b:?\s{0,30}", re.I)


def rule_in(answer: str, table: Table, names: Names, max_conditions: int) -> RuleList:
    """Returns the last rule in an answer, with the names of the table.

    Args:
        answer: What the model wrote; untrusted.
        table: The rows that it was shown; ``<`` and ``=`` need to know which numbers there are.
        names: What it was shown in place of names.
        max_conditions: Most conditions of a rule.

    Raises:
        UnreadableError: It holds no rule, or the last one has a fault.
    """
    if len(answer) > LONGEST_ANSWER:
        raise UnreadableError(f"it is longer than {LONGEST_ANSWER:,} characters")
    text = without_thoughts(answer, whole=True)
    if text is None:
        raise UnreadableError("it ends within a thought")
    text = text[-LONGEST_TEXT:]
    reader = _Reader(text, table, names, max_conditions)
    fault, found, end = "it holds no rule that begins with IF", None, -1
    for start in [match.end() for match in _START.finditer(text)][-MOST_STARTS:]:
        if start < end:
            continue  # within the rule before
        try:
            found, end = reader.rule_at(start)
        except UnreadableError as error:
            if found is None or _ARROW.search(text, start) is not None:  # else, it is a sentence
                found, fault = None, str(error)
    if found is None:
        raise UnreadableError(fault)
    return found


@dataclass(frozen=True)
class _Few:
    """Some conditions of a line: those of one comparison, or all."""

    conditions: tuple[Condition, ...]
    end: int


class _Reader:
    """Reads one text; a place in it may be read in several ways, since names may hold any word."""

    def __init__(self, text: str, table: Table, names: Names, max_conditions: int) -> None:
        self._text = text
        self._max_conditions = max_conditions
        self._trail = Trail("it holds no rule")
        self._comparisons = Comparisons(table, names, self._trail)
        self._class = reversed_names(names.classes)
        self._classes = tuple(names.classes)
        target = re.escape(names.target)
        self._target = re.compile(rf"\s*[`\"']?{target}[`\"']?\s*(?:==?|:|\bis\b)", re.IGNORECASE)

    def rule_at(self, start: int) -> tuple[RuleList, int]:
        """Returns the rule that begins at a place, and where it ends."""
        self._trail.restart(start, "it holds no whole rule: an ELSE must end it")
        found: dict[object, tuple[RuleList, int]] = {}
        for rule, end in self._rules(start):
            found.setdefault(_canonical(rule), (rule, end))
            if len(found) > 1:
                raise UnreadableError("its words could mean more than one rule")
        if not found:
            raise UnreadableError(self._trail.fault)
        (one,) = found.values()
        return one

    def _rules(self, start: int) -> Iterator[tuple[RuleList, int]]:
        if (always := _ALWAYS.match(self._text, start)) is not None:
            for label, end in self._last(always.end()):
                yield RuleList((), label, self._classes), end
        if (begin := _IF.match(self._text, start)) is not None:
            for lines, otherwise, end in self._lines(begin.end(), self._max_conditions):
                if any(line.least is not None for line in lines) and len(lines) > 1:
                    self._trail.say(
                        end, "a line that needs some of its conditions is not its only one"
                    )
                    continue
                yield RuleList(lines, otherwise, self._classes), end

    def _lines(self, start: int, left: int) -> Iterator[tuple[tuple[Line, ...], int, int]]:
        """Yields the lines from a place on, what is given otherwise, and the end."""
        for lines, end in self._line(start, left):
            if (more := _ELSE_IF.match(self._text, end)) is not None:
                used = sum(len(line.conditions) for line in lines)
                for rest, otherwise, last in self._lines(more.end(), left - used):
                    yield (*lines, *rest), otherwise, last
            elif (last_line := _ELSE.match(self._text, end)) is not None:
                for otherwise, last in self._last(last_line.end()):
                    yield lines, otherwise, last

    def _line(self, start: int, left: int) -> Iterator[tuple[tuple[Line, ...], int]]:
        """Yields the lines that one line of text means, one for each if one condition must hold."""
        some = _SOME.match(self._text, start)
        joint = _AND if some is None else _SEMICOLON
        for few in self._conditions(start if some is None else some.end(), joint, left):
            for label, end in self._labels(few.end):
                if some is None:
                    yield (Line(tuple(dict.fromkeys(few.conditions)), label),), end
                else:
                    lines = self._needing(int(some[1]), few.conditions, label, end)
                    yield from ((one, end) for one in lines)

    def _needing(
        self, least: int, conditions: tuple[Condition, ...], label: int, end: int
    ) -> Iterator[tuple[Line, ...]]:
        number = len(conditions)
        if not 1 <= least <= number:
            self._trail.say(end, f"{least} of {counted(number, 'condition')} must hold")
        elif len(set(conditions)) < number:
            self._trail.say(end, "a line that needs some of its conditions names one twice")
        elif least == number:
            yield (Line(conditions, label),)
        elif least == 1:
            yield tuple(Line((condition,), label) for condition in conditions)
        elif number < FEWEST or len(self._classes) != 2:
            self._trail.say(
                end, "a line may need some of its conditions only if there are two classes"
            )
        else:
            yield (Line(conditions, label, least),)

    def _conditions(self, start: int, joint: re.Pattern[str], left: int) -> Iterator[_Few]:
        """Yields the conditions from a place up to an arrow."""
        for few in self._comparison(start, joint):
            rest = left - len(few.conditions)
            if joint is _SEMICOLON and len(few.conditions) > 1:
                self._trail.say(
                    few.end, "an interval is no condition of a line that needs some of them"
                )
            elif rest < 0:
                most = counted(self._max_conditions, "condition")
                self._trail.say(few.end, f"it has more than {most}")
            elif (more := joint.match(self._text, few.end)) is not None:
                for others in self._conditions(more.end(), joint, rest):
                    yield _Few(few.conditions + others.conditions, others.end)
            elif _ARROW.match(self._text, few.end) is not None:
                yield few

    def _comparison(self, start: int, joint: re.Pattern[str]) -> Iterator[_Few]:
        """Yields what one comparison means; it ends before an arrow or what joins it to others."""
        end_of_line = self._ends(start)
        for operator in OPERATOR.finditer(self._text, start, end_of_line):
            left = self._text[start : operator.start()]
            column, sign = self._comparisons.column(left, start), sign_of(operator)
            if column is not None and (condition := self._comparisons.presence(column, sign)):
                yield _Few((condition,), self._skipped(operator.end()))
                continue
            for end in self._value_ends(operator.end(), end_of_line, joint):
                value = self._text[operator.end() : end]
                if column is None:
                    conditions = self._comparisons.span(left, sign, value, operator.end())
                else:
                    conditions = self._comparisons.compared(column, sign, value, operator.end())
                if conditions:
                    yield _Few(conditions, self._skipped(end))

    def _ends(self, start: int) -> int:
        """Returns a place beyond which nothing goes on that begins here: a few lines later."""
        last = min(start + LONGEST_COMPARISON, len(self._text))
        found = list(islice(_LINE.finditer(self._text, start, last), 3))
        return found[-1].start() if len(found) == 3 else last

    def _value_ends(self, start: int, last: int, joint: re.Pattern[str]) -> Iterator[int]:
        places = {match.start() for match in joint.finditer(self._text, start, last)}
        places |= {match.start() for match in _ARROW.finditer(self._text, start, last)}
        yield from sorted(places)

    def _skipped(self, place: int) -> int:
        """Returns the place after blanks, unless what joins two conditions begins with these."""
        if _AND.match(self._text, place) is not None:
            return place
        while self._text[place : place + 1].isspace():
            place += 1
        return place

    def _labels(self, place: int) -> Iterator[tuple[int, int]]:
        """Yields the class of a line that goes on at an arrow, and where the next line begins."""
        arrow = _ARROW.match(self._text, place)
        assert arrow is not None
        for following in _NEXT.finditer(self._text, arrow.end(), self._ends(arrow.end() + 1)):
            label = self._label(self._text[arrow.end() : following.start()], arrow.end())
            if label is not None:
                yield label, following.end()

    def _last(self, place: int) -> Iterator[tuple[int, int]]:
        """Yields the class of all rows left over, and where the rule ends: with the line."""
        arrow = _ARROW.match(self._text, place)
        start = place if arrow is None else arrow.end()
        end = self._text.find("\n", start)
        end = len(self._text) if end < 0 else end
        line = self._text[start:end]
        for text in (line, line.rstrip(" .;`*\t\r")):
            label = self._label(text, start)
            if label is not None:
                yield label, end
                return

    def _label(self, text: str, place: int) -> int | None:
        self._trail.step()
        name = self._class(text)
        if name is None and (said := self._target.match(text)) is not None:
            name = self._class(text[said.end() :])
        if name is None:
            self._trail.say(place, f"there is no class {text.strip()!r:.60}")
            return None
        return self._classes.index(name)


def _canonical(rule: RuleList) -> object:
    return rule.otherwise, tuple(
        (frozenset(line.conditions), line.label, line.least) for line in rule.lines
    )
