"""The published grids are those of the publication, and cross-validation selects from them."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

from llm_erm.baselines.encode import encode
from llm_erm.baselines.genetic import GeneticProgramming
from llm_erm.baselines.learn import learn
from llm_erm.baselines.learners import OWN, PUBLISHED, learner_named, names
from llm_erm.baselines.method import Baselines
from llm_erm.errors import InputError
from llm_erm.records import Result
from llm_erm.runs.events import Advanced, Started
from llm_erm.serial import from_json, to_json
from llm_erm.settings import shaping
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits

SPEC = DataSpec(function="fn_a", length=8, train_size=20, val_size=20, test_size=40)
ANY_DEPTH = None
VALUES = {
    "svm": {
        "C": {0.1, 1, 10, 100},
        "gamma": {"scale", "auto", 0.001, 0.01, 0.1},
        "kernel": {"rbf", "sigmoid"},
    },
    "random-forest": {
        "n_estimators": {64, 128, 256},
        "max_depth": {5, 10, 15, ANY_DEPTH},
        "min_samples_split": {2, 5, 10},
    },
    "decision-tree": {
        "max_depth": {5, 10, 15, ANY_DEPTH},
        "min_samples_split": {2, 5, 10},
        "min_samples_leaf": {1, 2, 4},
        "criterion": {"gini", "entropy"},
    },
    "xgboost": {
        "tree_method": {"hist"},
        "n_estimators": {100, 128, 256},
        "max_depth": {5, 6, 7},
        "learning_rate": {0.1, 0.3},
        "subsample": {0.8, 1},
        "colsample_bytree": {0.8, 1},
    },
    "genetic-programming": {
        "population_size": {300, 500},
        "generations": {80},
        "depth": {6, 10},
        "mutation_depth": {4, 6},
    },
}
"""The publication's list."""
TECHNICAL = {"n_jobs", "verbosity"}
"""Settings that change no result."""


def noisy(rng, size, flipped):
    """The label is the first bit, or the opposite for a share of the inputs."""
    inputs = ["".join(map(str, rng.randint(0, 2, 12))) for _ in range(size)]
    labels = [int(x[0]) ^ int(rng.random_sample() < flipped) for x in inputs]
    return Dataset(tuple(inputs), tuple(labels))


def splits_of(flipped=0.2):
    rng = np.random.RandomState(0)
    train, validation, test = noisy(rng, 83, flipped), noisy(rng, 60, 0), noisy(rng, 200, 0)
    return Splits(
        DataKey("fn_x", 12, 0), "binary", train, validation, lambda: HeldOut(test), independent=True
    )


def test_the_grids_are_the_published_ones():
    found = {
        name: {key: set(values) for key, values in learner.grid.items()}
        | {key: {value} for key, value in learner.fixed.items() if key not in TECHNICAL}
        for name, learner in PUBLISHED.items()
    }
    assert found == VALUES
    folds = {name: learner.folds for name, learner in PUBLISHED.items()}
    assert folds == {**dict.fromkeys(VALUES, 5), "genetic-programming": None}
    assert names("published") == (*VALUES, "tabpfn")


def test_genetic_programming_has_the_published_rates():
    inputs = np.array([[0, 1], [1, 0]] * 4, dtype=np.float32)
    grown = GeneticProgramming(1, 20, 4, 0).fit(inputs, np.array([0, 1] * 4, dtype=np.uint8))
    assert (grown._model.p_crossover, grown._model.p_subtree_mutation) == (0.7, 0.25)


def test_cross_validation_selects_what_scikit_learn_selects():
    """83 examples of uneven classes, so that folds differ in size."""
    splits, grid = splits_of(), {"max_depth": (1, 3, None), "min_samples_leaf": (1, 8)}
    learner = replace(PUBLISHED["decision-tree"], grid=grid)
    result = learn("decision-tree-published", learner, splits)
    search = GridSearchCV(
        DecisionTreeClassifier(random_state=0), {k: list(v) for k, v in grid.items()}, cv=5
    ).fit(encode("binary", splits.train.inputs, 12), splits.train.labels)
    scores = {str(one.parameters): one.validation_accuracy for one in result.facts.grid}
    means = search.cv_results_["mean_test_score"]
    expected = {str(p): s for p, s in zip(search.cv_results_["params"], means, strict=True)}
    assert scores == pytest.approx(expected)
    assert len(set(scores.values())) > 1
    assert result.facts.parameters == search.best_params_
    held_out = splits.reveal().test
    assert result.test.accuracy == search.score(
        encode("binary", held_out.inputs, 12), held_out.labels
    )


