"""`sweep` and `replicate` pass on where jobs run to the commands that they run; without Ray."""

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_erm.cli import sweep as sweeping
from llm_erm.cli.baselines import Options as Baselines
from llm_erm.cli.enumerate import Options as Enumerate
from llm_erm.cli.experiments import Options, Part, has_gpu, plan
from llm_erm.cli.main import main
from llm_erm.cli.parts import Outcome, placed
from llm_erm.cli.placing import ExecutorOptions, given_to
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.reports.published import published
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import InProcess, Processes

GRID = """
experiment_name: small
results_root: results
command: enumerate
base_args: {lengths: [10], train_size: 10, val_size: 10, test_size: 20, max_programs: 100}
grid:
  functions: [fn_a, fn_g, fn_c]
"""
ADDRESS = "10.0.0.1:6379"


def nodes(*resources: dict[str, float], alive: bool = True) -> SimpleNamespace:
    """A module ``ray`` that is connected to a cluster of these nodes."""
    context = SimpleNamespace(gcs_address=ADDRESS)
    return SimpleNamespace(
        nodes=lambda: [{"Alive": alive, "Resources": one} for one in resources],
        get_runtime_context=lambda: context,
    )


def test_a_command_takes_all_of_the_executor_and_no_address():
    cluster = ExecutorOptions("ray", ray_address="auto", job_cpus=2, job_gpus=0.5, job_memory_mb=7)
    given = given_to(Baselines(workers=1, seed=3), cluster)
    assert given == Baselines(
        executor="ray", job_cpus=2.0, job_gpus=0.5, job_memory_mb=7, seed=3, workers=None
    )
    assert given.chosen_executor() == RayCluster(None, 2.0, 0.5, 7 * 2**20)
    assert given_to(Enumerate(), ExecutorOptions("processes", workers=3)).workers == 3


def test_by_default_a_command_does_its_jobs_where_it_does_alone():
    for own in (Baselines(workers=2), Enumerate(executor="ray", ray_address="auto")):
        assert given_to(own, ExecutorOptions()) == own


