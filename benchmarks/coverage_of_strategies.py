"""Whether the bound at K holds for every strategy: python benchmarks/coverage_of_strategies.py.

Prints a Markdown table. A search is simulated with the strategies themselves, their prompts
included: a made-up model reads the programs in its prompt and changes one of them. Every program
has a set of flaws, and errs on an example that one of its flaws hits. All flaws hit equally often,
so all programs have the same true error, just above what the bound at K says of no validation
errors, where it fails most often. Feedback makes the training errors fewer, and nothing better.

The last row is what a strategy must not do: it tells the model how programs do on validation data.
"""

import argparse
import re
import sys
import time
from dataclasses import dataclass

import numpy as np

from llm_erm.erm.bounds import certify
from llm_erm.llms.llm import Request
from llm_erm.mistakes import Mistake
from llm_erm.records import Candidate, Verdict
from llm_erm.synthesis.feedback import Tried
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import STRATEGIES
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

EXAMPLES = 100
"""Training examples, and as many validation examples."""
FLAWS = 8
JUST = 1 + 1e-6
HALF = Dataset(("0", "1"), (0, 1))
SPLITS = Splits(
    DataKey("fn_a", 1, 0), "binary", HALF, HALF, lambda: HeldOut(HALF), independent=True
)
_SHOWN = re.compile(r"# flaws ([\d ]+)")


@dataclass
class Search:
    """One simulated search: which examples each flaw hits, and the model that combines flaws."""

    rng: np.random.Generator
    rate: float

    def __post_init__(self):
        self.hits = {}

    def program(self, prompt):
        """Returns the flaws of the model's next program: a shown one with another flaw, or new."""
        shown = _SHOWN.findall(prompt)
        if not shown:
            return tuple(self.rng.integers(2**40, size=FLAWS).tolist())
        flaws = [int(flaw) for flaw in shown[-1].split()]
        flaws[self.rng.integers(FLAWS)] = int(self.rng.integers(2**40))
        return tuple(flaws)

    def wrong(self, flaws):
        """Returns which of the training and validation examples a program gets wrong."""
        for flaw in flaws:
            if flaw not in self.hits:
                self.hits[flaw] = self.rng.random(2 * EXAMPLES) < self.rate
        return np.any([self.hits[flaw] for flaw in flaws], axis=0)


def told(index, source, wrong):
    """Returns what a strategy is told of a program that is wrong on some of the examples."""
    errors = int(wrong.sum())
    verdict = Verdict("ok", len(wrong) - errors, 0, len(wrong))
    mistakes = tuple(Mistake(str(i), 0, 1) for i in np.flatnonzero(wrong)[:20])
    return Tried(index, Candidate(source), verdict, mistakes)


def least(search, make, budget, *, leaks=False):
    """Returns the validation errors of the selected program, and the training errors."""
    request = Request("the prompt", indices=range(1, budget + 1))
    strategy = make(request, SynthesisSettings(budget))
    history, found = [], []
    while (wanted := strategy.ask(history)) is not None:
        index = wanted.indices[0]
        flaws = search.program(wanted.prompt)
        wrong = search.wrong(flaws)
        train, validation = wrong[:EXAMPLES], wrong[EXAMPLES:]
        source = f"# flaws {' '.join(map(str, flaws))}"
        history.append(told(index, source, validation if leaks else train))
        found.append((int(validation.sum()), int(train.sum())))
        if found[-1][0] == 0:
            break  # as a search does
    return min(found)


def covered(rng, make, budget, runs, *, leaks=False):
    """Returns how often the bound holds, and the mean training errors of what was selected."""
    bounds = [
        certify(
            SPLITS, None, validation=Verdict("ok", EXAMPLES - k, 0, EXAMPLES), budget=budget
        ).validation.error_upper_bound
        for k in range(EXAMPLES + 1)
    ]
    truth = bounds[0] * JUST
    rate = 1 - (1 - truth) ** (1 / FLAWS)
    found = [least(Search(rng, rate), make, budget, leaks=leaks) for _ in range(runs)]
    held = np.mean([bounds[validation] >= truth for validation, _ in found])
    return held, np.mean([train for _, train in found])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="runs per setting (default: 4,000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    started = time.process_time()
    print("| strategy | K | nominal | covered | training errors of the selected program | runs |")
    print("|---|---|---|---|---|---|")
    for budget in (5, 64):
        runs = options.runs
        for name, make, leaks in (
            *((name, make, False) for name, make in STRATEGIES.items()),
            ("population by validation errors (not allowed)", STRATEGIES["population"], True),
        ):
            held, errors = covered(rng, make, budget, runs, leaks=leaks)
            print(
                f"| {name} | {budget} | 95 % | {100 * held:.1f} % | {errors:.1f} | {runs:,} |",
                flush=True,
            )
    print(f"\n{time.process_time() - started:.0f} CPU seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
