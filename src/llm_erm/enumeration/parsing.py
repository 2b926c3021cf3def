"""Translates Python expressions of the form that ``grammar.py`` allows into the language."""

import ast
from dataclasses import replace
from typing import Any

from llm_erm import bounded
from llm_erm.enumeration.language import PRODUCTIONS
from llm_erm.enumeration.terms import Term

X = Term("x")

_DEEPEST = 100
"""Depth of the deepest term that is read; those of ``grammar.py`` have fewer than ten levels."""


def term_of(source: str) -> Term | None:
    """Returns the expression of a one-line program, or None if it is not expressible.

    The source is parsed in another process, since nobody has checked it.
    """
    try:
        return _from_plain(bounded.call(_read, source))
    except bounded.UnreadableError:
        return None


def _read(source: str) -> list[Any] | None:
    try:
        body = ast.parse(source).body
        if len(body) == 1 and isinstance(body[0], ast.FunctionDef):
            statement = body[0].body[0]
            if isinstance(statement, ast.Return) and statement.value is not None:
                term = to_term(statement.value)
                return None if term is None else _plain(term, _DEEPEST)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return None


def _plain(term: Term, levels: int) -> list[Any]:
    """Returns a term as lists.

    Raises:
        ValueError: It has more levels.
    """
    if not levels:
        raise ValueError("too deep")
    arguments = [_plain(argument, levels - 1) for argument in term.arguments]
    return [term.production, arguments, list(term.parameters), term.negated]


def _from_plain(plain: object) -> Term | None:
    match plain:
        case [str() as production, list() as arguments, list() as parameters, bool() as negated]:
            inner = [_from_plain(argument) for argument in arguments]
            known = [argument for argument in inner if argument is not None]
            if production in PRODUCTIONS and len(known) == len(inner):
                return Term(production, tuple(known), tuple(parameters), negated)
    return None


def to_term(node: ast.expr) -> Term | None:
    """Returns an expression as a program of the language, or None if it is not expressible."""
    match node:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _opposite(to_term(operand))
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=operand):
            return _opposite(to_term(operand))
        case ast.IfExp(test=test, body=ast.Constant(value=1), orelse=ast.Constant(value=0)):
            return to_term(test)
        case ast.BinOp(left=left, op=ast.Mod(), right=ast.Constant(value=2)):
            number = _number(left)
            return None if number is None else Term("odd", (number,))
        case ast.BoolOp(op=op, values=[left, right]):
            return _both(to_term(left), to_term(right), either=isinstance(op, ast.Or))
        case ast.Call(
            func=ast.Attribute(value=of, attr=name), args=[ast.Constant(value=str(word))]
        ):
            text = _text(of)
            edges = {"startswith": "starts", "endswith": "ends"}
            return Term(edges[name], (text,), (word,)) if text and name in edges else None
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(left, op, right)
        case _:
            return None


def _opposite(term: Term | None) -> Term | None:
    return None if term is None else replace(term, negated=not term.negated)


def _both(left: Term | None, right: Term | None, *, either: bool) -> Term | None:
    if left is None or right is None:
        return None
    if not either:
        return Term("both", (left, right))
    opposites = tuple(replace(term, negated=not term.negated) for term in (left, right))
    return Term("both", opposites, negated=True)


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr) -> Term | None:
    negated = isinstance(op, ast.NotEq | ast.NotIn | ast.LtE)
    match left, op, right:
        case ast.Constant(value=str(word)), ast.In() | ast.NotIn(), _:
            text = _text(right)
            return Term("contains", (text,), (word,), negated) if text else None
        case _, ast.Eq() | ast.NotEq(), ast.Constant(value=str(word)):
            return _against_word(left, word, negated)
    first, second = _text(left), _text(right)
    if first and second:
        known = isinstance(op, ast.Eq | ast.NotEq)
        return Term("equal", (first, second), negated=negated) if known else None
    number = _number(left)
    if number is None:
        return None
    if isinstance(right, ast.Constant) and isinstance(right.value, int):
        return _against_constant(number, op, right.value)
    other = _number(right)
    return None if other is None else _against_number(number, op, other)