def test_a_cluster_has_room_for_what_fits_into_its_nodes():
    ray = nodes({"CPU": 3, "memory": 100}, {"CPU": 5, "GPU": 1, "memory": 300}, {})

    def room(ray=ray, **takes):
        return RayCluster(**takes).room(ray, lambda job, event: None).jobs()

    assert room() == 8
    assert room(cpus=2.0) == 3
    assert room(gpus=0.25) == 4
    assert room(memory_bytes=100) == 4
    assert room(cpus=6.0) == 0
    assert room(nodes({"CPU": 3}, alive=False)) == 0


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Runs `llm-erm sweep` up to its jobs; returns the status, what it said, and what would run."""
    monkeypatch.chdir(tmp_path)
    given: list = []

    def run_sweep(jobs, calls, devices, *_):
        given.append((calls, devices))
        return []

    monkeypatch.setattr(sweeping, "run_sweep", run_sweep)

    def run(text: str, *flags: str):
        Path("grid.yaml").write_text(text)
        with pytest.raises(SystemExit) as stopped:
            main(["sweep", "grid.yaml", *flags])
        return stopped.value.code, capsys.readouterr().err, *(given or [(None, None)])[-1]

    return run


@pytest.fixture
def cluster(monkeypatch):
    """Has `sweep` connect to a cluster of the given nodes, which is not there."""

    def of(*resources: dict[str, float]) -> None:
        @contextmanager
        def connected(flags):
            yield nodes(*resources)

        monkeypatch.setattr(sweeping, "cluster_of", connected)
        monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)
        monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)

    return of


def test_each_job_of_a_sweep_joins_the_cluster_and_sees_all_devices(sweep, cluster):
    cluster({"CPU": 2}, {"CPU": 1})
    flags = ("--executor", "ray", "--ray-address", "auto", "--job-memory-mb", "9")
    status, said, calls, devices = sweep(GRID, *flags)
    assert (status, devices) == (0, [None])
    assert "No node of the cluster has what a job takes (1 CPU, 9 MiB)" in said
    cluster({"CPU": 2, "memory": 1e9})
    status, said, calls, devices = sweep(GRID, *flags)
    assert (status, devices) == (0, [None, None])
    assert "3 jobs in results/small, 2 at a time." in said
    assert "No node" not in said
    options = [call.args[0] for call in calls]
    wanted = RayCluster(None, memory_bytes=9 * 2**20)  # that of its process
    assert [one.chosen_executor() for one in options] == [wanted] * 3
    assert [call.args[1] for call in calls] == [ADDRESS] * 3
    assert [one.functions for one in options] == [("fn_a",), ("fn_g",), ("fn_c",)]


@pytest.mark.parametrize(
    ("cpus", "seeds", "flags", "places"),
    [
        (64, 20, (), 16),
        (64, 3, (), 3),
        (64, 3, ("--job-cpus", "32"), 2),
        (2, 30, ("--jobs", "20"), 20),
    ],
)
def test_as_many_jobs_run_as_the_cluster_has_room_for_at_most_16(
    sweep, cluster, cpus, seeds, flags, places
):
    cluster({"CPU": cpus})
    grid = GRID.replace("[fn_a, fn_g, fn_c]", f"[fn_a]\n  seed: {[*range(seeds)]}")
    assert sweep(grid, "--executor", "ray", *flags)[3] == [None] * places


def test_jobs_of_a_sweep_may_each_have_a_pool(sweep):
    _, _, calls, devices = sweep(GRID, "--executor", "processes", "--workers", "3")
    assert len(devices) == 1
    assert {type(call.args[0].chosen_executor()) for call in calls} == {Processes}
    assert {call.args[0].workers for call in calls} == {3}
    _, _, calls, _ = sweep(GRID)
    assert {type(call.args[0].chosen_executor()) for call in calls} == {InProcess}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--executor", "processes", "--jobs", "2"),
            "--executor processes starts a pool of processes per job, and --jobs 2 would start as "
            "many pools at the same time; omit one of the two.",
        ),
        (("--workers", "2"), "--workers applies only to --executor processes; omit it."),
        (("--job-gpus", "1"), "--job-gpus is for --executor ray; add that, or omit it."),
        (("--executor", "ray", "--job-cpus", "0"), "A job cannot take 0 CPUs"),
    ],
)
def test_flags_of_a_sweep_that_do_not_fit_are_refused(sweep, flags, message):
    status, said, calls, _ = sweep(GRID, *flags)
    assert (status, calls) == (2, None)
    assert message in said


def test_workers_in_the_file_and_an_executor_of_the_sweep_contradict_each_other(sweep):
    grid = GRID.replace("{lengths", "{executor: processes, workers: 1, lengths")
    assert "sets executor, but all jobs" in sweep(grid)[1]
    grid = GRID.replace("command: enumerate", "command: baselines")
    grid = grid.replace("max_programs: 100", "workers: 1, learners: [knn]")
    status, said, calls, _ = sweep(grid, "--executor", "processes")
    assert (status, calls) == (2, None)
    assert "grid.yaml sets workers, but where its jobs run is what --executor processes sa" in said
    pytest.importorskip("sklearn")
    assert sweep(grid)[0] == 0


@pytest.mark.usefixtures("cluster")
def test_a_job_that_cannot_run_on_a_cluster_is_refused_before_any_starts(sweep, monkeypatch):
    def check(self, method):
        raise InputError("It cannot.", setting="executor")

    monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)
    monkeypatch.setattr(RayCluster, "check", check)
    status, said, calls, _ = sweep(GRID, "--executor", "ray")
    assert (status, calls) == (2, None)
    assert "Job 0 cannot start: It cannot (--executor)." in said


@pytest.mark.parametrize("command", [("sweep", "grid.yaml"), ("replicate", "--dry-run")])
def test_without_ray_it_says_how_to_install_it(invoke, tmp_path, monkeypatch, command):
    def absent():
        raise MissingExtraError("A cluster needs Ray.")

    (tmp_path / "grid.yaml").write_text(GRID)
    monkeypatch.setattr("llm_erm.runs.cluster.import_ray", absent)
    done = invoke(*command, "--executor", "ray")
    assert (done.returncode, done.stderr) == (2, "llm-erm: A cluster needs Ray.\n")


@pytest.mark.parametrize("command", [("sweep", "grid.yaml"), ("replicate", "--dry-run")])
def test_an_address_where_nothing_is_is_named_at_once(invoke, tmp_path, monkeypatch, command):
    (tmp_path / "grid.yaml").write_text(GRID)
    monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)
    done = invoke(*command, "--executor", "ray", "--ray-address", "127.0.0.1:1")
    assert done.returncode == 2
    assert done.stderr.startswith("llm-erm: Cannot connect to Ray at '127.0.0.1:1'")


def parts(**flags) -> tuple[Options, list[Part]]:
    options = Options(experiment="table1", functions=("fn_a",), quick=True, **flags)
    return options, plan(options, published(), gpu=has_gpu(options))


def test_the_parts_of_a_replication_run_where_it_says(monkeypatch, capsys):
    monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)
    flags = {"executor": "ray", "ray_address": ADDRESS, "job_cpus": 2.0, "job_gpus": 0.5}
    options, planned = parts(**flags, methods=("enumeration", "svm", "transformer"))
    found = {part.contender.name: part.options for part in placed(options, planned)}
    assert found["enumeration"].chosen_executor() == RayCluster(None, 2.0)
    assert found["svm"].chosen_executor() == RayCluster(None, 2.0)
    assert found["transformer"].chosen_executor() == RayCluster(None, 2.0, 0.5)
    assert capsys.readouterr().err == ""
    options, planned = parts(executor="processes", workers=2, methods=("svm",))
    assert placed(options, planned)[0].options.workers == 2
    options, planned = parts(methods=("svm", "enumeration"))
    assert placed(options, planned) == planned


def test_a_method_that_cannot_run_there_runs_here_and_says_so_once(monkeypatch, capsys):
    def check(self, method):
        if method.name != "baselines":
            raise InputError("It cannot.", setting="executor")

    monkeypatch.setattr(RayCluster, "check", check)
    options, planned = parts(executor="ray", methods=("enumeration", "svm", "embedded"))
    more = [*planned, *(replace(part, folder=part.folder / "more") for part in planned)]
    found = placed(options, more)
    for part, before in zip(found, more, strict=True):
        name = part.contender.name
        assert part.options.executor == ("ray" if name == "svm" else before.options.executor)
    said = "In this process, not with --executor ray: enumeration and embedded. It cannot"
    assert capsys.readouterr().err == f"{said} (--executor).\n"


def test_a_part_that_is_not_run_is_not_asked_where(monkeypatch):
    options, planned = parts(executor="ray", methods=("search",))
    (part,) = planned
    assert part.reason
    (found,) = placed(options, planned)
    assert found.reason == part.reason


def test_on_a_cluster_the_gpus_are_those_of_the_jobs():
    assert has_gpu(Options(executor="ray", job_gpus=0.5))
    assert not has_gpu(Options(executor="ray"))


def test_a_replication_is_connected_while_its_parts_run(invoke, monkeypatch, tmp_path):
    """And where they run is not part of what it keeps."""
    connected, seen = [], []

    @contextmanager
    def cluster_of(flags):
        connected.append(flags.ray_address)
        yield
        connected.clear()

    def perform(options, parts, tell):
        seen.append((list(connected), [part.options.executor for part in parts]))
        return Outcome()

    monkeypatch.setattr("llm_erm.cli.replicate.cluster_of", cluster_of)
    monkeypatch.setattr("llm_erm.cli.replicate.perform", perform)
    monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)
    monkeypatch.setattr("llm_erm.runs.cluster.import_ray", lambda: None)
    flags = ("table1", "--quick", "--functions", "fn_a", "--methods", "svm", "--out-dir", "all")
    assert invoke("replicate", *flags, "--executor", "ray", "--ray-address", "auto").returncode == 0
    assert seen == [(["auto"], ["ray"])]
    kept = (tmp_path / "all/replicate.json").read_text()
    assert invoke("replicate", *flags).returncode == 0
    assert seen[1] == ([None], ["processes"])
    assert (tmp_path / "all/replicate.json").read_text() == kept