def test_validation_and_test_data_choose_nothing_and_only_test_data_support_a_bound():
    splits = splits_of()
    grid = {"max_depth": (1, None)}
    learner = replace(PUBLISHED["decision-tree"], grid=grid)
    told = []

    def reveal():
        told.append("revealed")
        return splits.reveal()

    result = learn("t", learner, replace(splits, reveal=reveal), observe=told.append)
    assert told == [Started(2), Advanced(1), Advanced(2), "revealed"]
    other = Dataset(splits.validation.inputs, tuple(1 - y for y in splits.validation.labels))
    turned = learn("t", learner, replace(splits, validation=other))
    assert (turned.facts, turned.test) == (result.facts, result.test)
    assert (result.validation, result.certificate.validation) == (None, None)
    assert result.certificate.test.errors == result.test.errors
    assert (result.examples, result.train.total) == (83, 83)
    assert result.facts.folds == 5
    assert from_json(Result, to_json(result)) == result


def test_the_first_of_equally_good_points_is_selected():
    learner = replace(PUBLISHED["decision-tree"], grid={"max_depth": (7, 5, None)})
    result = learn("t", learner, splits_of(flipped=0))
    assert [one.validation_accuracy for one in result.facts.grid] == [1, 1, 1]
    assert result.facts.parameters == {"max_depth": 7}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_learner_learns_a_rule_of_one_bit(name):
    few = {
        **{"n_estimators": (16,), "population_size": (150,), "depth": (4,)},
        **{"C": (1.0,), "gamma": ("scale",), "max_depth": (5,)},
    }
    grid = {key: few.get(key, values[:2]) for key, values in PUBLISHED[name].grid.items()}
    result = learn(name, replace(PUBLISHED[name], grid=grid), splits_of(flipped=0))
    assert result.test.accuracy > 0.8
    assert len(result.facts.grid) == np.prod([len(values) for values in grid.values()])


def test_mutations_have_their_own_depth_from_the_first_on():
    """Of two generations with the same seeds, only the mutated circuits of the second differ."""
    rng = np.random.RandomState(0)
    inputs = rng.randint(0, 2, (60, 20)).astype(np.float32)
    labels = (inputs.sum(axis=1) % 2).astype(np.uint8)

    def grown(**depths):
        return GeneticProgramming(2, 100, random_state=0, **depths).fit(inputs, labels)._model

    def texts(model):
        return [str(circuit) for circuit in model._programs[-1]]

    usual, deeper = grown(depth=3), grown(depth=3, mutation_depth=9)
    assert texts(usual) == texts(grown(depth=3, mutation_depth=3))
    pairs = zip(texts(usual), texts(deeper), deeper._programs[-1], strict=True)
    changed = {circuit.parents["method"] for one, other, circuit in pairs if one != other}
    assert changed == {"Subtree Mutation"}
    assert {circuit.init_depth for circuit in deeper._programs[-1]} == {(2, 10)}


def test_published_results_have_a_name_and_a_fingerprint_of_their_own():
    own, published = (
        Baselines(learners=("svm", "xgboost"), grids=grids) for grids in ("own", "published")
    )
    assert [job.variant for job in own.jobs([SPEC])] == ["svm", "xgboost"]
    assert [job.variant for job in published.jobs([SPEC])] == ["svm-published", "xgboost-published"]
    assert shaping(own) != shaping(published)
    assert learner_named("svm", grids="published") != learner_named("svm") == OWN["svm"]


def test_genetic_programming_is_published_for_bits_only():
    decimal = replace(SPEC, function="fn_i")
    method = Baselines(learners=("svm", "genetic-programming"), grids="published")
    assert [(job.spec.function, job.variant) for job in method.jobs([SPEC, decimal])] == [
        *(("fn_a", "svm-published"), ("fn_a", "genetic-programming-published")),
        ("fn_i", "svm-published"),
    ]
    assert method.left_out([SPEC, decimal]) == {"genetic-programming-published": ["fn_i"]}
    assert not replace(method, grids="own").left_out([decimal])
    with pytest.raises(InputError, match="bit strings only") as raised:
        Baselines(learners=("genetic-programming",), grids="published").jobs([decimal])
    assert raised.value.setting == "learners"


@pytest.mark.parametrize(
    ("learner", "sizes", "setting"),
    [
        ("knn", {}, "learners"),
        ("svm", {"train_size": 8}, "train_size"),
        ("genetic-programming", {"val_size": 0}, "val_size"),
    ],
)
def test_what_cannot_run_is_refused_before_any_data_are_drawn(learner, sizes, setting):
    with pytest.raises(InputError) as raised:
        Baselines(learners=(learner,), grids="published").jobs([replace(SPEC, **sizes)])
    assert raised.value.setting == setting


def test_cross_validation_needs_no_validation_data():
    spec = replace(SPEC, train_size=10, val_size=0)
    assert Baselines(learners=("svm",), grids="published").jobs([spec])
