"""All short programs over bit strings by what they answer, for drawing tasks from them."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.enumeration.bank import pack_bits
from llm_erm.enumeration.memory import Clock, Memory
from llm_erm.enumeration.pool import neighbours
from llm_erm.enumeration.sampling import ProgramSampler
from llm_erm.enumeration.search import BottomUpSearch
from llm_erm.enumeration.terms import Term
from llm_erm.tasks.seeds import seed_from

RANDOM_INPUTS = 384
"""Uniform inputs that tell programs apart; 128 neighbours of theirs join them, which fill the last
of eight words."""

MAX_PROGRAMS = 5_000_000
"""Programs that are enumerated, at most: at length 20 all those of up to 34 bits. The limit is not
one of time, so that the same programs are known on every machine."""

MEMORY_BYTES = 2 * 2**30
"""Memory that their answers may take. They take less than half of it, so it decides nothing."""

MAX_SAMPLED = 400_000
"""Programs that are sampled, at most, to find tasks longer than what was enumerated."""

MAX_COMPARED = 1 << 16
"""Programs that are compared, at most, for how nearly they agree: at length 20 all those of up to
26 bits, in 10 ms."""

_HASHED = 1 << 20
"""Columns whose hashes are computed at a time, to bound the memory."""


class Behaviours:
    """The programs up to a description length, each the shortest with its answers on some inputs.

    Attributes:
        inputs: The inputs that tell programs apart, the same for every seed.
        complete_bits: Up to this description length, all programs are known.
    """

    def __init__(self, length: int, max_bits: int, observe: Callable[[], None]) -> None:
        """Enumerates programs over bit strings of one length.

        Args:
            length: Length of the inputs in characters.
            max_bits: Description length of the longest programs.
            observe: Called after each description length.
        """
        rng = RandomState(seed_from(f"behaviours|L={length}"))
        drawn = rng.randint(2, size=(RANDOM_INPUTS, length))
        uniform = ["".join(map(str, row)) for row in drawn.tolist()]
        near = [str(x) for x in neighbours(uniform, seed_from(f"neighbours|L={length}"))]
        self.inputs = (*uniform, *near)
        self.complete_bits = 0
        self._length = length
        self._search = BottomUpSearch(
            "bits",
            uniform,
            np.zeros((1, RANDOM_INPUTS), np.bool_),
            near,
            memory=Memory(MEMORY_BYTES),
            clock=Clock(math.inf),
            max_bits=max_bits,
            max_programs=MAX_PROGRAMS,
        )
        self._levels: dict[int, range] = {}
        start = 0
        for level in self._search.levels():
            if level.complete:
                self.complete_bits = int(level.bits)
                self._levels[self.complete_bits] = range(start, self._search.kept)
                start = self._search.kept
            observe()
        self._known = start
        self._factors = rng.randint(2**63, size=-(-len(self.inputs) // 64)).astype(np.uint64) | 1
        hashes = self._hashes(self._search.columns[: self._known])
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def programs(self, bits: int, seed: int) -> Iterator[Term]:
        """Yields all programs of a description length that differ from each shorter one.

        They come in random order: first the production at the root is chosen, each as likely as any
        other of which there are programs left, then one of its programs. Without the first step,
        nearly all programs of 25 to 31 bits are parities of positions. Of programs with the same
        answers there is one, or its negation.

        Args:
            bits: The description length, at most ``complete_bits``.
            seed: Seed of the order.
        """
        level = self._levels[bits]
        rng = RandomState(seed_from(f"{seed}|L={self._length}|bits={bits}"))
        roots = self._search.roots[level.start : level.stop]
        left = [
            rng.permutation(np.flatnonzero(roots == root)).tolist() for root in np.unique(roots)
        ]
        while left:
            chosen = int(rng.randint(len(left)))
            index = level[left[chosen].pop()]
            left = [programs for programs in left if programs]
            yield self._search.term_as(index, negated=bool(rng.randint(2)))

    def shortest_bits(self, answers: NDArray[np.int64]) -> float | None:
        """Returns the description length of the shortest program with these answers.

        Args:
            answers: One answer per input, 0 or 1; a program and its negation count as the same.

        Returns:
            None if no program of up to ``complete_bits`` has them.
        """
        column = pack_bits((answers != answers[0])[None, :])
        (wanted,) = self._hashes(column)
        first, last = np.searchsorted(self._sorted, [wanted, wanted + np.uint64(1)])
        for index in self._order[first:last]:
            if np.array_equal(self._search.columns[index], column[0]):
                return self._search.bits(int(index))
        return None

    def best_agreement(self, answers: NDArray[np.int64], bits: int) -> float:
        """Returns how well programs of fewer bits answer: the accuracy of the best of them.

        The accuracy is averaged over the two answers, and counts a program or its negation. The
        shortest ``MAX_COMPARED`` programs are compared.
        """
        shorter = self._levels[bits].start if bits in self._levels else self._known
        columns = self._search.columns[: min(shorter, MAX_COMPARED)]
        ones, zeros = pack_bits(np.stack([answers == 1, answers == 0]))
        wrong = columns ^ ones
        missed = np.bitwise_count(wrong & ones).sum(axis=1, dtype=np.int64) / (answers == 1).sum()
        falsely = np.bitwise_count(wrong & zeros).sum(axis=1, dtype=np.int64) / (answers == 0).sum()
        return float((1 + np.abs(1 - missed - falsely)).max(initial=0.0) / 2)

    def _hashes(self, columns: NDArray[np.uint64]) -> NDArray[np.uint64]:
        parts = [
            (columns[start : start + _HASHED] * self._factors).sum(axis=1, dtype=np.uint64)
            for start in range(0, max(len(columns), 1), _HASHED)
        ]
        return np.concatenate(parts)


class Samples:
    """Programs sampled at random from the language, by description length."""

    def __init__(self, inputs: Sequence[str], seed: int) -> None:
        """Takes inputs of one length and a seed."""
        length = len(inputs[0])
        self._sampler = ProgramSampler("bits", inputs, seed_from(f"{seed}|L={length}|sampled"))
        self._by_bits: defaultdict[float, list[Term]] = defaultdict(list)
        self._sampled = 0

    def programs(self, bits: int) -> Iterator[Term]:
        """Yields programs of a description length, each as likely as any other, with repeats.

        They end once ``MAX_SAMPLED`` programs of any length were sampled.
        """
        programs = self._by_bits[bits]
        for place in count():
            while place >= len(programs):
                if self._sampled >= MAX_SAMPLED:
                    return
                self._sampled += 1
                term, drawn_bits = self._sampler.draw()
                self._by_bits[drawn_bits].append(term)
            yield programs[place]
