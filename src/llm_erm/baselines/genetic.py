"""Genetic programming over Boolean circuits of the input's bits, with gplearn.

gplearn is the only maintained library that needs neither another language nor much code beyond the
four gates: PySR needs Julia, and DEAP leaves the whole loop to its user. The rates of crossover and
mutation are those of the published baseline; see ``learners.PUBLISHED``.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from llm_erm.baselines.encode import to_bits

LEAST_DEPTH = 2
"""Minimum depth of a random circuit: gplearn's default."""


class GeneticProgramming:
    """A circuit of AND, OR, XOR and NOT, evolved for training accuracy minus a size penalty."""

    def __init__(
        self,
        generations: int,
        population_size: int,
        depth: int,
        random_state: int,
        mutation_depth: int | None = None,
    ) -> None:
        """Prepares the search.

        Args:
            generations: Maximum number of generations; a circuit without training errors ends the
                search.
            population_size: Number of circuits per generation.
            depth: Maximum depth of circuits in the first generation.
            random_state: Seed of the search.
            mutation_depth: Maximum depth of the circuits of which a part is inserted by a mutation;
                None for ``depth``.
        """
        self._generations = generations
        self._depths = depth, depth if mutation_depth is None else mutation_depth
        self._options = {"population_size": population_size, "random_state": random_state}

    def fit(self, inputs: NDArray[np.float32], labels: NDArray[np.uint8]) -> Self:
        """Evolves a circuit; inputs have shape ``(n, width)`` and hold whole numbers."""
        from gplearn.fitness import make_fitness
        from gplearn.functions import make_function
        from gplearn.genetic import SymbolicClassifier

        self._bits = max(1, int(inputs.max()).bit_length())
        self._model: Any = SymbolicClassifier(
            **self._options,
            generations=1,
            init_depth=(LEAST_DEPTH, self._depths[0]),
            warm_start=True,
            function_set=[
                make_function(function=np.multiply, name="and", arity=2),
                make_function(function=np.maximum, name="or", arity=2),
                make_function(function=_xor, name="xor", arity=2),
                make_function(function=_not, name="not", arity=1),
            ],
            transformer=make_function(function=_same, name="same", arity=1),
            metric=make_fitness(function=_accuracy, greater_is_better=True),
            stopping_criteria=1.0,
            const_range=None,
            tournament_size=5,
            parsimony_coefficient=1e-4,
            p_crossover=0.7,
            p_subtree_mutation=0.25,
            p_hoist_mutation=0.0,
            p_point_mutation=0.0,
        )
        bits = to_bits(inputs, self._bits)
        self._model.fit(bits, labels)
        if self._generations > 1 and self._model.run_details_["best_fitness"][-1] < 1:
            # gplearn has one setting for both depths. A circuit keeps that of its own making, as a
            # range without its upper end.
            for circuit in self._model._programs[0]:
                circuit.init_depth = (LEAST_DEPTH, self._depths[1] + 1)
            self._model.set_params(
                init_depth=(LEAST_DEPTH, self._depths[1]), generations=self._generations
            )
            self._model.fit(bits, labels)
        return self

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Returns the circuit's labels, shape ``(n,)``."""
        predictions: NDArray[np.uint8] = self._model.predict(to_bits(inputs, self._bits))
        return predictions

    def describe(self) -> str:
        """Returns the circuit as text; ``X3`` is the fourth bit."""
        return str(self._model)


def _xor(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(a - b)


def _not(a: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - a


def _same(a: NDArray[np.float64]) -> NDArray[np.float64]:
    return a


def _accuracy(
    labels: NDArray[np.float64], outputs: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    return float(np.average((outputs > 0.5) == labels, weights=weights))
