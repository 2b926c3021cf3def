"""The flags that say where jobs are done."""

import pytest

from llm_erm.cli.baselines import Options as Baselines
from llm_erm.cli.enumerate import Options
from llm_erm.cores import usable_cores
from llm_erm.errors import InputError
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import InProcess, Processes


def test_the_flags_choose_the_executor():
    assert Options().chosen_executor() == InProcess()
    assert Options(executor="processes", workers=1).chosen_executor() == InProcess()
    threads = max(1, usable_cores() // 3)
    pool = Options(executor="processes", workers=3).chosen_executor()
    assert pool == Processes(3, threads=threads)
    assert Baselines(executor="local").chosen_executor() == InProcess()
    assert isinstance(Baselines(workers=2).chosen_executor(), Processes)
    cluster = Options(executor="ray", ray_address="auto", job_gpus=0.25, job_memory_mb=3)
    assert cluster.chosen_executor() == RayCluster("auto", 1.0, 0.25, 3 * 2**20)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"ray_address": "auto"}, "--ray-address is for --executor ray; add that, or omit it."),
        ({"executor": "processes", "job_cpus": 2.0}, "--job-cpus is for --executor ray"),
        ({"executor": "processes", "workers": 0}, "The number of workers is 0; give 1 or more"),
        ({"workers": 2}, "--workers applies only to --executor processes; omit it."),
        ({"executor": "ray", "workers": 2}, "--workers applies only to --executor processes"),
        ({"executor": "ray", "job_cpus": 0.0}, "A job cannot take 0 CPUs; give 0.001 or more"),
        ({"executor": "ray", "job_cpus": float("nan")}, "A job cannot take nan CPUs"),
        ({"executor": "ray", "job_gpus": -1.0}, "A job cannot take -1 GPUs"),
        ({"executor": "ray", "job_gpus": 1.5}, "A job cannot take 1.5 GPUs; give a whole number,"),
        ({"executor": "ray", "job_memory_mb": 0}, "A job cannot take 0 bytes of memory"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message):
    with pytest.raises(InputError, match=message):
        Options(**flags).chosen_executor()
