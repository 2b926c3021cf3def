"""One small grammar of Python expressions over ``x``, and the prompt that goes with it.

The same grammar and prompt serve every task. They hold no example and no task's data, but they were
written by people who know the task suite, and a grammar is itself a prior: that a rule is short in
it says something about its authors. Results obtained with it are results of model and grammar.

The grammar has no cycles, so there are finitely many expressions and each ends after a few dozen
characters. Spacing and quotes are fixed: an expression has one spelling.
"""

from collections.abc import Mapping, Sequence

PROMPT = """\
# Small functions that classify a string of digits. Each returns 1 or 0.

def f(x):
    return"""

START = "root"

PRODUCTIONS: Mapping[str, Sequence[Sequence[str]]] = {
    "root": (("rule", "\n"),),
    "rule": ((" ", "truth"), (" ", "integer", " % ", "digit"), (" 1 if ", "truth", " else 0")),
    "truth": (
        ("test",),
        ("not ", "test"),
        ("test", " and ", "test"),
        ("test", " or ", "test"),
    ),
    "test": (
        ("text", " == ", "text"),
        ("text", " != ", "text"),
        ("number", " ", "order", " ", "number"),
        (
            "digits",
            " in x",
        ),
        (
            "digits",
            " not in x",
        ),
        ("x.startswith(", "digits", ")"),
        ("x.endswith(", "digits", ")"),
    ),
    "order": (("==",), ("!=",), ("<",), (">",), ("<=",), (">=",)),
    "number": (("integer",), ("integer", " % ", "positive"), ("count",)),
    "integer": (
        ("text", ".count(", "digits", ")"),
        ("int(", "text", ")"),
        ("len(x)",),
        ("sum(int(c) for c in ", "text", ")"),
    ),
    "text": (("x",), ("x[", "slice", "]"), ("digits",)),
    "slice": (
        ("::-1",),
        ("index",),
        (":", "index"),
        ("index", ":"),
        ("index", ":", "index"),
        ("::", "positive"),
    ),
    "index": (("count",), ("-", "count"), ("len(x) // 2",)),
    "digits": (
        ("'", "digit", "'"),
        ("'", "digit", "digit", "'"),
        ("'", "digit", "digit", "digit", "'"),
    ),
    "count": (("digit",), ("positive", "digit")),
    "positive": tuple((str(digit),) for digit in range(1, 10)),
    "digit": tuple((str(digit),) for digit in range(10)),
}


def gbnf() -> str:
    """Returns the grammar in llama.cpp's notation."""
    return "".join(
        f"{name} ::= {' | '.join(_sequence(symbols) for symbols in alternatives)}\n"
        for name, alternatives in PRODUCTIONS.items()
    )


def _sequence(symbols: Sequence[str]) -> str:
    return " ".join(symbol if symbol in PRODUCTIONS else _literal(symbol) for symbol in symbols)


def _literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def to_program(expression: str) -> str:
    """Returns the source of the function that computes ``expression``."""
    return f"def f(x):\n    return {expression.strip()}\n"


def complement(source: str) -> str:
    """Returns the source of ``1 - f`` for a function that :func:`to_program` made."""
    head, expression = source.split("return ", 1)
    return f"{head}return 1 - ({expression.strip()})\n"
