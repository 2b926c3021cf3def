"""Measures how much longer training takes with checkpoints: python benchmarks/checkpoint_cost.py.

Trains a model of 400 M weights on one GPU, without checkpoints and with one every 20 epochs, and
prints the seconds from the first evaluation to the last, which leave out the start of the process.
Several sources compare versions of this package.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SHAPE = ("--n_layer", "32", "--n_head", "16", "--n_embd", "1024")
DATA = ("--train_set_size", "200", "--test_set_size", "200", "--sequence_length", "50")


def seconds(source: Path, epochs: int, every: int | None) -> tuple[float, int]:
    """Seconds of a training with the package in ``source``, and the number of weights."""
    with tempfile.TemporaryDirectory() as place:
        words = [*("--target_func", "fn_a", *SHAPE, *DATA, "--batch_size", "20")]
        words += ["--n_epochs", str(epochs), "--eval_every", str(epochs), "--results_path", place]
        words += ["--dataset-dir", str(Path(place) / "data")]
        words += [] if every is None else ["--checkpoint_every", str(every)]
        command = [sys.executable, "-m", "llm_erm", "train", *words]
        path = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
        (path,) = Path(place).rglob("results.jsonl")
        (result,) = [json.loads(line) for line in path.read_text().splitlines()]
        curve = result["facts"]["curve"]
        return curve[-1]["seconds"] - curve[0]["seconds"], result["facts"]["parameters"]


def main() -> None:
    """Prints one line per training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=400, help="of 10 steps each")
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--source", nargs="+", type=Path, default=[Path("src")])
    asked = parser.parse_args()
    seconds(asked.source[0], 20, None)  # fills the caches of compiled kernels
    for source, every in [(asked.source[0], None), *((path, asked.every) for path in asked.source)]:
        took, weights = seconds(source, asked.epochs, every)
        print(f"{source}, checkpoints {every}: {took:.1f} s, {weights:,} weights", flush=True)


if __name__ == "__main__":
    main()
