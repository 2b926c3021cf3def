"""Compares training speed on one GPU with a plain implementation of the published settings.

    python benchmarks/training_speed.py steps      # steps, evaluation, loss curves: about 6 minutes
    python benchmarks/training_speed.py published  # the whole published run, cold and warm caches

The published settings: the Qwen3-1.7B shape from scratch (1.41 B weights), L = 50, AdamW, 32-bit
weights under bf16 autocast. The plain implementation is eager, uses gradient checkpointing, and
evaluates 20 examples at a time. `steps` writes its results to build/training_speed.json, from which
`published` computes how long the whole run takes in the plain implementation (12 minutes or more).
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from llm_erm.training.architectures import from_scratch
from llm_erm.training.encoding import Encoded
from llm_erm.training.engine import Speedups, TrainingEngine
from llm_erm.training.optimizers import learning_rate
from llm_erm.training.settings import TrainingSettings

FIGURES = Path("build/training_speed.json")
PEAK = 793e12  # bf16 FLOP/s that a large matrix product reaches on this kind of GPU
LENGTH = 50
STEPS, EPOCHS, TRAIN, TEST = 2000, 200, 200, 10_000
PUBLISHED = TrainingSettings()
DEVICE = torch.device("cuda")

PLANS = {
    "compiled layers": Speedups(compiled=True, mixed=False, graph=False),
    "… and bf16 matrices": Speedups(compiled=True, mixed=True, graph=False),
    "… and a CUDA graph (in use)": Speedups(compiled=True, mixed=True, graph=True),
}


def batch(rows: int, seed: int) -> Encoded:
    """Bit strings with their parity; a first token precedes the bits."""
    random = torch.Generator().manual_seed(seed)
    bits = torch.randint(0, 2, (rows, LENGTH), generator=random)
    tokens = torch.cat([torch.full((rows, 1), 2), bits], dim=1)
    parts = tokens, torch.full((rows,), LENGTH), (bits.sum(1) % 2).float()
    return Encoded(*(part.to(DEVICE) for part in parts))


def initial(settings: TrainingSettings):
    torch.manual_seed(settings.seed)
    with DEVICE:
        return from_scratch(settings, 3, LENGTH + 2)


def free() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def timed(work, count: int) -> float:
    """Seconds for one of `count` calls, after the device has finished."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(count):
        work()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / count


class Plain:
    """The published settings in a plain implementation."""

    def __init__(self, settings: TrainingSettings, checkpointing: bool = True) -> None:
        self.model = initial(settings)
        backbone = self.model.backbones[0]
        backbone.config._attn_implementation = "sdpa"
        if checkpointing:
            backbone.gradient_checkpointing_enable()
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    def step(self, part: Encoded, rate: float) -> torch.Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            logits = self.model(part.tokens, part.last)
            loss = binary_cross_entropy_with_logits(logits, part.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self, data: Encoded, size: int) -> float:
        self.model.eval()
        right = 0.0
        for rows in torch.arange(len(data), device=DEVICE).split(size):
            part = data.rows(rows)
            with torch.autocast("cuda", dtype=torch.bfloat16):
                logits = self.model(part.tokens, part.last)
            right += ((logits >= 0) == (part.labels > 0.5)).float().sum().item()
        self.model.train()
        return right / len(data)


def report(name: str, seconds: float, rows: int, weights: int, *, training: bool = True) -> None:
    flops = (6 if training else 2) * weights * rows * (LENGTH + 1)
    print(
        f"  {name:34} {seconds * 1e3:8.1f} ms  {rows / seconds:8.0f} samples/s  "
        f"{flops / seconds / PEAK:6.1%} of {PEAK / 1e12:.0f} TFLOP/s",
        flush=True,
    )


def measure_plain(settings: TrainingSettings, sizes: tuple[int, ...], figures: dict) -> list[float]:
    start = time.perf_counter()
    plain = Plain(settings)
    torch.cuda.synchronize()
    figures["plain_build"] = time.perf_counter() - start
    weights = figures["weights"] = sum(p.numel() for p in plain.model.parameters())
    losses = curve(plain.step, settings)
    for size in sizes:
        data = batch(size, 1)
        timed(partial(plain.step, data, 0.0), 3)
        seconds = timed(partial(plain.step, data, 0.0), 10)
        figures[f"plain_step_{size}"] = seconds
        report(f"plain, batch {size}", seconds, size, weights)
    data = batch(1000, 2)
    plain.evaluate(data, 20)
    seconds = timed(partial(plain.evaluate, data, 20), 1) / 1000
    figures["plain_evaluation"] = seconds
    report("plain, evaluation at batch 20", seconds * 20, 20, weights, training=False)
    return losses


