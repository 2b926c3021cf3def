"""Nothing that is held out changes what is chosen: not its labels, nor its inputs."""

from dataclasses import replace

import pytest

from llm_erm.baselines.learn import learn as fit
from llm_erm.baselines.learners import OWN
from llm_erm.enumeration.learn import learn as enumerate_programs
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from llm_erm.tasks.task import Dataset, HeldOut, Splits

SPEC = DataSpec(function="fn_e", length=12, train_size=30, val_size=30, test_size=200)
FALSIFIED = {
    "flipped labels": lambda data, _: replace(data, labels=tuple(1 - y for y in data.labels)),
    "training inputs": lambda data, train: train,
    "one label": lambda data, _: replace(data, labels=(1,) * len(data)),
}


def falsified(splits: Splits, how: str) -> Splits:
    """Returns splits whose held-out data were altered."""

    def altered(data: Dataset | None) -> Dataset | None:
        return None if data is None else FALSIFIED[how](data, splits.train)

    def reveal() -> HeldOut:
        found = splits.reveal()
        return HeldOut(altered(found.test), altered(found.contrast))

    return replace(splits, reveal=reveal)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return load(SPEC, tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("how", FALSIFIED)
def test_falsified_test_data_change_no_choice_of_the_enumeration(splits, how):
    settings = EnumerationSettings(max_programs=3000, max_memory_bytes=8 * 2**30)
    wanted = enumerate_programs(splits, settings)
    found = enumerate_programs(falsified(splits, how), settings)
    assert found.test != wanted.test
    assert (found.program, found.selected_attempt) == (wanted.program, wanted.selected_attempt)
    assert found.certificate.validation == wanted.certificate.validation


@pytest.mark.parametrize("how", FALSIFIED)
def test_falsified_test_data_change_no_choice_of_a_learner(splits, how):
    learner = OWN["decision-tree"]
    wanted = fit("decision-tree", learner, splits)
    found = fit("decision-tree", learner, falsified(splits, how))
    assert found.test != wanted.test
    assert found.facts == wanted.facts
    assert (found.train, found.validation) == (wanted.train, wanted.validation)
