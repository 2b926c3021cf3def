"""How often each printed bound and interval holds: python benchmarks/coverage_of_bounds.py.

Prints a Markdown table. Every row draws data with known true values, computes what the program
would print for them, and counts how often that is true. Settings are chosen to be as unfavourable
as is known. A row with several settings gives the one that is covered least.
"""

import argparse
import io
import json
import math
import sys
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from llm_erm.cli.bound import Options, bound
from llm_erm.cli.results import trial_lines
from llm_erm.erm.binomial import binomial_interval
from llm_erm.erm.bounds import certify
from llm_erm.erm.trials import difference_of_shares, mean_over_trials, pass_at
from llm_erm.facts import BaselineFacts, SynthesisFacts
from llm_erm.incontext.learn import differs_from_chance
from llm_erm.records import Result, Verdict
from llm_erm.reports.comparison import compare, verdicts
from llm_erm.reports.curves import curves, guarantee
from llm_erm.reports.results import Entry
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

DELTA = 0.05
HALF = Dataset(("0", "1"), (0, 1))
SPLITS = Splits(
    DataKey("fn_a", 1, 0), "binary", HALF, HALF, lambda: HeldOut(HALF), independent=True
)
CHEAP = 25
"""How many times as many runs are drawn where a run costs almost nothing."""
JUST = 1 + 1e-6
"""True errors are just above what a bound says, where it fails most often."""


@dataclass(frozen=True)
class Line:
    """How often something held in one setting."""

    what: str
    setting: str
    nominal: str
    covered: float
    runs: int

    def __str__(self) -> str:
        share = f"{100 * self.covered:.1f} %"
        return f"| {self.what} | {self.setting} | {self.nominal} | {share} | {self.runs:,} |"


def verdict(errors, total):
    return Verdict("ok", total - int(errors), 0, total)


def result(correct, total, trial=0, learner="knn", counted=None, exact=None):
    """A learner's result with these test counts, certified from all or from a sample of them."""
    right, of = counted or (correct, total)
    return Result(
        method=f"baseline:{learner}",
        model=learner,
        data=DataKey("fn_a", 20, 0, trial, str(trial)),
        examples=200,
        test=verdict(total - correct, total),
        contrast=None if exact is None else verdict(0 if exact else 1, 10),
        certificate=certify(SPLITS, verdict(of - right, of)),
        seconds=1.0,
        facts=BaselineFacts(learner, {}, ()),
    )


