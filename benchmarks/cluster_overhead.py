"""What a job on a Ray cluster costs, and what a second node brings.

    python benchmarks/cluster_overhead.py            # some five minutes on two idle cores

The nodes are on this machine, with one CPU each. "Verified" counts the attempts of searches with a
scripted model, whose programs run in the sandboxes of the nodes.
"""

import json
import os
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *sys.path])
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster  # noqa: E402

from fake_method import SPEC, Fake  # noqa: E402
from llm_erm import DataGrid, Synthesis, SynthesisSettings, load, model  # noqa: E402
from llm_erm.runs.cluster import RayCluster  # noqa: E402
from llm_erm.runs.events import Attempted, Finished  # noqa: E402
from llm_erm.runs.executors import Executor, InProcess  # noqa: E402
from llm_erm.runs.run import plan, run  # noqa: E402
from llm_erm.tasks.spec import DataSpec  # noqa: E402

JOBS, SEARCHES, ATTEMPTS, ROUNDS = 300, 8, 20, 3
MANY, PER_JOB = 100_000, 200


@contextmanager
def nodes(count: int) -> Iterator[str]:
    """A cluster of so many nodes of one CPU, and a head without any; yields its address."""
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(count):
        cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


class Clock:
    """Wall and CPU seconds of this process since the first event of a kind, and their number."""

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._times: list[tuple[float, float]] = []

    def __call__(self, job: object, event: object) -> None:
        if isinstance(event, self._kind):
            self._times.append((time.monotonic(), time.process_time()))

    @property
    def each(self) -> tuple[float, float]:
        """Mean wall and CPU seconds from one event to the next."""
        first, last, count = self._times[0], self._times[-1], len(self._times) - 1
        return (last[0] - first[0]) / count, (last[1] - first[1]) / count


def empty_jobs(executor: Executor) -> tuple[float, float]:
    """Wall and CPU seconds of a job that does nothing but report three attempts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notes").mkdir()
        method = Fake(variants=tuple(f"fine-{i}" for i in range(JOBS)), notes=folder / "notes")
        clock = Clock(Finished)
        planned = plan(method, [SPEC], folder / "run", dataset_dir=folder)
        run(planned, executor=executor, observers=[clock])
        return clock.each


def verified(executor: Executor) -> float:
    """Attempts verified per second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = [f"def f(x):\n    return x.count('1') % {n}" for n in range(3, 3 + ATTEMPTS)]
        (folder / "answers.json").write_text(json.dumps(programs))
        method = Synthesis(
            llm=model(f"scripted:{folder / 'answers.json'}"),
            settings=SynthesisSettings(attempts=ATTEMPTS),
        )
        data = DataGrid(
            functions=("fn_a",),
            lengths=(20,),
            num_trials=SEARCHES,
            test_size=100,
            dataset_dir=folder / "data",
        )
        clock = Clock(Attempted)
        run(plan(method, data, folder / "run"), executor=executor, observers=[clock])
        return 1 / clock.each[0]


def resident() -> float:
    """Memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def memory_over(executor: Executor) -> list[float]:
    """Memory of the driver in MiB after each tenth of the attempts of a run."""
    sizes: list[float] = []
    seen = 0

    def watch(job: object, event: object) -> None:
        nonlocal seen
        if isinstance(event, Attempted):
            seen += 1
            if seen % (MANY // 10) == 0:
                sizes.append(resident())

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notes").mkdir()
        variants = tuple(f"fine-{i}" for i in range(MANY // PER_JOB))
        method = Fake(variants=variants, notes=folder / "notes", steps=PER_JOB)
        planned = plan(method, [SPEC], folder / "run", dataset_dir=folder)
        run(planned, executor=executor, observers=[watch])
    return sizes


def main() -> None:
    """Prints the figures."""
    spec = DataSpec(function="fn_a", length=100)
    seconds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            before = time.process_time()
            load(spec, Path(name))
            seconds.append(time.process_time() - before)
    print(f"drawing a data set of 10,200 examples of 100 characters: {median(seconds):.3f} CPU s")
    with tempfile.TemporaryDirectory() as name:
        load(spec, Path(name))
        tracemalloc.start()
        kept = [load(spec, Path(name)) for _ in range(20)]
        size = tracemalloc.get_traced_memory()[0] / len(kept)
        tracemalloc.stop()
    print(f"its examples to learn from, in the driver's memory: {size / 1000:.0f} kB")
    rounds = []
    with nodes(1) as address:
        for _ in range(ROUNDS):
            (wall, cpu), (own, _) = empty_jobs(RayCluster(address)), empty_jobs(InProcess())
            rounds.append((1000 * (wall - own), 1000 * cpu))
        one = median(verified(RayCluster(address)) for _ in range(ROUNDS))
        sizes = memory_over(RayCluster(address))
    wall, cpu = (median(column) for column in zip(*rounds, strict=True))
    print(f"a job costs {wall:.1f} ms more than here; the driver computes {cpu:.1f} ms of CPU time")
    with nodes(2) as address:
        two = median(verified(RayCluster(address)) for _ in range(ROUNDS))
    print(
        f"the driver's memory over {MANY:,} attempts of {MANY // PER_JOB} jobs, in MiB: "
        + " ".join(f"{size:.1f}" for size in sizes)
    )
    print(f"verified per second: {one:.1f} on one node, {two:.1f} on two ({two / one:.2f} times)")


if __name__ == "__main__":
    main()
