"""A small grammar of Python expressions over ``x``, and the prompt that goes with it.

The same grammar and prompt serve every task. They contain no examples and no data of any task, but
they were written by people who know the task suite, and were preferred to alternatives because the
model samples more of its rules with them (docs/log.md). A grammar is itself a prior: which rules
are short in it reflects what its authors had in mind. Attribute results to the model and the
grammar together.

The grammar has no cycles, so it derives finitely many expressions, each at most a few dozen
characters long. Spacing and quotes are fixed, and every text has exactly one derivation, so
duplicates are easy to recognize and sampling is fast.
"""

import ast
from collections.abc import Mapping, Sequence

from llm_erm import bounded
from llm_erm.source import too_long

PROMPT = """\
Here is a short Python function that checks a string of digits `x` for a simple pattern:

```python
def f(x):
    return"""

START = "root"

_DIGITS = 8
"""Length of the longest digit string that a test may look for."""

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
"""The alternatives of each nonterminal; any other string is a terminal and stands for itself."""


def gbnf() -> str:
    """Returns the grammar in GBNF, the notation of llama.cpp."""
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

    ``1 if test else 0`` is reduced to the test itself, so that each rule has one program, and the
    shortest one.
    """
    rule = expression.strip().removeprefix("1 if ").removesuffix(" else 0")
    return f"def f(x):\n    return {rule}\n"


def read_program(text: str) -> tuple[str | None, str | None]:
    """Returns ``(source, None)`` for an answer that is one expression, else ``(None, reason)``.

    What a grammar constrained may be read back from a file that was edited. Two lines could be
    something else within the brackets of their complement.
    """
    source = to_program(text)
    if (reason := too_long(source)) is not None:
        return None, reason
    try:
        single = bounded.call(_is_expression, source)
    except bounded.UnreadableError:
        single = False
    return (source, None) if single is True else (None, "no code: the answer is no expression")


def _is_expression(source: str) -> bool:
    """Whether a function returns one expression, and its complement one minus the same."""
    try:
        trees = ast.parse(source).body, ast.parse(complement(source)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    match trees:
        case (
            [ast.FunctionDef(body=[ast.Return(value=ast.expr() as one)])],
            [ast.FunctionDef(body=[ast.Return(value=ast.BinOp(op=ast.Sub(), right=other))])],
        ):
            return ast.dump(one) == ast.dump(other)
    return False


def complement(source: str) -> str:
    """Returns the source of ``1 - f`` for a function written by :func:`to_program`."""
    head, expression = source.split("return ", 1)
    return f"{head}return 1 - ({expression.strip()})\n"