def errors_of_halves(rng, error, total, size=None):
    """Errors where the two classes' rates differ as much as they can, half of the examples each."""
    first = np.minimum(2 * error, 1)
    second = np.maximum(2 * error - 1, 0)
    return rng.binomial(total // 2, first, size) + rng.binomial(total // 2, second, size)


def of_one_program(rng, runs):
    """The interval of one trial, in `compare`, `baselines` and `figure`, by its accuracy."""
    runs *= CHEAP
    for total in (100, 1000, 10_000):
        held = {}
        for truth in (0.5, 0.7, 0.95, 0.99, 1 - 3 / total, 1 - 0.1 / total):
            errors = rng.binomial(total, 1 - truth, runs)
            known = {e: compare([result(total - e, total)])[0].interval for e in set(errors)}
            held[truth] = np.mean([known[e][0] <= truth <= known[e][1] for e in errors])
        yield Line(
            "accuracy of what one trial learned (`compare`, `baselines`, `figure`, `incontext`)",
            f"{total:,} test examples, six accuracies from 50 % to almost 100 %",
            "95 %",
            min(held.values()),
            runs,
        )
    held = {}
    for truth in (0.5, 0.9, 0.99, 0.999):
        right = rng.binomial(10_000, truth, runs)
        sampled = rng.hypergeometric(right, 10_000 - right, 1000)
        known = {k: compare([result(k, 1000)])[0].interval for k in set(sampled)}
        held[truth] = np.mean([known[k][0] <= truth <= known[k][1] for k in sampled])
    yield Line(
        "the same, of a program",
        "1,000 of 10,000 test inputs ran alone, four accuracies",
        "95 %",
        min(held.values()),
        runs,
    )


def of_test(rng, runs):
    runs *= 10 * CHEAP
    for rivals in (1, 5):
        held = {}
        for errors in (0, 1, 5, 50):
            rows = compare([result(1000 - errors, 1000, 0, f"{i}") for i in range(rivals)])
            truth = rows[0].error_at_most * JUST
            wrong = errors_of_halves(rng, truth, 1000, (runs, rivals))
            held[errors] = np.mean(~(wrong <= errors).any(axis=1))
        yield Line(
            "test bound (`compare`: for all methods of a task at once)",
            f"{rivals} method{'s' if rivals > 1 else ''}, 1,000 test examples, true errors just "
            "above the bound at 0, 1, 5 and 50 errors, all in one class",
            "95 %",
            min(held.values()),
            runs,
        )
    held = []
    for _ in range(runs // (10 * CHEAP)):
        errors = np.array([0.0, 0.0, 0.004])
        entries = [
            result(1000 - int(rng.binomial(1000, error)), 1000, trial)
            for trial, error in enumerate(errors)
        ]
        held.append(compare(entries)[0].error_at_most >= errors.max())
    yield Line(
        "the same over several trials, for the worst of them",
        "3 trials, one with 0.4 % errors, 1,000 test examples",
        "95 %",
        np.mean(held),
        len(held),
    )


def searched(rng, errors, early_stop, examples=100):
    """Validation errors and true errors of the selected among K candidates, in each run."""
    wrong = np.where(
        rng.random((len(errors), 1)) < 0.5,
        np.stack([errors_of_halves(rng, column, examples) for column in errors.T], axis=1),
        together(rng, errors, examples),
    )
    if early_stop:
        stopped = np.cumsum(wrong == 0, axis=1) > 0
        later = np.concatenate([np.zeros((len(errors), 1), bool), stopped[:, :-1]], axis=1)
        wrong = np.where(later, examples + 1, wrong)
    # Ties go to the worse candidate, which no rule for ties can undercut.
    best = np.lexsort((-errors, wrong), axis=1)[:, 0]
    rows = np.arange(len(errors))
    return wrong[rows, best], errors[rows, best]


def together(rng, errors, examples):
    """Errors of candidates that fail on the same examples as far as their rates allow."""
    found = np.zeros(errors.shape, int)
    for _ in range(examples):
        found += rng.random((len(errors), 1)) < errors
    return found


def of_validation(rng, runs):
    for budget, drawn in ((1, runs * CHEAP), (5, runs * CHEAP), (256, runs * 2)):
        table = np.array(
            [
                certify(
                    SPLITS, None, validation=verdict(k, 100), budget=budget
                ).validation.error_upper_bound
                for k in range(101)
            ]
        )
        worst = np.full((drawn, budget), table[0] * JUST)
        spread = rng.uniform(0, 0.5, (drawn, budget))
        held = []
        for early_stop in (True, False):
            for errors in (worst, spread):
                wrong, truth = searched(rng, errors, early_stop)
                held.append(np.mean(table[wrong] >= truth))
        yield Line(
            "validation bound of the selected candidate",
            f"K = {budget}, m = 100, with and without early stopping, true errors just above the "
            "bound or spread, ties to the worse",
            "95 %",
            min(held),
            drawn,
        )


def of_paper(rng, runs):
    for budget in (5, 256):
        held = []
        for worse in (0.02, 0.05, 0.1, 0.36):
            errors = np.concatenate([np.zeros((runs, 1)), np.full((runs, budget - 1), worse)], 1)
            wrong, truth = searched(rng, errors, early_stop=False)
            bounds = [
                certify(SPLITS, None, validation=verdict(k, 100), budget=budget).paper
                for k in wrong
            ]
            held.append(
                np.mean(
                    [
                        one is None or one.error_upper_bound >= error
                        for one, error in zip(bounds, truth, strict=True)
                    ]
                )
            )
        yield Line(
            "the paper's bound",
            f"K = {budget}, m = 100, one candidate without error, the others equally bad, ties to "
            "the worse",
            "95 %",
            min(held),
            runs,
        )


def code():
    """Lengths in bits of 510 programs in a prefix-free code: 2^b of 2b bits for each b up to 8."""
    return np.repeat(np.arange(1, 9), [2**b for b in range(1, 9)]) * 2.0


def of_occam(rng, runs):
    runs *= CHEAP
    bits = code()
    limits = {
        b: certify(
            SPLITS, None, train=verdict(0, 100), validation=verdict(0, 100), code_bits=b
        ).occam.error_upper_bound
        for b in set(bits)
    }
    errors = np.array([limits[b] for b in bits]) * JUST
    fits = rng.random((runs, bits.size)) < (1 - errors) ** 200
    yield Line(
        "Occam bound, whichever program without errors is chosen",
        "a code of 510 programs, 200 examples, each program's error just above its bound",
        "95 %",
        np.mean(~fits.any(axis=1)),
        runs,
    )
    at = guarantee([Entry(result(100, 100))], bits=8.0)
    place = int(np.argmin(np.abs(np.array(at.examples) - 200)))
    examples, floor = at.examples[place], at.accuracy[place]
    short = bits[bits <= 8]
    error = np.full(short.size - 1, (1 - floor) * JUST)  # the others; the rule itself has no error
    fits = rng.random((runs, error.size)) < (1 - error) ** examples
    yield Line(
        "the guarantee in `figure`",
        f"the rule has 8 bits, {examples:.0f} examples, all other programs of up to 8 bits just "
        "worse than guaranteed",
        "95 %",
        np.mean(~fits.any(axis=1)),
        runs,
    )


def accuracies(rng, kind, shape):
    """Accuracies of trials, and their mean over all trials that could be drawn."""
    name, value = kind
    if name == "exact":  # with this probability, else half right
        return np.where(rng.random(shape) < value, 1.0, 0.5), value + (1 - value) / 2
    if name == "never":  # with this probability wrong everywhere, else exact
        return np.where(rng.random(shape) < value, 0.0, 1.0), 1 - value
    if name == "beta":
        return rng.beta(0.9 * value, 0.1 * value, shape), 0.9
    return np.full(shape, 0.5), 0.5  # alike


MIXTURES = (
    *(("exact", share) for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.98)),
    *(("never", share) for share in (0.02, 0.1, 0.3)),
    *(("beta", size) for size in (0.2, 2, 20)),
    ("alike", 0),
)


def of_trials(rng, runs):
    for trials in (2, 3, 5, 10, 20):
        held = {}
        for kind in MIXTURES:
            drawn, truth = accuracies(rng, kind, (runs, trials))
            correct = rng.binomial(1000, drawn) / 1000
            ends = [mean_over_trials(one) for one in correct.tolist()]
            held[kind] = np.mean([one.low <= truth <= one.high for one in ends])
        yield Line(
            "mean accuracy over all trials (`compare`, `baselines`, `figure`, `synthesize`)",
            f"{trials} trials of 13 kinds: exact with probability 10 to 98 %, else half right; "
            "wrong everywhere with probability 2 to 30 %, else exact; beta-distributed; all alike",
            "95 %",
            min(held.values()),
            runs,
        )


def of_rows(rng, runs):
    """The rows of `compare` and the points of `figure` themselves, for three trials."""
    shown, drawn_curves, shares = [], [], []
    for _ in range(runs):
        exact = rng.random(3) < 0.7
        entries = [
            Entry(result(int(rng.binomial(1000, 1 if e else 0.5)), 1000, trial, exact=bool(e)))
            for trial, e in enumerate(exact)
        ]
        (row,) = compare(entries)
        (curve,) = curves(entries)["fn_a", 20]
        shown.append(row.interval[0] <= 0.85 <= row.interval[1])
        drawn_curves.append(curve.low[0] <= 0.85 <= curve.high[0])
        shares.append(row.exact_interval[0] <= 0.7 <= row.exact_interval[1])
    setting = "3 trials, each exact with probability 70 %, else half right"
    yield Line("rows of `compare`: mean over all trials", setting, "95 %", np.mean(shown), runs)
    yield Line("points of `figure`", setting, "95 %", np.mean(drawn_curves), runs)
    yield Line("rows of `compare`: share of exact trials", setting, "95 %", np.mean(shares), runs)


def of_shares(rng, runs):
    runs *= CHEAP
    for trials in (2, 3, 5, 10, 20, 100):
        held = []
        for truth in (0.02, 0.3, 0.5, 0.7, 0.95, 0.99):
            found = rng.binomial(trials, truth, runs)
            known = {
                k: compare([result(10, 10, t, exact=t < k) for t in range(trials)])[
                    0
                ].exact_interval
                for k in set(found.tolist())
            }
            held.append(np.mean([known[k][0] <= truth <= known[k][1] for k in found]))
        yield Line(
            "share of trials that are exact (`compare`, `synthesize`)",
            f"{trials} trials, six shares from 2 to 99 %",
            "95 %",
            min(held),
            runs,
        )


def of_pass_at(rng, runs):
    for k in (1, 4):
        held = []
        for trials in (2, 3, 10, 20):
            for mean, spread in ((0.1, 0.3), (0.5, 20), (0.9, 20), (0.3, 0.01)):
                a, b = mean / spread, (1 - mean) / spread
                right = rng.binomial(10, rng.beta(a, b, (runs, trials)))
                table = np.array([pass_at(k, r, 10) for r in range(11)])
                truth = 1 - math.exp(
                    math.lgamma(b + k)
                    + math.lgamma(a + b)
                    - math.lgamma(b)
                    - math.lgamma(a + b + k)
                )
                ends = [mean_over_trials(one) for one in table[right].tolist()]
                held.append(np.mean([one.low <= truth <= one.high for one in ends]))
        yield Line(
            f"pass@{k} and the probability that one proposal is right" if k == 1 else f"pass@{k}",
            "2 to 20 trials of 10 proposals, whose chances are alike, differ, or are nearly 0 or 1",
            "95 %",
            min(held),
            runs,
        )


def of_differences(rng, runs):
    """The difference of two strategies' shares of exact searches, in `compare`."""
    for pairs in (3, 10, 40):
        held = {}
        for first, second in ((0.0, 0.0), (0.5, 0.5), (0.9, 0.0), (0.3, 0.1), (0.02, 0.02)):
            rest = max(1 - first - second, 0.0)
            drawn = rng.multinomial(pairs, [first, second, rest], size=runs)
            known = {}
            for one, other, same in set(map(tuple, drawn.tolist())):
                outcomes = [(True, False)] * one + [(False, True)] * other + [(True, True)] * same
                _, low, high = difference_of_shares(outcomes)
                known[one, other, same] = low <= first - second <= high
            held[first, second] = np.mean([known[tuple(one)] for one in drawn.tolist()])
        yield Line(
            "difference of two strategies' shares of exact searches (`compare`)",
            f"{pairs} data sets, five pairs of shares on which only one of them is exact",
            "95 %",
            min(held.values()),
            runs,
        )


def of_all_looks(rng, runs):
    """Ten searches on the same data, each with candidates of its own: does every bound hold?"""
    searches, budget = 10, 5
    for total, name, what in ((100, "validation", budget), (1000, "test", 1)):
        held = {}
        for error in (0.01, 0.05, 0.1, 0.3):
            errors = rng.binomial(total, error, (runs, searches, what)).min(axis=2)
            known = {
                (look, count): getattr(
                    certify(
                        replace(SPLITS, look=look),
                        verdict(count, total),
                        validation=verdict(count, total),
                        budget=budget,
                    ).all_looks,
                    name,
                )
                for look in range(1, searches + 1)
                for count in set(errors[:, look - 1].tolist())
            }
            held[error] = np.mean(
                [
                    all(known[look, int(count)] >= error for look, count in enumerate(run, 1))
                    for run in errors
                ]
            )
        yield Line(
            f"{name} bounds for all results on the same data (`all_looks`, `compare`)",
            f"all of {searches} searches at once, {f'the best of K = {budget} each, ' * (what > 1)}"
            f"{total:,} examples, four true errors from 1 to 30 %",
            "95 %",
            min(held.values()),
            runs,
        )


def of_comparisons(rng, runs):
    """What `compare` concludes from the trials it has."""
    truths = rng.uniform(0.4, 1, (runs, 3, 4))  # trials, methods
    rights = rng.binomial(1000, truths)
    held = []
    for right, truth in zip(rights, truths, strict=True):
        rows = compare(
            [result(int(right[t, m]), 1000, t, str(m)) for t in range(3) for m in range(4)]
        )
        ends = [row.learned_interval for row in rows]
        means = [truth[:, int(row.method[-1])].mean() for row in rows]
        held.append(all(a <= mean <= b for (a, b), mean in zip(ends, means, strict=True)))
    yield Line(
        "accuracy of what these trials learned, of all methods at once (`compare`: not clearly)",
        "4 methods, 3 trials, 1,000 test examples",
        "95 %",
        np.mean(held),
        runs,
    )
    for methods in (2, 8):
        named = []
        for right in rng.binomial(1000, 0.75, (runs, methods)):
            (said,) = verdicts(
                compare([result(int(k), 1000, 0, str(m)) for m, k in enumerate(right)])
            )
            named.append("not clearly" in said or " and " in said)
        yield Line(
            "`compare`: a method is clearly most accurate",
            f"{methods} methods that are equally accurate, independent examples",
            "95 %",
            np.mean(named),
            runs,
        )


GUESSERS = {
    "a coin, all parsed": lambda label, answer: 0.0 * label,
    "60 % of label 1 unparsed": lambda label, answer: 0.6 * (label == 1),
    "unparsed where it says 1": lambda label, answer: 1.0 * (answer == 1),
    "unparsed where it is wrong": lambda label, answer: 1.0 * (answer != label),
    "unparsed where it is right": lambda label, answer: 1.0 * (answer == label),
}


@cache
def differs(right, parsed):
    return differs_from_chance(Verdict("ok", right, 100 - parsed, 100))


@cache
def interval(right, of):
    return binomial_interval(right, of)


def of_chance(rng, runs):
    runs *= CHEAP
    labels = np.tile([0, 1], 50)
    for name, unparsed in GUESSERS.items():
        held = []
        for ones in (0.0, 0.1, 0.5, 0.8, 1.0):
            answers = rng.random((runs, 100)) < ones
            kept = rng.random((runs, 100)) >= unparsed(labels, answers)
            right = ((answers == labels) & kept).sum(axis=1)
            found = [differs(int(r), int(k)) for r, k in zip(right, kept.sum(axis=1), strict=True)]
            held.append(1 - np.mean(found))
        yield Line(
            "`incontext`: no difference from chance is shown",
            f"guesses that are 1 in 0 to 100 % of 100 queries; {name}",
            "95 %",
            min(held),
            runs,
        )
    held = []
    for truth, parsed in ((0.5, 0.3), (0.8, 0.7), (0.99, 0.9)):
        kept = rng.binomial(100, parsed, runs)
        right = rng.binomial(kept, truth)
        ends = [interval(int(r), int(k)) for r, k in zip(right, kept, strict=True)]
        held.append(np.mean([low <= truth <= high for low, high in ends]))
    yield Line(
        "`incontext`: accuracy of the parsed answers",
        "100 queries, of which 30 to 90 % are parsed",
        "95 %",
        min(held),
        runs,
    )


def planned(**flags):
    """What `llm-erm bound` prints, by the name of the bound."""
    text = io.StringIO()
    with redirect_stdout(text):
        bound(Options(**flags, json=True))
    return {row["bound"]: row for row in map(json.loads, text.getvalue().splitlines())}


def of_bound(rng, runs):
    runs *= CHEAP
    rows = planned(budget=20, examples=200, test_examples=500, runs=3, bits=12.0)
    shares = {"validation": 20, "test": 3, "occam": 2**12}
    for name, programs in shares.items():
        limit = rows[name]
        error = limit["error_upper_bound"] * JUST
        fits = rng.random((runs, programs)) < (1 - error) ** limit["examples"]
        yield Line(
            f"`llm-erm bound`: {name}",
            f"{programs:,} programs just above the printed error, none observed in "
            f"{limit['examples']}",
            "95 %",
            np.mean(~fits.any(axis=1)),
            runs,
        )
    rows = planned(budget=20, accuracy=0.95, bits=12.0)
    for name, programs in {"validation": 20, "test": 1, "occam": 2**12}.items():
        needed = rows[name]["examples_needed"]
        fits = rng.random((runs, programs)) < (1 - 0.05 * JUST) ** needed
        yield Line(
            f"`llm-erm bound --accuracy 0.95`: examples by {name}",
            f"{programs:,} program{'s' * (programs > 1)} just below that accuracy, "
            f"{needed:,} examples",
            "95 %",
            np.mean(~fits.any(axis=1)),
            runs,
        )


def of_sentences(rng, runs):
    """The sentences of `synthesize` on trials, read back from their text."""
    held = []
    for _ in range(runs):
        exact = rng.random(4) < 0.7
        results = [
            Result(
                method="synthesis",
                model="m",
                data=DataKey("fn_a", 20, 0, t, str(t)),
                examples=200,
                test=verdict(0 if e else 500, 1000),
                seconds=1.0,
                facts=SynthesisFacts(),
            )
            for t, e in enumerate(exact)
        ]
        line = trial_lines(results)[0]
        low, high = (
            float(part.strip("%"))
            for part in line.split("interval ")[1].split(", ")[0].split(" to ")
        )
        held.append(low <= 85 <= high)
    yield Line(
        "sentence of `synthesize` on the mean test accuracy",
        "4 trials, each exact with probability 70 %, else half right",
        "95 %",
        np.mean(held),
        runs,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4000, help="runs per setting (default: 4,000)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    started = time.process_time()
    print("| what is printed | setting | nominal | covered | runs |")
    print("|---|---|---|---|---|")
    for simulate in (
        *(of_one_program, of_test, of_validation, of_paper, of_occam, of_trials, of_rows),
        *(of_shares, of_pass_at, of_differences, of_sentences, of_comparisons, of_chance),
        *(of_bound, of_all_looks),
    ):
        for line in simulate(rng, options.runs):
            print(line, flush=True)
    print(f"\n{time.process_time() - started:.0f} CPU seconds", file=sys.stderr)


if __name__ == "__main__":
    main()
