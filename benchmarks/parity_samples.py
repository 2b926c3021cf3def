"""Samples that online mini-batch coordinate SGD needs to learn a planted k-parity of n bits.

    python benchmarks/parity_samples.py        # about two minutes; writes build/parity_samples.png

The model is linear in all parities of k bits, so the planted parity is a single weight. A step
draws fresh examples and changes one random weight by its gradient rounded to 1/4. Until the right
weight is drawn, nothing reveals where it is, so the number of steps to success is geometric with
mean C(n, k), as the lower bound of arXiv 2510.14331 says about this learner for any model. The
length of a program that computes the parity grows only with k log n.
"""

import argparse
import math
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from llm_erm.tasks.distinct import shuffled
from llm_erm.tasks.stream import stream
from llm_erm.tasks.suite import planted_parity
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits
from llm_erm.training.learn import learn
from llm_erm.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    model="parities",
    optimizer="coordinate-sgd",
    online=True,
    batch_size=256,  # of other parities, gradients reach 1/8 with probability 6e-5
    lr=10.0,
    eta_min=10.0,
    gradient_tolerance=0.25,
    eval_every=10**9,
    patience=1,
    precision="fp32",
    device="cpu",
)


def samples_to_success(n: int, k: int, seed: int) -> int | None:
    """Returns how many fresh examples were drawn until a whole further batch was correct."""
    task = planted_parity(f"parity_{k}", f"parity_{k}", k)
    rng = np.random.RandomState(seed)
    sizes = (SETTINGS.batch_size, 200)  # an epoch is one step
    train, test = (shuffled(rng, *task.draw(rng, n, (size // 2, size // 2))) for size in sizes)
    key = DataKey(task.id, n, seed)
    splits = Splits(key, task.kind, train, Dataset((), ()), lambda: HeldOut(test))
    settings = replace(SETTINGS, degree=k, seed=seed, n_epochs=20 * math.comb(n, k) + 100)
    run = learn(splits, settings, fresh=partial(stream, task, task.draw, n, seed))
    assert run.test is not None
    return run.facts.samples if run.test.accuracy == 1.0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[12, 16, 20, 24])
    parser.add_argument("--degrees", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", type=Path, default=Path("build/parity_samples.png"))
    arguments = parser.parse_args()
    sets, means = [], []
    print(f"{'n':>3} {'k':>2} {'C(n, k)':>8} {'solved':>7} {'mean samples':>13} {'/ C(n, k)':>10}")
    for k in arguments.degrees:
        for n in arguments.lengths:
            found = [samples_to_success(n, k, seed) for seed in range(arguments.seeds)]
            solved = [samples for samples in found if samples is not None]
            size = math.comb(n, k)
            if solved:
                sets.append(size)
                means.append(statistics.mean(solved))
            mean = statistics.mean(solved) if solved else math.nan
            print(
                f"{n:>3} {k:>2} {size:>8} {len(solved):>4}/{arguments.seeds:<2} {mean:>13,.0f} "
                f"{mean / size:>10.0f}",
                flush=True,
            )
    slope, level = np.polyfit(np.log(sets), np.log(means), 1)
    print(f"samples ≈ {math.exp(level):.0f} · C(n, k)^{slope:.2f}")
    plot(sets, means, slope, arguments.picture)


def plot(sets: list[int], means: list[float], slope: float, path: Path) -> None:
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(6, 4), layout="constrained")).subplots()
    axes.loglog(sets, means, "o", label=f"coordinate SGD (slope {slope:.2f})")
    ends = np.array([min(sets), max(sets)])
    axes.loglog(ends, SETTINGS.batch_size * ends, ":", color="gray", label="batch · C(n, k)")
    axes.set(xlabel="C(n, k)", ylabel="fresh examples to success")
    axes.legend()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=120)
    print(f"Picture: {path}")


if __name__ == "__main__":
    main()
