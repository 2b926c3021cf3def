"""Expressions as trees, and their translation to Python."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from llm_erm.enumeration.language import PRODUCTIONS

_IMPORTS = {"isprime": "from sympy import isprime", "reduce": "from functools import reduce"}


@dataclass(frozen=True)
class Term:
    """An expression of the language.

    Attributes:
        production: Name of the production at its root.
        arguments: The arguments of that production.
        parameters: The values of ``{p}`` and ``{q}``.
        negated: Whether the expression is negated; only for truths.
    """

    production: str
    arguments: tuple["Term", ...] = ()
    parameters: tuple[object, ...] = ()
    negated: bool = False


def to_expression(term: Term) -> str:
    """Returns the Python expression over ``x``, without redundant parentheses."""
    return ast.unparse(ast.parse(_text(term), mode="eval"))


def to_program(expression: str) -> str:
    """Returns the source of the function that computes an expression."""
    return _imports(expression) + f"def f(x):\n    return {expression}\n"


def to_list(tests: Sequence[tuple[str, int]], otherwise: int) -> str:
    """Returns the source of a decision list.

    Args:
        tests: Expressions and the label for each; the first one that holds decides.
        otherwise: The label if none holds.
    """
    lines = [f"    if {expression}:\n        return {label}\n" for expression, label in tests]
    body = "".join(lines) + f"    return {otherwise}\n"
    return _imports(body) + "def f(x):\n" + body


def _imports(text: str) -> str:
    needed = [line for name, line in _IMPORTS.items() if f"{name}(" in text]
    return "".join(line + "\n" for line in needed) + ("\n\n" if needed else "")


def _text(term: Term) -> str:
    production = PRODUCTIONS[term.production]
    if term.production == "both" and term.negated and all(a.negated for a in term.arguments):
        left, right = (f"({_text(_opposite(a))})" for a in term.arguments)
        return f"{left} or {right}"
    arguments = [f"({_text(argument)})" for argument in term.arguments]
    named = dict(zip("pq", term.parameters, strict=False))
    if term.negated and production.opposite:
        return production.opposite.format(*arguments, **named)
    text = production.python.format(*arguments, **named)
    return f"not ({text})" if term.negated else text


def _opposite(term: Term) -> Term:
    return Term(term.production, term.arguments, term.parameters, not term.negated)
