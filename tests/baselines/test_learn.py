"""Learners are chosen on validation data, and learn what they can learn."""

from dataclasses import replace

import numpy as np
import pytest

from llm_erm.baselines.encode import encode
from llm_erm.baselines.learn import learn
from llm_erm.baselines.learners import OWN, Learner, is_checkpoint, tabpfn
from llm_erm.erm.binomial import binomial_upper
from llm_erm.mistakes import MOST
from llm_erm.records import Result
from llm_erm.runs.events import Advanced, Started
from llm_erm.serial import from_json, to_json
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

SMALL_GENETIC = {"generations": (12,), "population_size": (150,), "depth": (4,)}
GRIDS = {
    "genetic-programming": SMALL_GENETIC,
    "xgboost": {"n_estimators": (20,)},
    "random-forest": {"n_estimators": (16,), "max_depth": (2, None)},
    "gradient-boosting": {"n_estimators": (20,), "max_depth": (2, 3)},
}
QUICK = {
    name: replace(learner, grid=GRIDS.get(name, learner.grid)) for name, learner in OWN.items()
}


def dataset(rng, rule, size, length=12) -> Dataset:
    inputs, labels = [], []
    while len(inputs) < size:
        x = "".join(map(str, rng.randint(0, 2, length)))
        if labels.count(rule(x)) < size // 2:
            inputs.append(x)
            labels.append(rule(x))
    return Dataset(tuple(inputs), tuple(labels))


def splits_of(rule, seed=0) -> Splits:
    rng = np.random.RandomState(seed)
    train, validation, test = (dataset(rng, rule, size) for size in (80, 80, 400))
    held_out = HeldOut(test, contrast=dataset(rng, rule, 40))
    return Splits(
        DataKey("fn_x", 12, seed), "binary", train, validation, lambda: held_out, independent=True
    )


FIRST = splits_of(lambda x: int(x[0]))