def curve(step, settings: TrainingSettings, count: int = 200) -> list[float]:
    """Losses of the published run's first steps: ten batches of twenty, repeated."""
    batches = [batch(20, seed) for seed in range(100, 110)]
    losses = []
    for i in range(count):
        rate = learning_rate(i, STEPS, settings.lr, settings.eta_min)
        losses.append(step(batches[i % 10], rate).clone())
    return torch.stack(losses).tolist()


def measure_ours(
    settings: TrainingSettings,
    speedups: Speedups,
    name: str,
    size: int,
    figures: dict,
    *,
    losses: bool = False,
) -> list[float]:
    start = time.perf_counter()
    model = initial(settings)
    weights = sum(p.numel() for p in model.parameters())
    engine = TrainingEngine(model, settings, DEVICE, speedups)
    data = batch(size, 1)
    found = curve(engine.step, settings) if losses else []
    engine.step(data, 0.0)
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    timed(partial(engine.step, data, 0.0), 6)
    seconds = timed(partial(engine.step, data, 0.0), 30 if size < 100 else 10)
    figures[f"{name}, batch {size}"] = seconds
    report(f"{name}, batch {size}", seconds, size, weights)
    if not losses:
        print(f"    (built, compiled and one step: {first:.1f} s)", flush=True)
    return found


def measure_evaluation(settings: TrainingSettings, figures: dict) -> None:
    plan = PLANS["… and a CUDA graph (in use)"]
    for size in (125, 250, 500, 1000):
        engine = TrainingEngine(
            initial(settings), replace(settings, eval_batch_size=size), DEVICE, plan
        )
        weights = sum(p.numel() for p in engine.model.parameters())
        data = batch(5000, 2)
        engine.predict(data)
        seconds = timed(partial(engine.predict, data), 2) / 5000
        figures[f"evaluation, batch {size}"] = seconds
        report(f"evaluation at batch {size}", seconds * size, size, weights, training=False)
        del engine
        free()


def steps(arguments: argparse.Namespace) -> None:
    settings = smaller(arguments)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    figures: dict = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    expected = measure_plain(settings, (20, 200), figures)
    free()
    plain = Plain(settings, checkpointing=False)
    data = batch(20, 1)
    timed(partial(plain.step, data, 0.0), 3)
    seconds = timed(partial(plain.step, data, 0.0), 10)
    figures["plain_without_checkpointing_20"] = seconds
    report("plain without checkpointing", seconds, 20, figures["weights"])
    del plain
    free()
    for name, plan in PLANS.items():
        measure_ours(settings, plan, name, 20, figures)
        free()
    used = list(PLANS)[-1]
    measure_ours(settings, PLANS[used], used, 200, figures)
    free()
    measure_evaluation(settings, figures)
    found = measure_ours(settings, PLANS[used], used, 20, figures, losses=True)
    free()
    print("Loss at the first steps of the published run, plain and as in use:")
    for i in (*range(0, 10, 3), *range(19, len(found), 20)):
        print(f"  step {i + 1:4}  {expected[i]:.4f}  {found[i]:.4f}")
    means = [
        abs(sum(expected[i : i + 10]) - sum(found[i : i + 10])) / 10
        for i in range(0, len(found), 10)
    ]
    print(f"Largest difference between means over an epoch: {max(means):.4f}")
    figures["plain_losses"], figures["losses"] = expected, found
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1))
    if arguments.profile:
        profile(settings)


def profile(settings: TrainingSettings) -> None:
    """Time of a step and of an evaluation, by kernel."""
    for graph, size in ((False, 20), (False, 200)):
        engine = TrainingEngine(
            initial(settings), settings, DEVICE, Speedups(compiled=True, mixed=True, graph=graph)
        )
        data = batch(size, 1)
        for _ in range(4):
            engine.step(data, 0.0)
        engine.predict(batch(500, 2))
        kinds = [torch.profiler.ProfilerActivity.CUDA]
        for name, work in (
            (f"step at batch {size}", partial(engine.step, data, 0.0)),
            ("evaluation of 500", partial(engine.predict, batch(500, 2))),
        ):
            with torch.profiler.profile(activities=kinds) as found:
                work()
                torch.cuda.synchronize()
            print(name)
            print(
                found.key_averages().table(
                    sort_by="cuda_time_total", row_limit=18, max_name_column_width=70
                )
            )
        del engine
        free()


