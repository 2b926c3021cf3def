"""The sieves that a random program must pass to make a task."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.enumeration.behaviours import Behaviours
from llm_erm.enumeration.description import holds_pairs, program_bits, unsigned_bits
from llm_erm.enumeration.language import PRODUCTIONS, SIGN_BITS
from llm_erm.enumeration.sampling import predictions
from llm_erm.enumeration.terms import Term, to_expression
from llm_erm.tasks.seeds import seed_from

Sieve = Literal[
    "undefined", "unbalanced", "position", "insensitive", "shorter", "nearly", "repeated"
]
"""Why a program makes no task."""

LEAST_SHARE = 0.1
"""Share of uniform inputs that each label has at least, so that both can be drawn by rejection."""

MOST_AGREEMENT = 0.9
"""Accuracy, averaged over the labels, that reading one position of the input reaches at most."""

MOST_NEARLY = 0.97
"""The same accuracy that a shorter program reaches at most. Without this limit, some tasks differ
from programs half as long on one input in a thousand."""

LEAST_POSITIONS = 3
"""Positions that matter, at least."""

LEAST_FLIPS = 0.02
"""Share of uniform inputs whose label changes with one bit, from which its position matters."""

UNIFORM_INPUTS = 1000
"""Uniform inputs on which shares and agreements are measured; their standard error is at most 1.6
percentage points."""

FLIPPED_INPUTS = 200
"""Uniform inputs of which each bit is flipped; of a position that matters to 2 % of all inputs, 4
of them change their label on average."""

FIRST_INPUTS = 100
"""Uniform inputs that are labelled first, since most unbalanced programs show there already."""

_SIMPLEST = (Term("x"), Term("count", (Term("x"),), ("1",)))
"""The shortest text, and a number that is as short as any."""


class Sieves:
    """The sieves for programs over bit strings of one length.

    Attributes:
        share: Of the program last let through, the share of uniform inputs with label 1.
    """

    def __init__(self, length: int, behaviours: Behaviours) -> None:
        """Draws the inputs on which programs are judged, the same for every seed."""
        rng = RandomState(seed_from(f"sieves|L={length}"))
        drawn = rng.randint(2, size=(UNIFORM_INPUTS, length))
        self._length = length
        self._behaviours = behaviours
        self._ones = drawn.astype(np.bool_)
        self._uniform = _strings(drawn)
        flips = np.eye(length, dtype=drawn.dtype)
        self._flipped = _strings(
            (drawn[:FLIPPED_INPUTS, None, :] ^ flips).reshape(FLIPPED_INPUTS * length, length)
        )
        self._drawn: set[bytes] = set()
        self.share = 0.0

    def fault(self, program: Term) -> Sieve | None:
        """Returns the first sieve that holds a program back, or None if it makes a task.

        In order: its label is not defined on every input; one label is rarer than ``LEAST_SHARE``;
        one position of the input tells the label too well; fewer than ``LEAST_POSITIONS``
        positions matter; a shorter program answers alike on ``Behaviours.inputs``, as far as those
        are known, or a part of it can be left out or said in fewer bits; a program that was let
        through before answers alike.
        """
        if not is_defined(program, self._length):
            return "undefined"
        expression = to_expression(program)
        if not _balanced(predictions(expression, self._uniform[:FIRST_INPUTS]), LEAST_SHARE / 2):
            return "unbalanced"
        labels = predictions(expression, self._uniform)
        if not _balanced(labels, LEAST_SHARE):
            return "unbalanced"
        if self._best_position(labels == 1) > MOST_AGREEMENT:
            return "position"
        if self._positions_that_matter(expression, labels) < LEAST_POSITIONS:
            return "insensitive"
        answers = predictions(expression, self._behaviours.inputs)
        if self._is_longer_than_need_be(program, answers):
            return "shorter"
        bits = program_bits(program, self._length)
        if self._behaviours.best_agreement(answers, bits) > MOST_NEARLY:
            return "nearly"
        key = (answers != answers[0]).tobytes()
        if key in self._drawn:
            return "repeated"
        self._drawn.add(key)
        self.share = float(labels.mean())
        return None

    def _best_position(self, labels: NDArray[np.bool_]) -> float:
        """Returns the accuracy of the best position or its negation, averaged over the labels."""
        among_ones, among_zeros = self._ones[labels].mean(axis=0), self._ones[~labels].mean(axis=0)
        return float((1 + np.abs(among_ones - among_zeros)).max() / 2)

    def _positions_that_matter(self, expression: str, labels: NDArray[np.int64]) -> int:
        changed = predictions(expression, self._flipped).reshape(FLIPPED_INPUTS, self._length)
        flips = (changed != labels[:FLIPPED_INPUTS, None]).mean(axis=0)
        return int((flips >= LEAST_FLIPS).sum())

    def _is_longer_than_need_be(self, program: Term, answers: NDArray[np.int64]) -> bool:
        known = self._behaviours.shortest_bits(answers)
        bits = program_bits(program, self._length)
        if known is not None or bits <= self._behaviours.complete_bits:
            return known != bits
        return any(map(self._has_shorter, _truths_in(program))) or any(
            _alike(answers, predictions(to_expression(simpler), self._behaviours.inputs))
            for simpler in simplifications(program, self._length)
        )

    def _has_shorter(self, truth: Term) -> bool:
        """Returns whether a part of a program that is a truth can be said in fewer bits."""
        answers = predictions(to_expression(truth), self._behaviours.inputs)
        known = self._behaviours.shortest_bits(answers)
        return known is not None and known - SIGN_BITS < unsigned_bits(truth, self._length)


def is_defined(term: Term, length: int) -> bool:
    """Returns whether an expression has a value on every input of this length.

    A number is not read from a text that may be empty, or whose digits are pairs of bits.
    """
    if term.production in ("binary_mod", "pairs"):
        (text,) = term.arguments
        if holds_pairs(text) or (term.production == "binary_mod" and not _least(text, length)):
            return False
    return all(is_defined(argument, length) for argument in term.arguments)


def simplifications(program: Term, length: int) -> Iterator[Term]:
    """Yields shorter programs: one part is replaced by a part of itself, or by the simplest one.

    A truth in the place of another also comes negated.
    """
    sort = PRODUCTIONS[program.production].sort
    longest = unsigned_bits(program, length)
    for part in (*_parts(program), *_SIMPLEST):
        if PRODUCTIONS[part.production].sort == sort and unsigned_bits(part, length) < longest:
            yield part
            if sort == "truth":
                yield replace(part, negated=not part.negated)
    for place, argument in enumerate(program.arguments):
        for simpler in simplifications(argument, length):
            others = (*program.arguments[:place], simpler, *program.arguments[place + 1 :])
            yield replace(program, arguments=others)


def _parts(term: Term) -> Iterator[Term]:
    for argument in term.arguments:
        yield argument
        yield from _parts(argument)


def _truths_in(program: Term) -> Iterator[Term]:
    return (part for part in _parts(program) if PRODUCTIONS[part.production].sort == "truth")


def _least(text: Term, length: int) -> int:
    """Returns a length that a text never falls below."""
    if text.production == "x":
        return length
    inner = _least(text.arguments[0], length)
    match text.production, text.parameters:
        case "reverse", _:
            return inner
        case "second_half" | "evens", _:
            return (inner + 1) // 2
        case "first_half" | "odds" | "pairs", _:
            return inner // 2
        case "drop_first" | "drop_last", (int(size),):
            return max(inner - size, 0)
        case "take_first" | "take_last", (int(size),):
            return min(inner, size)
        case _:  # neighbours that cancel may leave nothing
            return 0


def _balanced(labels: NDArray[np.int64], least: float) -> bool:
    return bool(least <= labels.mean() <= 1 - least)


def _alike(answers: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    return bool((answers == others).all() or (answers == 1 - others).all())


def _strings(bits: NDArray[np.int64]) -> Sequence[str]:
    return ["".join(map(str, row)) for row in bits.tolist()]