@pytest.mark.parametrize("name", OWN)
def test_every_learner_learns_a_rule_of_one_bit_far_above_chance(name):
    run = learn(name, QUICK[name], FIRST)
    assert (run.method, run.variant, run.facts.learner) == (f"baseline:{name}", name, name)
    assert run.test.accuracy > 0.8
    assert run.contrast.accuracy > 0.7
    assert run.test.total == 400
    grid = run.facts.grid
    assert run.validation.accuracy == max(one.validation_accuracy for one in grid)
    points = QUICK[name].points(80)
    assert [one.parameters for one in grid] == points
    assert len(points) == run.certificate.validation.choices
    assert run.examples == 160
    for name, data in {"train": FIRST.train, "test": FIRST.reveal().test}.items():
        wrong, verdict = run.mistakes[name], getattr(run, name)
        assert len(wrong) == min(MOST, verdict.errors)
        assert all(one.label == int(one.input[0]) != one.prediction for one in wrong)
        assert {one.input for one in wrong} <= {*data.inputs}
    assert from_json(Result, to_json(run)) == run


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("examples", [2, 4, 10, 12])
def test_few_examples_leave_out_what_needs_more(name, examples):
    few = Dataset(FIRST.train.inputs[:examples], (0, 1) * (examples // 2))
    tiny = {"generations": (2,), "population_size": (20,), "depth": (4,)}
    learner = replace(
        OWN[name],
        grid={
            **{key: values[-1:] for key, values in QUICK[name].grid.items()},
            **({"n_neighbors": (1, 5, 15)} if name == "knn" else {}),
            **({"early_stopping": (True, False)} if name == "mlp" else {}),
            **(tiny if name == "genetic-programming" else {}),
        },
    )
    run = learn(name, learner, replace(FIRST, train=few))
    assert run.certificate.validation.choices == len(run.facts.grid) >= 1
    assert all(one.parameters.get("n_neighbors", 1) <= examples for one in run.facts.grid)


def test_a_tree_learns_one_bit_exactly_and_is_certified():
    run = learn("decision-tree", OWN["decision-tree"], FIRST)
    assert run.test.accuracy == run.contrast.accuracy == 1.0
    assert run.certificate.error_upper_bound == binomial_upper(0, 80, (1 - 0.95) / 30)
    assert run.certificate.test.error_upper_bound == binomial_upper(0, 400, 1 - 0.95)


def test_the_same_seed_gives_the_same_result_and_test_labels_choose_nothing():
    name = "random-forest"
    learner = replace(OWN[name], grid={"n_estimators": (5,), "max_depth": (2, 3, None)})
    one, again = learn(name, learner, FIRST), learn(name, learner, FIRST)
    assert (one.test, one.facts) == (again.test, again.facts)
    test = FIRST.reveal().test
    turned = HeldOut(Dataset(test.inputs, tuple(1 - y for y in test.labels)))
    other = learn(name, learner, replace(FIRST, reveal=lambda: turned))
    assert other.facts == one.facts
    assert other.contrast is None
    assert other.test.correct == one.test.total - one.test.correct


def test_held_out_data_are_read_once_after_all_points_are_fitted():
    told = []

    def reveal():
        told.append("revealed")
        return FIRST.reveal()

    learner = replace(OWN["decision-tree"], grid={"max_depth": (1, 2, None)})
    learn("decision-tree", learner, replace(FIRST, reveal=reveal), observe=told.append)
    assert told == [Started(3), Advanced(1), Advanced(2), Advanced(3), "revealed"]


@pytest.mark.parametrize("turned", [False, True])
def test_validation_data_choose_the_parameters(turned):
    """Half of the training labels are noise: a deep tree learns it, a shallow one what is true."""
    rng = np.random.RandomState(1)
    noisy = FIRST.train.labels[:60] + tuple(int(y) for y in rng.randint(0, 2, 20))
    train = Dataset(FIRST.train.inputs, noisy)
    validation = Dataset(train.inputs, noisy) if turned else FIRST.validation
    learner = replace(OWN["decision-tree"], grid={"max_depth": (1, None)})
    run = learn("decision-tree", learner, replace(FIRST, train=train, validation=validation))
    assert run.facts.parameters == {"max_depth": None if turned else 1}
    assert (run.test.accuracy == 1.0) != turned


def test_genetic_programming_finds_a_circuit_that_no_single_split_shows():
    splits = splits_of(lambda x: int(x[2]) ^ int(x[5]))
    run = learn("genetic-programming", QUICK["genetic-programming"], splits)
    assert run.test.accuracy == 1.0
    assert "X2" in run.facts.circuit
    assert "X5" in run.facts.circuit


def test_decimals_reach_genetic_programming_as_bits():
    """Odd numbers end in an odd digit: the lowest of the four bits of the last digit."""
    rng = np.random.RandomState(0)

    def draw(size):
        inputs = tuple(f"{n}" for n in rng.permutation(np.arange(1000, 10_000))[:size])
        return Dataset(inputs, tuple(int(x) % 2 for x in inputs))

    test = HeldOut(draw(400))
    splits = Splits(
        DataKey("fn_x", 4, 0), "decimal", draw(80), draw(80), lambda: test, independent=True
    )
    run = learn("genetic-programming", QUICK["genetic-programming"], splits)
    assert run.test.accuracy == 1.0


def test_data_that_support_no_bound_have_no_certificate():
    run = learn("svm", OWN["svm"], replace(FIRST, independent=False))
    assert run.certificate is None


def test_what_is_missing_is_named_with_the_way_to_get_it(tmp_path):
    assert OWN["svm"].why_not() is None
    missing = replace(OWN["xgboost"], needs="no_such_module")
    assert "pip install 'llm-erm[baselines]'" in missing.why_not()
    assert isinstance(tabpfn(tmp_path / "weights.ckpt"), Learner)
    assert tabpfn(tmp_path / "weights.ckpt").points(2) == [{}]


def test_tabpfn_answers_by_the_weights_in_the_file(tmp_path):
    """Random weights, since none can be fetched: it runs, and other weights answer otherwise."""
    architecture = pytest.importorskip("tabpfn.architectures.tabpfn_v2", reason="no tabpfn")
    import torch

    scores = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        config = {"max_num_classes": 10, "num_buckets": 100, "emsize": 24, "nlayers": 1, "nhead": 2}
        model = architecture.get_architecture(architecture.TabPFNV2Config(**config))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter)
        path = tmp_path / f"{seed}.ckpt"
        torch.save({"state_dict": model.state_dict(), "config": config}, path)
        assert is_checkpoint(path)
        classifier = tabpfn(path).make({}, 0)
        inputs = encode("binary", FIRST.train.inputs, 12)
        classifier.fit(inputs, np.array(FIRST.train.labels, dtype=np.uint8))
        scores.append(classifier.predict_proba(inputs))
    assert scores[0].shape == (80, 2)
    assert not np.allclose(*scores)
