"""Speed of the enumeration: python benchmarks/enumeration_speed.py [--long-seconds 60].

1. Enumerates a fixed part of the language up to a fixed price in three ways, in turns: with the
   compiled search, with a plain Python search that shares no code with it, and with the latter
   storing a truth's answers to all inputs in one Python integer. All of them must consider and keep
   the same numbers of programs at every price. Programs are truths; intermediate texts and numbers
   are not counted.
2. Enumerates that part and the whole language for about a minute on data that no program explains,
   and reports programs per second, memory and growth.

Seconds are CPU seconds of this process, medians over the turns, unless they are called wall
seconds.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from itertools import combinations

import numpy as np

from llm_erm.enumeration.costs import Costs
from llm_erm.enumeration.memory import Clock, Memory, memory_for, resident_bytes
from llm_erm.enumeration.search import BottomUpSearch, prepare

PART = {
    **{"x": 1, "reverse": 3, "first_half": 4, "second_half": 4},
    **{"count": 3, "add": 3},
    **{"contains": 2, "odd": 3, "character": 4, "both": 3, "differ": 3},
}
"""The productions of the fixed part and their prices, as the language states them."""

MOST = {"text": 20, "number": 28}
"""The dearest texts and numbers, as the language states them."""

VIEWS = {
    "reverse": lambda s: s[::-1],
    "first_half": lambda s: s[: len(s) // 2],
    "second_half": lambda s: s[len(s) // 2 :],
}


def words(count, length, seed):
    rng = np.random.RandomState(seed)
    return ["".join("01"[bit] for bit in row) for row in rng.randint(2, size=(count, length))]


def compiled(inputs, max_bits):
    """Programs considered and kept at each price, by the package."""
    labels = np.array([[word.count("1") % 3 == 0 for word in inputs[:100]]])
    search = BottomUpSearch(
        "bits",
        inputs[:100],
        labels,
        inputs[100:],
        memory=Memory(4 * 2**30),
        clock=Clock(3600),
        costs=Costs(1, PART, {}),
        max_bits=max_bits,
    )
    return [(level.considered, level.kept) for level in search.levels()]


class Plain:
    """The same in plain Python: values are tuples (one entry per input); known ones are in sets."""

    def __init__(self, inputs):
        self.inputs = tuple(inputs)
        self.at = {sort: defaultdict(list) for sort in ("text", "number", "truth")}
        self.known = {sort: set() for sort in ("text", "number", "truth")}
        self.considered = 0

    def keep(self, sort, cost, values):
        """Counts a program, and keeps it if its behaviour is new."""
        if cost > MOST.get(sort, cost):
            return
        if sort == "truth":
            self.considered += 1
            if self.first(values):
                values = self.opposite(values)
        if values not in self.known[sort]:
            self.known[sort].add(values)
            self.at[sort][cost].append(values)

    def first(self, answers):
        """The answer to the first input."""
        return answers[0]

    def opposite(self, answers):
        return tuple([not answer for answer in answers])

    def conjunction(self, one, other):
        return tuple([u and v for u, v in zip(one, other, strict=True)])

    def difference(self, one, other):
        return tuple([u != v for u, v in zip(one, other, strict=True)])

    def answers(self, values):
        """One truth value per input, in the stored form."""
        return tuple(values)

    def pairs(self, sort, cost):
        """Pairs of kept values whose prices add up, each once."""
        for first in range(cost // 2 + 1):
            left, right = self.at[sort][first], self.at[sort][cost - first]
            if first == cost - first:
                yield from combinations(left, 2)
            else:
                yield from ((a, b) for a in left for b in right)

    def literals(self, cost):
        """Texts of one price with the literals that occur in them and cost the rest."""
        for size in range(1, cost):
            bits = 2 * size.bit_length() - 1 + size
            for strings in self.at["text"][cost - bits]:
                occurring = {s[i : i + size] for s in strings for i in range(len(s) - size + 1)}
                yield from ((strings, literal) for literal in sorted(occurring))

    def level(self, cost):
        """Adds everything of one price; returns the truths considered and kept."""
        before = self.considered, len(self.known["truth"])
        if cost == PART["x"]:
            self.keep("text", cost, self.inputs)
        for name, view in VIEWS.items():
            for strings in self.at["text"][cost - PART[name]]:
                self.keep("text", cost, tuple([view(s) for s in strings]))
        for strings, literal in self.literals(cost - PART["count"]):
            self.keep("number", cost, tuple([s.count(literal) for s in strings]))
        for a, b in self.pairs("number", cost - PART["add"]):
            self.keep("number", cost, tuple([u + v for u, v in zip(a, b, strict=True)]))
        for strings, literal in self.literals(cost - PART["contains"]):
            self.keep("truth", cost, self.answers([literal in s for s in strings]))
        for numbers in self.at["number"][cost - PART["odd"]]:
            self.keep("truth", cost, self.answers([bool(n % 2) for n in numbers]))
        for position in self.positions(cost - PART["character"]):
            self.keep("truth", cost, self.answers([s[position] == "1" for s in self.inputs]))
        for a, b in self.pairs("truth", cost - PART["both"] - 2):
            for left in (a, self.opposite(a)):
                for right in (b, self.opposite(b)):
                    self.keep("truth", cost, self.conjunction(left, right))
        for a, b in self.pairs("truth", cost - PART["differ"]):
            self.keep("truth", cost, self.difference(a, b))
        return self.considered - before[0], len(self.known["truth"]) - before[1]

    def positions(self, bits):
        """Positions that cost so many bits."""
        length = len(self.inputs[0])
        near = [0, 1, 2, 3, -1, -2, -3, -4] if bits == 4 else []
        far = range(4, length) if bits == 1 + (length - 1).bit_length() else []
        return [*near, *far]


class Packed(Plain):
    """The same with the answers of a truth in one integer, the first in the lowest bit."""

    def __init__(self, inputs):
        super().__init__(inputs)
        self.all = (1 << len(inputs)) - 1

    def first(self, answers):
        return answers & 1

    def opposite(self, answers):
        return answers ^ self.all

    def conjunction(self, one, other):
        return one & other

    def difference(self, one, other):
        return one ^ other

    def answers(self, values):
        return sum(1 << i for i, value in enumerate(values) if value)


def by(plain, inputs, max_bits):
    """Programs considered and kept at each price, by a search in Python."""
    search = plain(inputs)
    return [search.level(cost) for cost in range(max_bits)]


def seconds_of(search, *arguments):
    """What a search counts, and its CPU seconds."""
    began = time.process_time()
    return search(*arguments), time.process_time() - began


def same_counts(inputs, max_bits):
    """Runs all searches; returns their levels and CPU seconds."""
    prepare()
    return (
        seconds_of(compiled, inputs, max_bits),
        seconds_of(by, Packed, inputs, max_bits),
        seconds_of(by, Plain, inputs, max_bits),
    )


def long_run(costs, seconds, memory_mb):
    """Programs per second if nothing is found."""
    inputs = words(256, 20, seed=1)
    labels = np.random.RandomState(2).randint(2, size=(1, 100)).astype(bool)
    search = BottomUpSearch(
        "bits",
        inputs[:100],
        labels,
        inputs[100:],
        memory=memory_for(memory_mb * 2**20),
        clock=Clock(seconds),
        costs=costs,
    )
    began = time.perf_counter(), time.process_time()
    levels = list(search.levels())
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    for level in levels:
        if level.considered:
            print(
                f"  {level.bits:4.0f} bits {level.considered:13,} considered {level.kept:12,} kept"
            )
    return {
        "programs": search.considered,
        "kept": search.kept,
        "stopped_by": search.stopped_by,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "programs_per_wall_second": search.considered / wall,
        "programs_per_cpu_second": search.considered / cpu,
        "resident_mb": resident_bytes() / 2**20,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--max-bits", type=int, default=35)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--long-seconds", type=float, default=60.0)
    parser.add_argument("--memory-mb", type=int, default=2048)
    options = parser.parse_args()
    inputs = words(256, 20, seed=0)
    turns = [same_counts(inputs, options.max_bits) for _ in range(options.turns)]
    levels = turns[0][0][0]
    fast, packed, slow = (statistics.median(turn[i][1] for turn in turns) for i in range(3))
    print(
        json.dumps(
            {
                "bits": options.max_bits,
                "programs": sum(considered for considered, _ in levels),
                "kept": sum(kept for _, kept in levels),
                "same_counts": all(counted == levels for turn in turns for counted, _ in turn),
                "compiled_seconds": fast,
                "plain_seconds": slow,
                "packed_seconds": packed,
                "times_faster_than_plain": slow / fast,
                "times_faster_than_packed": packed / fast,
            }
        ),
        flush=True,
    )
    for name, costs in (("part", Costs(1, PART, {})), ("whole language", None)):
        print(name)
        print(json.dumps(long_run(costs, options.long_seconds, options.memory_mb)))


if __name__ == "__main__":
    main()
