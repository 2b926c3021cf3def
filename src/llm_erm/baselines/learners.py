"""The classical learners and their parameter grids.

``OWN`` are small grids of this package, since validation data select from them and the size of a
grid is the K of its certificate. ``PUBLISHED`` are those of the published baselines (the repository
of the paper's follow-up, arXiv 2510.14331v2), where cross-validation on the training examples
selects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, Literal, Protocol
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from llm_erm.errors import InputError, MissingExtraError
from llm_erm.tasks.task import Kind

Grids = Literal["own", "published"]

INSTALL = "pip install 'llm-erm[baselines]'"


class Estimator(Protocol):
    """A classifier with scikit-learn's interface."""

    def fit(self, inputs: NDArray[np.float32], labels: NDArray[np.uint8]) -> object:
        """Learns from inputs of shape ``(n, width)`` and labels of shape ``(n,)``."""

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[Any]:
        """Returns the labels of inputs, shape ``(n,)``."""


@dataclass(frozen=True)
class Learner:
    """A classical learner.

    Attributes:
        classifier: Its class, as ``module:name``; imported on first use.
        grid: The values of each parameter; all combinations are tried.
        fixed: Parameters that do not vary.
        least: Returns the minimum number of training examples for a point of the grid.
        seeded: Whether it uses random numbers.
        folds: Number of folds of the cross-validation on the training examples that selects a
            point; None if the validation examples do.
        kinds: The inputs that it takes; None for all strings.
        only: The same in words.
        needs: The module that must be installed.
        install: Command that installs this module.
    """

    classifier: str
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    least: Callable[[Mapping[str, Any]], int] = lambda point: 2
    seeded: bool = True
    folds: int | None = None
    kinds: tuple[Kind, ...] | None = None
    only: str = ""
    needs: str = "sklearn"
    install: str = INSTALL

    def takes(self, kind: Kind) -> bool:
        """Returns whether the learner takes inputs of this kind."""
        return self.kinds is None or kind in self.kinds

    def points(self, examples: int) -> list[dict[str, Any]]:
        """Returns the combinations of the grid's values, in its order.

        Args:
            examples: Number of training examples; combinations that need more are left out.
        """
        combinations = [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]
        return [point for point in combinations if self.least(point) <= examples]

    def make(self, point: Mapping[str, Any], seed: int) -> Estimator:
        """Returns the unfitted classifier at a point of the grid."""
        module, _, name = self.classifier.partition(":")
        randomness = {"random_state": seed} if self.seeded else {}
        classifier: Estimator = getattr(import_module(module), name)(
            **self.fixed, **point, **randomness
        )
        return classifier

    def why_not(self) -> str | None:
        """Returns why the learner cannot be used, or None."""
        if find_spec(self.needs) is None:
            return f"{self.needs} is not installed; install it with: {self.install}"
        return None


OWN: dict[str, Learner] = {
    "svm": Learner("sklearn.svm:SVC", {"C": (0.5, 1.0, 5.0), "kernel": ("rbf",)}),
    "random-forest": Learner(
        "sklearn.ensemble:RandomForestClassifier",
        {"n_estimators": (128, 256), "max_depth": (8, 16, None), "min_samples_leaf": (1, 5)},
    ),
    "decision-tree": Learner(
        "sklearn.tree:DecisionTreeClassifier",
        {
            "max_depth": (3, 5, 8, 12, None),
            "min_samples_leaf": (1, 5, 20),
            "criterion": ("gini", "entropy"),
        },
    ),
    "gradient-boosting": Learner(
        "sklearn.ensemble:GradientBoostingClassifier",
        {"n_estimators": (100, 200), "learning_rate": (0.03, 0.1), "max_depth": (2, 3)},
    ),
    "knn": Learner(
        "sklearn.neighbors:KNeighborsClassifier",
        {"n_neighbors": (1, 3, 5, 9, 15), "weights": ("uniform", "distance")},
        least=lambda point: int(point["n_neighbors"]),
        seeded=False,
    ),
    "logistic-regression": Learner(
        "sklearn.linear_model:LogisticRegression", {"C": (0.1, 1.0, 10.0)}, {"max_iter": 2000}
    ),
    "mlp": Learner(
        "sklearn.neural_network:MLPClassifier",
        {
            "hidden_layer_sizes": ((64,), (128,), (64, 32)),
            "alpha": (1e-4, 1e-3),
            "early_stopping": (True, False),
        },
        {"max_iter": 500},
        least=lambda point: 11 if point["early_stopping"] else 2,  # a tenth, one of each class
    ),
    "xgboost": Learner(
        "xgboost:XGBClassifier",
        {
            "n_estimators": (100, 200),
            "max_depth": (3, 5),
            "learning_rate": (0.05, 0.1),
            "subsample": (0.8, 1.0),
            "colsample_bytree": (0.8, 1.0),
        },
        {"tree_method": "hist", "n_jobs": 1, "verbosity": 0},
        needs="xgboost",
    ),
    "genetic-programming": Learner(
        "llm_erm.baselines.genetic:GeneticProgramming",
        {"generations": (80,), "population_size": (300,), "depth": (6, 10)},
        kinds=("binary", "decimal", "graph", "text"),
        only="bits, digits, graphs and texts",
        needs="gplearn",
    ),
}
"""The learners with this package's grids, except TabPFN."""

