"""What a sweep costs beyond its trainings: CPU time of tiny jobs beyond the first.

    python benchmarks/sweep_overhead.py              # half a minute on an idle machine

A job trains one layer for one epoch on the CPU. One process does everything in turn, once all is
imported: the command with one job, the command with 20 jobs, and 20 times `learn`, the training
alone. The difference of the first two is what further jobs cost. The numbers are medians of rounds.
The first line is the whole command with 20 jobs in a process of its own, imports included.
"""

import contextlib
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

GRID = """
experiment_name: tiny
results_root: results
base_args: {{n_layer: 1, n_head: 2, n_embd: 16, n_epochs: 1, train_set_size: 20, test_set_size: 40,
            lr: 1e-4, precision: fp32, device: cpu, batch_size: 20, sequence_length: 12}}
grid:
  seed: {seeds}
"""
JOBS, ROUNDS = 20, 5


def whole() -> float:
    """CPU seconds of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "grid.yaml").write_text(GRID.format(seeds=list(range(JOBS))))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "llm_erm", "sweep", "grid.yaml"],
            cwd=folder,
            capture_output=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sweep(count: int) -> float:
    """CPU seconds of a sweep of so many jobs, in an empty folder."""
    from llm_erm.cli.main import main

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("grid.yaml").write_text(GRID.format(seeds=list(range(count))))
        started = time.process_time()
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            try:
                main(["sweep", "grid.yaml"])
            except SystemExit as ended:
                if ended.code:
                    raise
        return time.process_time() - started


def training(count: int) -> float:
    """CPU seconds of such trainings, without their folders, files and data."""
    from llm_erm.tasks.spec import DataSpec
    from llm_erm.tasks.splits import load
    from llm_erm.training.learn import learn
    from llm_erm.training.settings import TrainingSettings

    settings = TrainingSettings(
        n_layer=1, n_head=2, n_embd=16, n_epochs=1, lr=1e-4, precision="fp32", device="cpu"
    )
    spec = DataSpec(function="fn_a", length=12, train_size=20, val_size=0, test_size=40)
    with tempfile.TemporaryDirectory() as folder:
        splits = load(spec, Path(folder))
        started = time.process_time()
        for _ in range(count):
            learn(splits, settings)
        return time.process_time() - started


def main() -> None:
    print(f"{JOBS} jobs in a process of their own: {whole():.1f} s of CPU")
    sweep(2)
    further, alone = [], []
    for _ in range(ROUNDS):
        further.append((sweep(JOBS) - sweep(1)) / (JOBS - 1))
        alone.append(training(JOBS) / JOBS)
    job, learned = statistics.median(further), statistics.median(alone)
    rest = statistics.median(a - b for a, b in zip(further, alone, strict=True))
    print(
        f"a further job: {1e3 * job:.0f} ms of CPU, of which training takes {1e3 * learned:.0f} ms "
        f"and the sweep {1e3 * rest:.0f} ms (medians of {ROUNDS})"
    )


if __name__ == "__main__":
    main()
