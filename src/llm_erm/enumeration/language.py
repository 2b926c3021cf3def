"""The language that is enumerated: typed productions, their costs in bits, and their Python.

A program is one expression of sort *truth* over the input ``x``. Its description is a prefix-free
code: a production's code of ``bits`` bits, followed by those of its arguments and parameters. The
productions of each sort satisfy Kraft's inequality for every kind of input, as do the codes of the
parameters, so description lengths define a prior over programs that does not depend on any data
(although its authors knew the suite: see docs/enumeration.md).

Each truth used as an argument, and the whole program, has one more bit that says whether it is
negated; the search therefore treats a column of answers and its complement as one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import Literal

Sort = Literal["text", "number", "truth"]
"""What an expression is: a string, an integer, or 0/1."""

InputKind = Literal["bits", "digits", "text", "table"]
"""What ``x`` is, detected from the inputs themselves (see ``pool.kind_of``)."""

NEAR = (0, 1, 2, 3, -1, -2, -3, -4)
"""Positions near either end, whose codes have three bits at any length."""

SIGN_BITS = 1
"""Description length of whether a truth is negated."""

LIST_BITS = 7
"""Length of the code that begins a decision list. No truth begins with it. The number of classes
follows, and the class and the truth of each test."""


MAX_BITS: Mapping[Sort, int] = {"text": 20, "number": 28}
"""Description length of the longest texts and numbers. Each takes a hundred times the memory and
time of a truth, and without this limit a long search would spend most of its time on them."""


@dataclass(frozen=True)
class Production:
    """One way to build an expression.

    Attributes:
        name: Its name in costs and tables.
        sort: The sort of the expression.
        arguments: The sorts of its arguments.
        bits: Its description length, without arguments and parameters.
        python: Its Python; ``{0}`` and ``{1}`` are arguments, ``{p}`` and ``{q}`` parameters.
        opposite: The Python of its negation, if there is a shorter one than with ``not``.
        kinds: The kinds of input that it applies to.
        commutes: Whether its two arguments can be swapped; each pair is then tried only once.
    """

    name: str
    sort: Sort
    arguments: tuple[Sort, ...]
    bits: int
    python: str
    opposite: str = ""
    kinds: tuple[InputKind, ...] = ("bits", "digits", "text")
    commutes: bool = False


_BITS: tuple[InputKind, ...] = ("bits",)
_DIGITS: tuple[InputKind, ...] = ("digits",)
_NUMERIC: tuple[InputKind, ...] = ("bits", "digits")
_TABLE: tuple[InputKind, ...] = ("table",)
_ANY: tuple[InputKind, ...] = ("bits", "digits", "text", "table")

_REDUCE = "reduce(lambda s, c: s[:-1] if s[-1:] + c in {p!r} else s + c, {0}, '')"
_KNOWN = "x[{p!r}] is not None and "

_TEXTS = (
    Production("x", "text", (), 1, "x"),
    Production("reverse", "text", ("text",), 3, "{0}[::-1]"),
    Production("first_half", "text", ("text",), 4, "{0}[:len({0}) // 2]"),
    Production("second_half", "text", ("text",), 4, "{0}[len({0}) // 2:]"),
    Production("evens", "text", ("text",), 5, "{0}[::2]"),
    Production("odds", "text", ("text",), 5, "{0}[1::2]"),
    Production(
        "pairs",
        "text",
        ("text",),
        5,
        "''.join(str(int({0}[i:i + 2], 2)) for i in range(0, len({0}) - 1, 2))",
        kinds=_BITS,
    ),
    Production("drop_first", "text", ("text",), 6, "{0}[{p}:]"),
    Production("drop_last", "text", ("text",), 6, "{0}[:-{p}]"),
    Production("take_first", "text", ("text",), 6, "{0}[:{p}]"),
    Production("take_last", "text", ("text",), 6, "{0}[-{p}:]"),
    Production("cancel_one", "text", ("text",), 6, _REDUCE, kinds=_BITS),
    Production("cancel_two", "text", ("text",), 6, _REDUCE, kinds=_BITS),
)

_NUMBERS = (
    Production("count", "number", ("text",), 3, "{0}.count({p!r})"),
    Production("length", "number", ("text",), 5, "len({0})"),
    Production("add", "number", ("number", "number"), 3, "{0} + {1}", commutes=True),
    Production("subtract", "number", ("number", "number"), 4, "{0} - {1}"),
    Production("remainder", "number", ("number",), 4, "{0} % {p}"),
    Production("digit", "number", (), 4, "int(x[{p}])", kinds=_NUMERIC),
    Production("digit_sum", "number", ("text",), 3, "sum(map(int, {0}))", kinds=_DIGITS),
    Production("value_mod", "number", ("text",), 4, "int({0}) % {p}", kinds=_DIGITS),
    Production("binary_mod", "number", ("text",), 4, "int({0}, 2) % {p}", kinds=_BITS),
)

_TRUTHS = (
    Production("contains", "truth", ("text",), 2, "{p!r} in {0}", "{p!r} not in {0}"),
    Production("equal", "truth", ("text", "text"), 3, "{0} == {1}", "{0} != {1}", commutes=True),
    Production("odd", "truth", ("number",), 3, "{0} % 2", "{0} % 2 == 0"),
    Production("both", "truth", ("truth", "truth"), 3, "{0} and {1}", kinds=_ANY, commutes=True),
    Production("differ", "truth", ("truth", "truth"), 3, "{0} ^ {1}", kinds=_ANY, commutes=True),
    Production("character", "truth", (), 4, "x[{p}] == {q!r}", "x[{p}] != {q!r}"),
    Production(
        "parity_at",
        "truth",
        (),
        5,
        "sum(int(x[i]) for i in {p}) % 2",
        "sum(int(x[i]) for i in {p}) % 2 == 0",
        kinds=_BITS,
    ),
    Production("prime", "truth", ("text",), 5, "isprime(int({0}){p})", kinds=_DIGITS),
    Production("equals", "truth", ("number",), 5, "{0} == {p}", "{0} != {p}"),
    Production("exceeds", "truth", ("number",), 5, "{0} > {p}", "{0} <= {p}"),
    Production("starts", "truth", ("text",), 6, "{0}.startswith({p!r})"),
    Production("ends", "truth", ("text",), 6, "{0}.endswith({p!r})"),
    Production("empty", "truth", ("text",), 6, "{0} == ''", "{0} != ''"),
    Production("same", "truth", ("number", "number"), 6, "{0} == {1}", "{0} != {1}", commutes=True),
    Production("greater", "truth", ("number", "number"), 6, "{0} > {1}", "{0} <= {1}"),
    Production("never", "truth", (), 7, "0", "1", kinds=_ANY),
    Production("above", "truth", (), 2, _KNOWN + "x[{p!r}] > {q}", kinds=_TABLE),
    Production("category", "truth", (), 2, "x[{p!r}] == {q!r}", "x[{p!r}] != {q!r}", kinds=_TABLE),
    Production("missing", "truth", (), 4, "x[{p!r}] is None", "x[{p!r}] is not None", kinds=_TABLE),
    Production(
        "larger",
        "truth",
        (),
        4,
        _KNOWN + "x[{q!r}] is not None and x[{p!r}] > x[{q!r}]",
        kinds=_TABLE,
    ),
)

PRODUCTIONS: Mapping[str, Production] = {
    production.name: production for production in (*_TEXTS, *_NUMBERS, *_TRUTHS)
}
"""All productions by name, in the order in which those of equal cost are tried."""

NUMBER_OF: Mapping[str, int] = {name: i for i, name in enumerate(PRODUCTIONS)}
"""The byte that represents a production in the search's arrays."""

