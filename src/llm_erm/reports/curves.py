"""Accuracy against the number of labelled examples: each method's, and what theory guarantees."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_erm.erm.bounds import occam_upper
from llm_erm.erm.select import program_length
from llm_erm.reports.comparison import CONFIDENCE, accuracy_interval, compare
from llm_erm.reports.results import Result, Task

SYMBOLS = 97
"""Characters of a program's text, printable ASCII and the line end, and the mark of its end."""


@dataclass(frozen=True)
class Curve:
    """One method on one task, by the number of labelled examples.

    Attributes:
        method: What learned.
        examples: Numbers of training and validation examples together, increasing.
        accuracy: Mean test accuracy at each.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    method: str
    examples: tuple[int, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Guarantee:
    """The accuracy that theory guarantees to a search without errors over all short programs.

    Attributes:
        bits: Length of the shortest exact program that is known, in a prefix-free code.
        code: Which code that is.
        examples: Numbers of examples.
        accuracy: At least this, with 95 % confidence, by the Occam bound.
    """

    bits: float
    code: str
    examples: tuple[float, ...]
    accuracy: tuple[float, ...]


def curves(results: Sequence[Result]) -> dict[Task, list[Curve]]:
    """Returns the curves of each task; runs of one method on several sizes make one curve.

    Raises:
        InputError: At some size, methods share no data.
    """
    for size in {result.examples for result in results}:
        compare([result for result in results if result.examples == size])
    found: dict[Task, list[Curve]] = {}
    for task in dict.fromkeys(result.task for result in results):
        own = [result for result in results if result.task == task]
        methods = sorted({result.method for result in own})  # whichever finished first
        found[task] = [_curve(method, [r for r in own if r.method == method]) for method in methods]
    return found


def _curve(method: str, results: Sequence[Result]) -> Curve:
    sizes = sorted({result.examples for result in results})
    groups = [[result for result in results if result.examples == size] for size in sizes]
    means = tuple(sum(result.accuracy for result in group) / len(group) for group in groups)
    intervals = [
        accuracy_interval([result.accuracy for result in group], group[0].test_examples)
        for group in groups
    ]
    return Curve(
        method,
        tuple(sizes),
        means,
        tuple(low for low, _ in intervals),
        tuple(high for _, high in intervals),
    )


def guarantee(results: Sequence[Result], bits: float | None = None) -> Guarantee | None:
    """Returns what the Occam bound guarantees on one task, or None where no exact program is known.

    The length is the one given; else the shortest exact program's in the code of its method; else
    that of its text, at the price of one of 97 symbols a character.

    Args:
        results: Results on the task.
        bits: Length of a program that is exact, in a prefix-free code.
    """
    exact = [result for result in results if result.exact]
    coded = [result.bits for result in exact if result.bits is not None]
    texts = [result.program for result in exact if result.program is not None]
    if bits is not None:
        length, code = bits, "given"
    elif coded:
        length, code = min(coded), "the enumeration's"
    elif texts:
        length, code = min(map(_text_bits, texts)), "program text"
    else:
        return None
    sizes = [result.examples for result in results]
    examples = np.geomspace(min(sizes), max([*sizes, 1000]), 60)
    accuracy = [1 - occam_upper(length, n, 1 - CONFIDENCE) for n in examples]
    return Guarantee(length, code, tuple(examples.tolist()), tuple(accuracy))


def _text_bits(program: str) -> float:
    """Bits of a program as text, its end mark included: a prefix-free code that needs no data."""
    return (program_length(program) + 1) * math.log2(SYMBOLS)