def _against_word(left: ast.expr, word: str, negated: bool) -> Term | None:
    position = _position(left)
    if position is not None and len(word) == 1:
        return Term("character", (), (position, word), negated)
    match _text(left):
        case Term("take_first", (text,), (size,)) if size == len(word):
            return Term("starts", (text,), (word,), negated)
        case Term("take_last", (text,), (size,)) if size == len(word):
            return Term("ends", (text,), (word,), negated)
        case _:
            return None


def _against_constant(number: Term, op: ast.cmpop, constant: int) -> Term | None:
    match op:
        case ast.Eq() | ast.NotEq() if constant >= 0:
            return Term("equals", (number,), (constant,), isinstance(op, ast.NotEq))
        case ast.Gt() | ast.LtE() if constant >= 0:
            return Term("exceeds", (number,), (constant,), isinstance(op, ast.LtE))
        case ast.GtE() | ast.Lt() if constant >= 1:
            return Term("exceeds", (number,), (constant - 1,), isinstance(op, ast.Lt))
        case _:
            return None


def _against_number(left: Term, op: ast.cmpop, right: Term) -> Term | None:
    match op:
        case ast.Eq() | ast.NotEq():
            return Term("same", (left, right), (), isinstance(op, ast.NotEq))
        case ast.Gt() | ast.LtE():
            return Term("greater", (left, right), (), isinstance(op, ast.LtE))
        case _:
            return Term("greater", (right, left), (), isinstance(op, ast.GtE))


def _number(node: ast.expr) -> Term | None:
    match node:
        case ast.Call(
            func=ast.Attribute(value=of, attr="count"), args=[ast.Constant(value=str(w))]
        ):
            text = _text(of)
            return Term("count", (text,), (w,)) if text else None
        case ast.Call(func=ast.Name(id="len"), args=[of]):
            text = _text(of)
            return Term("length", (text,)) if text else None
        case ast.Call(func=ast.Name(id="sum"), args=[ast.GeneratorExp(generators=[loop])]):
            text = _text(loop.iter)  # the digit sum of a bit string is its number of ones
            return Term("count", (text,), ("1",)) if text else None
        case ast.Call(func=ast.Name(id="int"), args=[of]):
            position = _position(of)
            return None if position is None else Term("digit", (), (position,))
        case ast.BinOp(left=left, op=ast.Mod(), right=ast.Constant(value=int(modulus))):
            number = _number(left)
            return None if number is None else Term("remainder", (number,), (modulus,))
        case _:
            return None


def _position(node: ast.expr) -> int | None:
    """Returns the position that ``x[...]`` reads."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return _integer(node.slice)
    return None


def _integer(node: ast.expr | None) -> int | None:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
            return -value
        case _:
            return None


def _text(node: ast.expr) -> Term | None:
    match node:
        case ast.Name(id="x"):
            return X
        case ast.Subscript(value=ast.Name(id="x"), slice=ast.Slice(low, high, step)):
            return _slice(low, high, step)
        case _:
            return None


def _slice(low: ast.expr | None, high: ast.expr | None, step: ast.expr | None) -> Term | None:
    if step is not None:
        whole = low is None and high is None
        views = {-1: Term("reverse", (X,)), 2: Term("evens", (X,))}
        return views.get(_integer(step) or 0) if whole else None
    first = X if low is None else _cut(X, low, "drop_first", "take_last", "second_half")
    if first is None or high is None:
        return first
    if low is None:
        return _cut(X, high, "take_first", "drop_last", "first_half")
    start, stop = _integer(low), _integer(high)
    if start is None or stop is None or start < 0:
        return None
    if stop < 0:
        return Term("drop_last", (first,), (-stop,))
    return Term("take_first", (first,), (stop - start,)) if stop > start else None


def _cut(text: Term, node: ast.expr, front: str, back: str, half: str) -> Term | None:
    """Returns a slice with one bound, which is a number of characters or the middle."""
    number = _integer(node)
    if number is None:
        is_half = isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv)
        return Term(half, (text,)) if is_half else None
    if number == 0:
        return text if front == "drop_first" else None
    return Term(front if number > 0 else back, (text,), (abs(number),))