NAMES = tuple(PRODUCTIONS)
"""The inverse of ``NUMBER_OF``."""


def productions_for(kind: InputKind) -> list[Production]:
    """Returns the productions that apply to one kind of input, in order."""
    return [production for production in PRODUCTIONS.values() if kind in production.kinds]


def gamma_bits(number: int) -> int:
    """Returns the length of the Elias gamma code of a number that is at least 1.

    Source: Elias, IEEE Transactions on Information Theory 21 (1975).
    """
    return 2 * number.bit_length() - 1


def gamma_range(bits: int) -> range:
    """Returns the numbers whose gamma code has this many bits."""
    if bits < 1 or bits % 2 == 0:
        return range(0)
    return range(1 << (bits // 2), 1 << (bits // 2 + 1))


def choice_bits(options: int) -> int:
    """Returns the number of bits that identify one of this many options."""
    return (max(options, 1) - 1).bit_length()


def literal_bits(length: int, alphabet: int) -> int:
    """Returns the code length of a string of ``length`` characters from ``alphabet`` letters."""
    return gamma_bits(length) + length * choice_bits(alphabet)


def position_bits(position: int, length: int) -> int:
    """Returns the code length of one position of ``x``."""
    return 1 + (3 if position in NEAR else choice_bits(length))


def positions_bits(count: int, length: int) -> int:
    """Returns the code length of a set of two or more positions of ``x``."""
    return gamma_bits(count - 1) + choice_bits(comb(length, count))


def offset_bits(offset: int) -> int:
    """Returns the code length of an integer that may be negative; zero takes one bit."""
    return 1 if offset == 0 else 2 + gamma_bits(abs(offset))