def published(arguments: argparse.Namespace) -> None:
    """The whole published run, with an empty and with a filled compile cache."""
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        caches = {
            "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/inductor",
            "TRITON_CACHE_DIR": f"{scratch}/triton",
        }
        for name in ("cold", "warm"):
            start = time.perf_counter()
            done = subprocess.run(
                [*command(arguments), "--results_path", f"{scratch}/{name}"],
                env=os.environ | caches,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            seconds[name] = time.perf_counter() - start
            result = json.loads(done.stdout.splitlines()[-1])
            times = [round(point["seconds"], 1) for point in result["facts"]["curve"]]
            train, test = (result[name]["accuracy"] for name in ("train", "test"))
            print(
                f"whole run, {name} caches: {seconds[name]:.1f} s (training and evaluation "
                f"{result['seconds']:.1f} s; evaluations done after {times} s); training accuracy "
                f"{train:.4f}, test accuracy {test:.4f}",
                flush=True,
            )
    if not FIGURES.exists():
        print("Run `steps` before, for the plain form's time.")
        return
    figures = json.loads(FIGURES.read_text())
    start_up = seconds["warm"] - result["seconds"]  # the same interpreter, imports and data
    evaluations = 3 * (TRAIN + TEST) * figures["plain_evaluation"]
    plain = STEPS * figures["plain_step_20"] + evaluations + start_up + figures["plain_build"]
    print(
        f"whole run in plain form, worked out from {figures['device']}: {plain:.0f} s "
        f"({STEPS} steps of {figures['plain_step_20'] * 1e3:.0f} ms, three evaluations of "
        f"{evaluations / 3:.1f} s, {start_up:.0f} s to start)"
    )
    for name, value in seconds.items():
        print(f"faster with {name} caches: {plain / value:.1f} times")


def command(arguments: argparse.Namespace) -> list[str]:
    """The published command, or this file's `one` if the command's packages are not installed."""
    if all(map(find_spec, ("tyro", "rich", "gmpy2", "scipy", "sympy", "matplotlib"))):
        python = [sys.executable, "-m", "llm_erm", "train", "--target_func", "fn_a", "--json"]
        small = ["--n_layer", "2"] * arguments.small
        return [*python, *small, "--dataset_dir", tempfile.mkdtemp()]
    print("No packages of the command line here: the run without it, on data drawn here.")
    return [sys.executable, __file__, "one", *["--small"] * arguments.small]


def one(arguments: argparse.Namespace) -> None:
    """The published run without the command line."""
    import numpy as np

    from llm_erm.serial import to_json
    from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits
    from llm_erm.training.learn import learn

    bits = np.random.RandomState(42).randint(0, 2, size=(4 * (TRAIN + TEST), LENGTH))
    classes = [bits[bits.sum(1) % 2 == label] for label in (0, 1)]

    def part(first: int, last: int) -> Dataset:
        pairs = zip(*(rows[first:last] for rows in classes), strict=True)
        inputs = ["".join(map(str, x)) for pair in pairs for x in pair]
        return Dataset(tuple(inputs), (0, 1) * (len(inputs) // 2))

    test = part(TRAIN // 2, (TRAIN + TEST) // 2)
    splits = Splits(
        key=DataKey("fn_a", LENGTH, 42),
        kind="binary",
        train=part(0, TRAIN // 2),
        validation=Dataset((), ()),
        reveal=lambda: HeldOut(test),
    )
    print(to_json(learn(splits, smaller(arguments), folder=Path(arguments.results_path))))


def smaller(arguments: argparse.Namespace) -> TrainingSettings:
    return replace(PUBLISHED, n_layer=2) if arguments.small else PUBLISHED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("steps", "published", "one"))
    parser.add_argument("--profile", action="store_true", help="also show the slowest kernels")
    parser.add_argument("--results_path", help="for `one`")
    parser.add_argument("--small", action="store_true", help="two layers, to try the script")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("This benchmark needs a CUDA GPU, but none was found.")
        return
    {"steps": steps, "published": published, "one": one}[arguments.what](arguments)


if __name__ == "__main__":
    main()
