"""Samples programs from the language by drawing every bit of their code at random.

This is the uniform search that enumeration and language models are compared with. It uses the same
language and samples a program of b bits with probability 2^-b, with replacement.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import gmpy2
import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.enumeration.description import holds_pairs
from llm_erm.enumeration.front import front
from llm_erm.enumeration.growing.tables import categories, column_names, numeric_columns, thresholds
from llm_erm.enumeration.language import (
    NEAR,
    SIGN_BITS,
    InputKind,
    Production,
    Sort,
    choice_bits,
    gamma_bits,
    literal_bits,
    offset_bits,
    position_bits,
    positions_bits,
    productions_for,
)
from llm_erm.enumeration.memory import Clock
from llm_erm.enumeration.pool import kind_of
from llm_erm.enumeration.proposals import Proposal, Proposals, SearchOutcome
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.enumeration.terms import Term, to_expression, to_program
from llm_erm.errors import InputError
from llm_erm.execution import Input
from llm_erm.tasks.task import Splits

MAX_PARTS = 40
"""Productions per program at most; longer programs are redrawn."""

MAX_LITERAL = 64
"""Characters per literal, or positions per set, at most; longer ones are redrawn."""


MAX_REMEMBERED = 200_000
"""Sampled programs whose training errors are remembered; beyond that, only the best are."""


class _Sampled(NamedTuple):
    """A sampled program, its training errors, its length, and how many were drawn up to it."""

    expression: str
    errors: int
    bits: float
    considered: int


class Redraw(Exception):  # noqa: N818 - not an error: the drawn bits are outside the code
    """The drawn bits do not encode a program for these inputs."""


class ProgramSampler:
    """Samples programs for one set of inputs."""

    def __init__(self, kind: InputKind, inputs: Sequence[Input], seed: int) -> None:
        """Takes the training inputs, which define the alphabet and the columns."""
        self._rng = RandomState(seed % 2**32)
        self._inputs = inputs
        self._kind = kind
        self._shortest = min(map(len, inputs))
        occurring = "".join(sorted(set().union(*map(set, inputs))))
        self._alphabet = {"bits": "01", "digits": "0123456789"}.get(kind, occurring)
        self._of: dict[Sort, list[Production]] = {"text": [], "number": [], "truth": []}
        for production in productions_for(kind):
            self._of[production.sort].append(production)
        self._parts = 0

    def draw(self) -> tuple[Term, float]:
        """Returns a program and its description length."""
        while True:
            self._parts = 0
            try:
                return self._signed()
            except Redraw:
                continue

    def _signed(self) -> tuple[Term, float]:
        term, bits = self._draw("truth")
        negated = bool(self._coins(1))
        return Term(term.production, term.arguments, term.parameters, negated), bits + SIGN_BITS

    def _coins(self, count: int) -> int:
        return int.from_bytes(self._rng.bytes(-(-count // 8)), "big") & ((1 << count) - 1)

    def _draw(self, sort: Sort) -> tuple[Term, float]:
        self._parts += 1
        production = self._production(sort)
        if self._parts > MAX_PARTS:
            raise Redraw
        draw = self._signed if production.name in ("both",) else None
        drawn = [draw() if draw else self._draw(argument) for argument in production.arguments]
        base = 4 if drawn and holds_pairs(drawn[0][0]) else len(self._alphabet)
        parameters, bits = self._parameters(production.name, base)
        total = production.bits + bits + sum(bits for _, bits in drawn)
        return Term(production.name, tuple(term for term, _ in drawn), parameters), total

    def _production(self, sort: Sort) -> Production:
        point = self._rng.random_sample()
        for production in self._of[sort]:
            point -= 2.0**-production.bits
            if point < 0:
                return production
        raise Redraw

    def _gamma(self) -> int:
        zeros = 0
        while self._coins(1) == 0:
            zeros += 1
            if zeros > 20:
                raise Redraw
        return (1 << zeros) | self._coins(zeros) if zeros else 1

    def _below(self, count: int) -> int:
        if count < 1:
            raise Redraw
        number = self._coins(choice_bits(count)) if count > 1 else 0
        if number >= count:
            raise Redraw
        return number

    def _parameters(self, name: str, base: int) -> tuple[tuple[object, ...], float]:
        """Returns parameters for a production and their description length."""
        match name:
            case "drop_first" | "drop_last" | "take_first" | "take_last":
                size = self._gamma()
                return (size,), gamma_bits(size)
            case "cancel_one" | "cancel_two":
                words = tuple(self._letters(2, base) for _ in range(1 + (name == "cancel_two")))
                return (words,), 2 * len(words) * choice_bits(base)
            case "count" | "contains" | "starts" | "ends":
                size = self._gamma()
                if size > MAX_LITERAL:
                    raise Redraw
                return (self._letters(size, base),), literal_bits(size, base)
            case "remainder" | "value_mod" | "binary_mod":
                size = self._gamma()
                return (size + 1,), gamma_bits(size)
            case "equals" | "exceeds":
                size = self._gamma()
                return (size - 1,), gamma_bits(size)
            case "digit":
                position = self._position()
                return (position,), position_bits(position, self._shortest)
            case "character":
                position = self._position()
                letters = 1 if len(self._alphabet) <= 2 else len(self._alphabet)
                letter = self._alphabet[-1] if letters == 1 else self._letters(1, letters)
                bits = position_bits(position, self._shortest) + choice_bits(letters)
                return (position, letter), bits
            case "parity_at":
                count = self._gamma() + 1
                if count >= min(self._shortest, MAX_LITERAL):
                    raise Redraw
                chosen = sorted(self._rng.permutation(self._shortest)[:count].tolist())
                return (tuple(chosen),), positions_bits(count, self._shortest)
            case "prime":
                offset = 0 if self._coins(1) else self._gamma() * (1 - 2 * self._coins(1))
                return (f"{offset:+d}" if offset else "",), offset_bits(offset)
            case "above" | "category" | "missing" | "larger":
                return self._of_table(name)
            case _:
                return (), 0

    def _position(self) -> int:
        if self._coins(1):
            position = NEAR[self._coins(3)]
            if position >= self._shortest or -position > self._shortest:
                raise Redraw
            return position
        return self._below(self._shortest)

    def _letters(self, count: int, base: int) -> str:
        alphabet = "0123" if base == 4 and self._kind == "bits" else self._alphabet
        return "".join(alphabet[self._below(base)] for _ in range(count))

    def _of_table(self, name: str) -> tuple[tuple[object, ...], float]:
        number = set(numeric_columns(self._inputs))
        columns = [
            column
            for column in column_names(self._inputs)
            if name == "missing" or (column in number) == (name != "category")
        ]
        column = columns[self._below(len(columns))]
        options: Sequence[object] = (None,)
        if name == "above":
            options = thresholds(self._inputs, column)
        elif name == "category":
            options = categories(self._inputs, column)
        elif name == "larger":
            options = columns
        option = options[self._below(len(options))]
        bits = choice_bits(len(columns)) + choice_bits(len(options))
        return ((column,) if name == "missing" else (column, option)), bits


def predictions(expression: str, inputs: Sequence[Input]) -> NDArray[np.int64]:
    """Returns the labels that an expression of the language predicts, shape (n,); -1 if it fails.

    The expression runs without a sandbox, so it must be one that this package wrote itself.
    """
    scope = {"isprime": lambda n: n > 1 and gmpy2.is_prime(n), "reduce": reduce}
    function: Callable[[Input], object] = eval(f"lambda x: {expression}", scope)  # noqa: S307
    answers = []
    for x in inputs:
        try:
            answers.append(int(bool(function(x))))
        except (IndexError, ValueError, TypeError):
            answers.append(-1)
    return np.array(answers)


def sampled(sampler: ProgramSampler) -> Iterator[tuple[str, float]]:
    """Yields sampled programs as expressions with their description lengths, endlessly."""
    while True:
        term, bits = sampler.draw()
        yield to_expression(term), bits


def propose_sampled(
    splits: Splits, settings: EnumerationSettings, clock: Clock, proposals: Proposals
) -> SearchOutcome:
    """Proposes the best of many programs sampled at random; returns how far the search went.

    Raises:
        InputError: If there are more than two classes.
    """
    inputs, labels = splits.train.inputs, np.array(splits.train.labels)
    if int(labels.max(initial=1)) > 1:
        raise InputError(
            "Programs are sampled at random only for labels 0 and 1; use length-first enumeration "
            "for more classes."
        )
    kind = kind_of(inputs)
    considered, stopped_by = 0, "seconds"
    best: dict[str, _Sampled] = {}
    for expression, bits in sampled(ProgramSampler(kind, inputs, settings.seed)):
        if clock.over:
            break
        considered += 1
        if expression not in best:
            errors = int(np.sum(predictions(expression, inputs) != labels))
            best[expression] = _Sampled(expression, errors, bits, considered)
            if errors == 0:
                proposals.add(Proposal(to_program(expression), bits, considered, "sampling"))
        if proposals.found:
            stopped_by = "found"
            break
        if settings.max_programs is not None and considered >= settings.max_programs:
            stopped_by = "programs"
            break
        if proposals.spent:
            stopped_by = "attempts"
            break
        if len(best) >= MAX_REMEMBERED:
            kept = front(best.values(), settings.attempts, len(labels))
            best = {each.expression: each for each in kept}
    proposals.fill(
        Proposal(to_program(each.expression), each.bits, each.considered, "sampling")
        for each in front(best.values(), settings.attempts, len(labels))
    )
    return SearchOutcome(
        inputs=kind, solutions=0, considered=considered, kept=None, stopped_by=stopped_by
    )
