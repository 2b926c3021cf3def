"""Accuracy as a function of the number of labelled examples: measured, and guaranteed by theory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_erm.erm.binomial import occam_upper
from llm_erm.reports.comparison import CONFIDENCE, accuracy_interval, compare
from llm_erm.reports.results import Entry, TaskPoint
from llm_erm.source import program_length

SYMBOLS = 97
"""Symbols of a program's text: 95 printable ASCII characters, the line end and an end mark."""


@dataclass(frozen=True)
class Curve:
    """Accuracy of one method on one task, by the number of labelled examples.

    Attributes:
        method: Name of the method.
        examples: Numbers of training and validation examples together, increasing.
        accuracy: Mean test accuracy at each.
        low: Lower end of its 95 % interval; see ``accuracy_interval``.
        high: Upper end.
        trials: Number of trials at each.
    """

    method: str
    examples: tuple[int, ...]
    accuracy: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    trials: tuple[int, ...]


@dataclass(frozen=True)
class Guarantee:
    """The accuracy that theory guarantees to a search without errors over all short programs.

    Attributes:
        bits: Length of the shortest known exact program in a prefix-free code.
        code: Name of that code.
        examples: Numbers of examples.
        accuracy: Lower bounds on the accuracy with 95 % confidence, by the Occam bound.
    """

    bits: float
    code: str
    examples: tuple[float, ...]
    accuracy: tuple[float, ...]


def curves(entries: Sequence[Entry]) -> dict[TaskPoint, list[Curve]]:
    """Returns the curves of each task; the runs of one method at several sizes form one curve.

    Raises:
        InputError: At some size, the methods share no data, or the results of one method are no
            trials of one setting.
    """
    for size in {entry.result.examples for entry in entries}:
        compare([entry for entry in entries if entry.result.examples == size])
    found: dict[TaskPoint, list[Curve]] = {}
    for point in dict.fromkeys(entry.point for entry in entries):
        own = [entry for entry in entries if entry.point == point]
        groups = _by_method(own)
        found[point] = [_curve(name, groups[name]) for name in sorted(groups)]
    return found


def _by_method(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Returns the results of each curve, by its name: that of the method.

    Results on the same data are not further trials: the same accuracy again is left out, and a run
    with another one is a curve of its own, named with its folder.
    """
    found: dict[str, list[Entry]] = {}
    known: dict[tuple[str, int, str], float] = {}
    for method, run in dict.fromkeys((entry.method, entry.run) for entry in entries):
        own = [entry for entry in entries if (entry.method, entry.run) == (method, run)]
        keys = [(method, entry.result.examples, entry.result.data.sha256) for entry in own]
        pairs = list(zip(keys, own, strict=True))
        if any(known.get(key, entry.accuracy) != entry.accuracy for key, entry in pairs):
            found[f"{method} in {run}"] = own
            continue
        found.setdefault(method, []).extend(entry for key, entry in pairs if key not in known)
        known |= {key: entry.accuracy for key, entry in pairs}
    return found


def _curve(method: str, entries: Sequence[Entry]) -> Curve:
    sizes = sorted({entry.result.examples for entry in entries})
    groups = [[entry for entry in entries if entry.result.examples == size] for size in sizes]
    means = tuple(sum(entry.accuracy for entry in group) / len(group) for group in groups)
    intervals = [accuracy_interval(group) for group in groups]
    return Curve(
        method,
        tuple(sizes),
        means,
        tuple(low for low, _ in intervals),
        tuple(high for _, high in intervals),
        tuple(map(len, groups)),
    )


def guarantee(entries: Sequence[Entry], bits: float | None = None) -> Guarantee | None:
    """Returns what the Occam bound guarantees on one task, or None if no exact program is known.

    The description length is ``bits`` if given; else that of the shortest exact program in the code
    of its method; else that of its text, with 97 equally long codes for its symbols.

    Args:
        entries: Results on the task.
        bits: Length of an exact program in a prefix-free code.
    """
    exact = [entry for entry in entries if entry.result.exact]
    coded = [entry.bits for entry in exact if entry.bits is not None]
    texts = [entry.result.program for entry in exact if entry.result.program is not None]
    if bits is not None:
        length, code = bits, "given"
    elif coded:
        length, code = min(coded), "the enumeration's"
    elif texts:
        length, code = min(map(_text_bits, texts)), "program text"
    else:
        return None
    sizes = [entry.result.examples for entry in entries]
    examples = np.geomspace(min(sizes), max([*sizes, 1000]), 60)
    accuracy = [1 - occam_upper(length, n, 1 - CONFIDENCE) for n in examples]
    return Guarantee(length, code, tuple(examples.tolist()), tuple(accuracy))


def _text_bits(program: str) -> float:
    """Returns the bits of a program as text with an end mark: a code that does not need data."""
    return (program_length(program) + 1) * math.log2(SYMBOLS)
