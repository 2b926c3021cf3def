"""What a sweep costs beyond its trainings: CPU time of 20 and of 40 tiny jobs.

    python benchmarks/sweep_overhead.py              # two minutes on an idle machine
    python benchmarks/sweep_overhead.py --jobs 2     # in two processes

A job trains one layer for one epoch on the CPU. All CPU time is counted, that of processes that a
sweep starts included. The difference between 40 and 20 jobs is what one more job costs; training
alone is the same job's `learn`, timed in a process of its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GRID = """
experiment_name: tiny
results_root: results
base_args: {{n_layer: 1, n_head: 2, n_embd: 16, n_epochs: 1, train_set_size: 20, test_set_size: 40,
            lr: 1e-4, precision: fp32, device: cpu, batch_size: 20, sequence_length: 12}}
grid:
  seed: {seeds}
"""


def sweep(count: int, at_a_time: int) -> tuple[float, float]:
    """CPU and wall seconds of a sweep of so many jobs, in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "grid.yaml").write_text(GRID.format(seeds=list(range(count))))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "llm_erm", "sweep", "grid.yaml", "--jobs", str(at_a_time)],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall


def training(count: int = 20) -> float:
    """CPU seconds of one such training after the first, its folder and files left out."""
    os.environ["OMP_NUM_THREADS"] = "1"
    from llm_erm.tasks.spec import DataSpec
    from llm_erm.tasks.splits import load
    from llm_erm.training.learn import learn
    from llm_erm.training.settings import Settings

    settings = Settings(
        n_layer=1, n_head=2, n_embd=16, n_epochs=1, lr=1e-4, precision="fp32", device="cpu"
    )
    spec = DataSpec(function="fn_a", length=12, train_size=20, val_size=0, test_size=40)
    with tempfile.TemporaryDirectory() as folder:
        splits = load(spec, Path(folder))
        learn(splits, settings)
        before = time.process_time()
        for _ in range(count):
            learn(splits, settings)
        return (time.process_time() - before) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1, help="jobs at a time")
    parser.add_argument(
        "--repeats", type=int, default=3, help="sweeps, of which the fastest counts"
    )
    arguments = parser.parse_args()
    spent = {}
    for count in (20, 40):
        spent[count], wall = min(sweep(count, arguments.jobs) for _ in range(arguments.repeats))
        print(f"{count} jobs: {spent[count]:.1f} s of CPU, {wall:.1f} s", flush=True)
    per_job = (spent[40] - spent[20]) / 20
    alone = training()
    print(
        f"one more job: {per_job * 1e3:.0f} ms of CPU, of which training takes {alone * 1e3:.0f} "
        f"ms and the sweep {(per_job - alone) * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
