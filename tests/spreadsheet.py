"""Evaluates the formulas that rules are exported as, as spreadsheets do."""

import datetime
import operator
import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r'"(?:[^"]|"")*"|[A-Z]+[0-9]+|[A-Z]+(?=\()|<=|>=|<>|[<>=+&(),]|-?[0-9.]+(?:E[+-]?[0-9]+)?'
)
_ORDER = {
    "<=": operator.le,
    ">=": operator.ge,
    ">": operator.gt,
    "=": operator.eq,
    "<>": operator.ne,
}


def value(formula: str, cells: Mapping[str, float | str | None]) -> object:
    """The value of a formula; ``cells`` has a number, a text or None for each cell it names."""
    assert formula.startswith("=")
    tokens = _TOKEN.findall(formula[1:])
    assert "".join(tokens) == formula[1:], "a part of the formula is no token"
    reader = _Reader(tokens, cells)
    found = reader.comparison()
    assert reader.at == len(tokens)
    return found


class _Reader:
    """Reads tokens from left to right, evaluating them."""

    def __init__(self, tokens: list[str], cells: Mapping[str, float | str | None]) -> None:
        self.tokens, self.cells, self.at = tokens, cells, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def comparison(self) -> object:
        left = self.joined()
        if (sign := self.peek()) not in _ORDER:
            return left
        self.take()
        return compare(sign, left, self.joined())

    def joined(self) -> object:
        left = self.added()
        while self.peek() == "&":
            self.take()
            left = f"{left}{self.added()}"
        return left

    def added(self) -> object:
        left = self.single()
        while self.peek() == "+":
            self.take()
            left = left + self.single()
        return left

    def single(self) -> object:
        token = self.take()
        if token.startswith('"'):
            return token[1:-1].replace('""', '"')
        if re.fullmatch(r"[A-Z]+[0-9]+", token):
            return self.cells[token]
        if self.peek() == "(":
            mark, arguments = self.take(), []
            while mark != ")" and self.peek() != ")":
                arguments.append(self.comparison())
                mark = self.take()
                assert mark in (",", ")")
            if mark == "(":
                self.take()
            return call(token, arguments)
        return float(token)


def compare(sign: str, left: object, right: object) -> bool:
    left, right = (
        ("" if isinstance(other, str) else 0.0) if one is None else one
        for one, other in ((left, right), (right, left))
    )
    if isinstance(left, str) and isinstance(right, str):
        left, right = left.casefold(), right.casefold()
    elif isinstance(left, str) or isinstance(right, str):  # each number is less than each text
        left, right = isinstance(left, str), isinstance(right, str)
    return bool(_ORDER[sign](left, right))


def call(name: str, arguments: list[object]) -> object:
    match name:
        case "IF":
            condition, then, otherwise = arguments
            assert isinstance(condition, bool)
            return then if condition else otherwise
        case "AND":
            return all(arguments)
        case "OR":
            return any(arguments)
        case "UPPER":
            return str(arguments[0] or "").upper() if arguments[0] is not False else "FALSE"
        case "FALSE":
            return False
        case "NOT":
            return not arguments[0]
        case "ISNUMBER":
            return isinstance(arguments[0], float)
        case "EXACT":
            left, right = ("" if argument is None else argument for argument in arguments)
            assert isinstance(left, str)
            return left == right
        case "DATE":
            year, month, day = (int(argument) for argument in arguments)
            return float((datetime.date(year, month, day) - datetime.date(1899, 12, 30)).days)
    raise AssertionError(f"no function {name}")
