"""One small grammar of Python expressions over ``x``, and the prompt that goes with it.

The same grammar and prompt serve every task. They hold no example and no task's data, but they were
written by people who know the task suite, and chosen among others by how many of its rules they
draw (docs/log.md); a grammar is itself a prior: that a rule is short in it says something about its
authors. Results obtained with it are results of model and grammar.

The grammar has no cycles, so there are finitely many expressions and each ends after a few dozen
characters. Spacing and quotes are fixed, and no two derivations spell the same text, which keeps
duplicates recognisable and the sampler fast.
"""

from collections.abc import Mapping, Sequence

PROMPT = """\
Here is a short Python function that checks a string of digits `x` for a simple pattern:

```python
def f(x):
    return"""

START = "root"

_DIGITS = 8
"""Longest digit string that a test may look for."""

PRODUCTIONS: Mapping[str, Sequence[Sequence[str]]] = {
    "root": (("rule", "\n"),),
    "rule": ((" ", "truth"), (" ", "integer", " % 2"), (" 1 if ", "truth", " else 0")),
    "truth": (("test", "more"), ("not ", "test")),
    "more": ((), (" and ", "test"), (" or ", "test")),
    "test": (
        ("part", " ", "equal", " ", "text"),
        ("number", " ", "order", " ", "bound"),
        ("digits", " in x"),
        ("digits", " not in x"),
        ("x.", "edge", "with(", "digits", ")"),
    ),
    "edge": (("starts",), ("ends",)),
    "equal": (("==",), ("!=",)),
    "order": (("==",), ("!=",), ("<",), (">",), ("<=",), (">=",)),
    "number": (("integer", "remainder"),),
    "remainder": ((), (" % ", "modulus")),
    "bound": (("number",), ("count",)),
    "integer": (
        ("part", ".count(", "digits", ")"),
        ("int(", "part", ")"),
        ("len(x)",),
        ("sum(int(c) for c in ", "part", ")"),
    ),
    "text": (("part",), ("digits",)),
    "part": (("x",), ("x[", "slice", "]")),
    "slice": ((":", "end"), ("index",), ("index", ":", "stop")),
    "end": (("index",), (":-1",), (":", "modulus")),
    "stop": ((), ("index",)),
    "index": (("count",), ("-", "count"), ("len(x) // 2",)),
    "count": (("0",), ("positive",), ("positive", "digit")),
    "modulus": tuple((str(digit),) for digit in range(2, 10)),
    "positive": tuple((str(digit),) for digit in range(1, 10)),
    "digit": tuple((str(digit),) for digit in range(10)),
    "digits": (("'", "digit", f"rest{_DIGITS - 1}"),),
    "rest0": (("'",),),
    **{f"rest{n}": (("'",), ("digit", f"rest{n - 1}")) for n in range(1, _DIGITS)},
}
"""Each symbol with its alternatives; a word that is no symbol stands for itself."""


def gbnf() -> str:
    """Returns the grammar in llama.cpp's notation."""
    return "".join(
        f"{name} ::= {' | '.join(_sequence(symbols) for symbols in alternatives)}\n"
        for name, alternatives in PRODUCTIONS.items()
    )


def _sequence(symbols: Sequence[str]) -> str:
    words = [symbol if symbol in PRODUCTIONS else _literal(symbol) for symbol in symbols]
    return " ".join(words) or _literal("")


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def to_program(expression: str) -> str:
    """Returns the source of the function that computes ``expression``.

    ``1 if test else 0`` becomes the test itself, so that one rule is one program, and as short as
    it can be said.
    """
    rule = expression.strip().removeprefix("1 if ").removesuffix(" else 0")
    return f"def f(x):\n    return {rule}\n"


def complement(source: str) -> str:
    """Returns the source of ``1 - f`` for a function that :func:`to_program` made."""
    head, expression = source.split("return ", 1)
    return f"{head}return 1 - ({expression.strip()})\n"
