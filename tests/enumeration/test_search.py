"""The compiled search agrees with plain Python on programs and answers, and keeps its limits."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llm_erm.enumeration.costs import Costs
from llm_erm.enumeration.memory import Clock, Memory
from llm_erm.enumeration.pool import kind_of, neighbours
from llm_erm.enumeration.sampling import predictions
from llm_erm.enumeration.search import BottomUpSearch, prepare
from llm_erm.enumeration.terms import to_expression

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "enumeration_speed.py"


def words(count: int, length: int, alphabet: str = "01", seed: int = 0) -> list[str]:
    rng = np.random.RandomState(seed)
    rows = rng.randint(len(alphabet), size=(count, length))
    return ["".join(alphabet[i] for i in row) for row in rows]


def search(inputs, labels, *, others=(), memory=256, seconds=60.0, **keywords) -> BottomUpSearch:
    return BottomUpSearch(
        kind_of(inputs),
        inputs,
        np.array([labels]).astype(bool),
        others,
        memory=Memory(memory * 2**20),
        clock=Clock(seconds),
        **keywords,
    )


def finished(inputs, labels, **keywords) -> BottomUpSearch:
    result = search(inputs, labels, **keywords)
    for _ in result.levels():
        pass
    return result


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("enumeration_speed", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_independent_slow_search_counts_the_same_programs(benchmark):
    inputs = benchmark.words(256, 20, seed=0)
    (fast, _), (packed, _), (slow, _) = benchmark.same_counts(inputs, 27)
    assert fast == slow == packed
    assert sum(considered for considered, _ in fast) > 35_000


@pytest.mark.parametrize(
    ("alphabet", "length", "bits"), [("01", 9, 17), ("0123456789", 6, 17), ("abc", 7, 17)]
)
def test_kept_programs_answer_as_their_python_does(alphabet, length, bits):
    inputs = words(60, length, alphabet)
    labels = [int(x[0] == x[-1]) for x in inputs]
    others = neighbours(inputs, 0)
    found = finished(inputs, labels, others=others, max_bits=bits)
    assert found.kept > 100
    columns = np.array(
        [predictions(to_expression(found.term(i)), inputs) for i in range(found.kept)]
    )
    assert set(np.unique(columns)) == {0, 1}  # none of them fails on any input
    wrong = (columns != np.array(labels)).sum(axis=1)
    assert wrong.tolist() == [found.errors(i, 0) for i in range(found.kept)]


def test_inputs_of_different_lengths_are_read_as_python_reads_them():
    inputs = [x[: 4 + i % 7] for i, x in enumerate(words(90, 10))]
    labels = [len(x) % 2 for x in inputs]
    found = finished(inputs, labels, max_bits=18)
    for i in range(found.kept):
        answers = predictions(to_expression(found.term(i)), inputs)
        assert int((answers != np.array(labels)).sum()) == found.errors(i, 0)


def test_no_behaviour_is_kept_twice_or_with_its_complement():
    inputs = words(64, 8)
    found = finished(inputs, [0, 1] * 32, others=inputs[:0], max_bits=18)
    columns = {
        tuple(predictions(to_expression(found.term(i)), inputs).tolist()) for i in range(found.kept)
    }
    assert len(columns) == found.kept
    assert not any(tuple(1 - value for value in column) in columns for column in columns)


def test_programs_come_in_order_of_description_length():
    inputs = words(64, 8)
    found = search(inputs, [0, 1] * 32, max_bits=18)
    seen = 0
    for level in found.levels():
        assert all(found.bits(i) == level.bits for i in range(seen, found.kept))
        seen = found.kept
    best = found.best(10)
    assert [(f.errors, f.bits) for f in best] == sorted((f.errors, f.bits) for f in best)
    assert best[0].errors == min(found.errors(i, 0) for i in range(found.kept))


def test_a_shorter_lookalike_does_not_hide_the_true_rule():
    """On ten words '1' in x and '11' in x agree; only their neighbours distinguish them."""
    inputs = ["000000"] * 5 + ["011000", "001100", "110000", "000110", "000011"]
    labels = [int("11" in x) for x in inputs]
    alone = finished(inputs, labels, max_bits=12)
    joined = finished(inputs, labels, others=neighbours(inputs, 0), max_bits=12)
    expressions = [{to_expression(s.term(f.index)) for f in s.exact} for s in (alone, joined)]
    assert "'1' in x" in expressions[0]
    assert "'11' in x" not in expressions[0]
    assert {"'1' in x", "'11' in x"} <= expressions[1]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"seconds": 0.2}, "seconds"),
        ({"memory": 8}, "memory"),
        ({"max_programs": 5000}, "programs"),
        ({"max_bits": 12}, "bits"),
    ],
)
def test_a_limit_ends_the_search_and_is_named(limits, reason):
    inputs = words(128, 20)
    labels = np.random.RandomState(3).randint(2, size=128)
    found = finished(inputs, labels, **limits)
    assert found.stopped_by == reason
    assert found.kept > 10
    assert 0 < found.best(1)[0].errors <= 64
    assert found.considered < 400_000


def test_only_productions_with_a_cost_are_used():
    costs = Costs(1, {"x": 1, "count": 3, "odd": 3}, {})
    found = finished(words(64, 8), [0, 1] * 32, costs=costs, max_bits=14)
    assert {to_expression(found.term(i)).split(".")[0] for i in range(found.kept)} == {"x"}


def test_the_memory_limit_bounds_the_whole_process():
    script = """
import numpy as np
from llm_erm.enumeration.memory import Clock, memory_for, peak_bytes
from llm_erm.enumeration.search import BottomUpSearch, prepare
prepare()
rng = np.random.RandomState(0)
rows = rng.randint(2, size=(256, 20))
words = ["".join(map(str, row)) for row in rows.tolist()]
labels = rng.randint(2, size=(1, 100)).astype(bool)
search = BottomUpSearch("bits", words[:100], labels, words[100:], memory=memory_for(400 * 2**20),
                clock=Clock(100))
for _ in search.levels():
    pass
search.best(64)
print(search.stopped_by, peak_bytes() // 2**20)
"""
    prepare()  # compiles here what the other process loads
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    reason, peak_mb = done.stdout.split()
    assert reason == "memory"
    assert 250 < int(peak_mb) < 400