FOLDS = 5
"""Folds of the published cross-validation."""

# Parameters are in alphabetical order, since the first of several best points is selected and
# scikit-learn's grid search tries them in this order.
PUBLISHED: dict[str, Learner] = {
    "svm": Learner(
        "sklearn.svm:SVC",
        {
            "C": (0.1, 1.0, 10.0, 100.0),
            "gamma": ("scale", "auto", 0.001, 0.01, 0.1),
            "kernel": ("rbf", "sigmoid"),
        },
        folds=FOLDS,
    ),
    "random-forest": Learner(
        "sklearn.ensemble:RandomForestClassifier",
        {
            "max_depth": (5, 10, 15, None),
            "min_samples_split": (2, 5, 10),
            "n_estimators": (64, 128, 256),
        },
        folds=FOLDS,
    ),
    "decision-tree": Learner(
        "sklearn.tree:DecisionTreeClassifier",
        {
            "criterion": ("gini", "entropy"),
            "max_depth": (5, 10, 15, None),
            "min_samples_leaf": (1, 2, 4),
            "min_samples_split": (2, 5, 10),
        },
        folds=FOLDS,
    ),
    "xgboost": Learner(
        "xgboost:XGBClassifier",
        {
            "colsample_bytree": (0.8, 1.0),
            "learning_rate": (0.1, 0.3),
            "max_depth": (5, 6, 7),
            "n_estimators": (100, 128, 256),
            "subsample": (0.8, 1.0),
        },
        {"tree_method": "hist", "n_jobs": 1, "verbosity": 0},
        folds=FOLDS,
        needs="xgboost",
    ),
    "genetic-programming": Learner(
        "llm_erm.baselines.genetic:GeneticProgramming",
        {"depth": (6, 10), "mutation_depth": (4, 6), "population_size": (300, 500)},
        {"generations": 80},
        kinds=("binary",),
        only="bit strings",
        needs="gplearn",
    ),
}
"""The published learners with their grids, except TabPFN."""

GRIDS: dict[Grids, dict[str, Learner]] = {"own": OWN, "published": PUBLISHED}

TABPFN = "tabpfn"


def names(grids: Grids = "own") -> tuple[str, ...]:
    """Returns the names of all learners that have a grid of this origin, and TabPFN."""
    return (*GRIDS[grids], TABPFN)


def learner_named(name: str, weights: Path | None = None, grids: Grids = "own") -> Learner:
    """Returns a learner that can run here.

    Args:
        name: One of ``names(grids)``.
        weights: File of TabPFN's weights.
        grids: Whose grids.

    Raises:
        InputError: There is no learner of that name.
        MissingExtraError: A package or file that it needs is missing.
    """
    if name not in names(grids):
        published = "published " if grids == "published" else ""
        raise InputError(
            f"There is no {published}learner {name!r}; choose from {', '.join(names(grids))}.",
            setting="learners",
        )
    if name == TABPFN and weights is None:
        raise MissingExtraError(
            f"{name} cannot run: its weights are missing; name the file that holds them.",
            setting="tabpfn_weights",
        )
    learner = GRIDS[grids][name] if weights is None or name != TABPFN else tabpfn(weights)
    if (why := learner.why_not()) is not None:
        raise MissingExtraError(f"{name} cannot run: {why}.")
    return learner


def is_checkpoint(path: Path) -> bool:
    """Returns whether a file looks like model weights, without loading torch."""
    return is_zipfile(path) or path.suffix == ".safetensors"


def tabpfn(weights: Path) -> Learner:
    """Returns TabPFN with the weights in a file; as published, it has no grid."""
    return Learner(
        "tabpfn:TabPFNClassifier",
        # Otherwise it rejects more than 1,000 examples without a GPU because they are slow.
        fixed={"model_path": str(weights), "ignore_pretraining_limits": True},
        needs="tabpfn",
        install="pip install 'llm-erm[tabpfn]'",
    )
