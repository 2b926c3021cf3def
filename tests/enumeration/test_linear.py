"""Elimination over GF(2) finds the sparsest parity that fits."""

import numpy as np
import pytest

from llm_erm.enumeration.linear import linear_rules
from llm_erm.enumeration.memory import Clock
from llm_erm.enumeration.sampling import predictions
from llm_erm.enumeration.terms import to_expression


def parity(length: int, positions, count: int = 100, seed: int = 0, constant: int = 0):
    rng = np.random.RandomState(seed)
    bits = rng.randint(2, size=(count, length))
    labels = (bits[:, list(positions)].sum(axis=1) + constant) % 2
    return ["".join(map(str, row)) for row in bits.tolist()], labels.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_ten_of_a_hundred_positions_are_found_from_a_hundred_examples(seed):
    positions = sorted(np.random.RandomState(seed).permutation(100)[:10].tolist())
    inputs, labels = parity(100, positions, seed=seed, constant=seed % 2)
    rule = linear_rules(inputs, labels, 1, Clock(10))[0]
    assert rule.positions == tuple(positions)
    assert rule.negated == bool(seed % 2)


def test_every_rule_fits_all_examples_as_a_python_expression():
    inputs, labels = parity(30, [3, 7], count=24)
    rules = linear_rules(inputs, labels, 5, Clock(10))
    assert len(rules) == 5
    assert rules[0].positions == (3, 7)
    assert [len(rule.positions) for rule in rules] == sorted(len(r.positions) for r in rules)
    for rule in rules:
        assert predictions(to_expression(rule.term), inputs).tolist() == labels


def test_a_sparse_rule_is_found_among_too_many_solutions_to_examine():
    inputs, labels = parity(140, [5, 60, 139], count=100)
    assert linear_rules(inputs, labels, 1, Clock(30))[0].positions == (5, 60, 139)


def test_one_position_is_a_rule_and_no_position_is_not():
    inputs, labels = parity(20, [4])
    assert to_expression(linear_rules(inputs, labels, 1, Clock(1))[0].term) == "x[4] == '1'"
    assert linear_rules(inputs, [0] * 100, 3, Clock(1)) == []


def test_data_that_no_parity_fits_give_no_rule():
    inputs, _ = parity(20, [1])
    assert linear_rules(inputs, [int("111" in x) for x in inputs], 3, Clock(1)) == []
    assert linear_rules(["01", "011"], [0, 1], 3, Clock(1)) == []
