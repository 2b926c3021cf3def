"""CPU seconds to draw and write 10,200 examples (100 train, 100 validation, 10,000 test).

    python benchmarks/data_generation.py [--functions fn_a fn_i] [--rounds 5]

Each round times all tasks in turn; the table shows medians over the rounds. The times of the
published code were measured once, on the same kind of machine; the goal is 1/20 of them. fn_i, fn_k
and fn_v are compared with the bare ``gmpy2.next_prime`` calls that they need, timed in the same
round; the goal is a ratio of 1.3.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import gmpy2
from numpy.random import RandomState

from llm_erm.tasks.rules import to_numbers
from llm_erm.tasks.samplers import uniform_digits
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.suite import SUITE

LENGTHS = (20, 50, 100)
OWN_LENGTHS = {
    "fn_h": (20, 52, 100),  # a multiple of 4; compared with the published time at 50
    "fn_aa": (36, 150, 300),
}
PRIMES = 5_100
PUBLISHED = {
    "fn_a": (0.56, 0.89, 1.5),
    "fn_c": (0.79, 1.6, 2.9),
    "fn_g": (0.34, 0.92, 1.5),
    "fn_h": (0.63, 1.1, 1.8),
    "fn_i": (1.4, 5.4, 37),
    "fn_k": (1.4, 5.4, 37),
    "fn_l": (0.69, 1.1, 1.8),
}
NEXT_PRIME = "next_prime"


def draw_and_write(fn, length, seed, folder):
    start = time.process_time()
    load(DataSpec(function=fn, length=length, seed=seed), folder)
    return time.process_time() - start


def next_primes(length, seed):
    starts = to_numbers(uniform_digits(RandomState(seed), length, PRIMES))
    start = time.process_time()
    for number in starts:
        gmpy2.next_prime(number)
    return time.process_time() - start


def measure(functions, rounds):
    """Returns median CPU seconds by task (or NEXT_PRIME) and length."""
    seconds = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for fn in functions:  # the first call loads libraries and is not counted
            draw_and_write(fn, min(lengths_of(fn)), -1, Path(folder))
        for seed in range(rounds):
            if any(SUITE[fn].kind == "decimal" for fn in functions):
                for length in LENGTHS:
                    seconds[NEXT_PRIME, length].append(next_primes(length, seed))
            for fn in functions:
                for length in lengths_of(fn):
                    seconds[fn, length].append(draw_and_write(fn, length, seed, Path(folder)))
    return {key: statistics.median(values) for key, values in seconds.items()}


def lengths_of(fn):
    return OWN_LENGTHS.get(fn, LENGTHS)


def print_table(functions, medians):
    print("task      L     CPU s  published  times faster  next_prime  ratio")
    for fn in functions:
        for i, length in enumerate(lengths_of(fn)):
            used = medians[fn, length]
            row = f"{fn:6} {length:>4} {used:9.4f}"
            if fn in PUBLISHED:
                row += f" {PUBLISHED[fn][i]:10.2f} {PUBLISHED[fn][i] / used:13.0f}"
            if SUITE[fn].kind == "decimal":
                bare = medians[NEXT_PRIME, length]
                row = f"{row:45} {bare:11.4f} {used / bare:6.2f}"
            print(row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", nargs="+", default=list(SUITE), choices=list(SUITE))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print_table(arguments.functions, measure(arguments.functions, arguments.rounds))


if __name__ == "__main__":
    main()
