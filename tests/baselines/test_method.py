"""The learners of a run: which can run, what shapes their results, and when data are read."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_erm.baselines.learners import names
from llm_erm.baselines.method import Baselines, read_weights
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.runs.events import ignore
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.jobs import Work
from llm_erm.runs.run import plan, run
from llm_erm.settings import shaping
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load

SPEC = DataSpec(function="fn_a", length=8, train_size=20, val_size=20, test_size=40)
QUICK = Baselines(learners=("decision-tree", "knn"))


def test_there_is_a_job_per_data_set_and_learner_in_order():
    jobs = QUICK.jobs([SPEC, replace(SPEC, trial=2)])
    assert [(job.spec.trial, job.variant) for job in jobs] == [
        *((1, "decision-tree"), (1, "knn"), (2, "decision-tree"), (2, "knn"))
    ]


def test_any_number_of_processes_gives_the_same_results(tmp_path):
    specs = [SPEC, replace(SPEC, trial=2)]
    made = plan(QUICK, specs, dataset_dir=tmp_path)
    results = [run(made, executor=executor) for executor in (InProcess(), Processes(2))]
    assert [result.variant for result in results[0]] == ["decision-tree", "knn"] * 2
    assert len({result.data.sha256 for result in results[0]}) == 2
    one, other = ([replace(result, seconds=0.0) for result in these] for these in results)
    assert one == other


def test_held_out_data_are_read_once_for_the_learners_of_a_data_set(tmp_path):
    specs, read = [SPEC, replace(SPEC, trial=2)], []

    def splits_of(spec):
        splits = load(spec, tmp_path)

        def reveal():
            read.append(spec.trial)
            return splits.reveal()

        return replace(splits, reveal=reveal)

    data = {spec: splits_of(spec) for spec in specs}
    work = [Work(job, data[job.spec]) for job in QUICK.jobs(specs)]
    with QUICK.session(work, ()) as session:
        tests = [session.learn(one, ignore).test.total for one in work]
    assert tests == [40] * 4
    assert read == [1, 2]


@pytest.mark.parametrize(
    ("method", "spec", "setting"),
    [
        (Baselines(learners=()), SPEC, "learners"),
        (Baselines(learners=("oracle",)), SPEC, "learners"),
        (Baselines(learners=("svm",)), replace(SPEC, val_size=0), "val_size"),
        (Baselines(learners=("svm", "tabpfn")), SPEC, "tabpfn_weights"),
    ],
)
def test_what_cannot_run_is_refused_before_any_data_are_drawn(method, spec, setting):
    with pytest.raises((InputError, MissingExtraError)) as raised:
        method.jobs([spec])
    assert raised.value.setting == setting


def test_weights_shape_results_by_their_contents_and_not_by_their_place(tmp_path):
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path, content in zip(paths, ("x", "x", "y"), strict=True):
        path.write_text(content)
    same, again, other = (
        shaping(Baselines(learners=names(), weights=read_weights(path))) for path in paths
    )
    assert same == again != other


@pytest.mark.parametrize("path", [Path("no.ckpt"), Path(__file__)])
def test_a_file_that_holds_no_weights_is_refused(path):
    with pytest.raises(InputError, match=path.name) as raised:
        read_weights(path)
    assert raised.value.setting == "tabpfn_weights"
