"""Bounds count answers to inputs that are each alone, so a program cannot forge them."""

import asyncio
import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from llm_erm.enumeration.learn import learn as enumerate_programs
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.erm import alone
from llm_erm.erm.alone import confirm, examine, number_alone, sample, select_confirmed
from llm_erm.erm.binomial import binomial_upper
from llm_erm.erm.verify import confirmed, execute
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.records import Attempt, Candidate, Result
from llm_erm.runs.events import ignore
from llm_erm.sandbox import Limits, Sandbox
from llm_erm.synthesis.judge import judge
from llm_erm.synthesis.learn import learn
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.task import DataKey, Dataset, HeldOut, Splits
from watching import Seen

LIMITS = Limits()
THRESHOLD = 617_283
"""The rule: whether a number is larger. Half of the numbers drawn are."""


def numbers(count: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    low = rng.choice(THRESHOLD, count // 2, replace=False)
    high = THRESHOLD + 1 + rng.choice(1_000_000 - THRESHOLD - 1, count // 2, replace=False)
    drawn = rng.permutation(np.concatenate([low, high])).tolist()
    return Dataset(tuple(map(str, drawn)), tuple(int(x > THRESHOLD) for x in drawn))


TRAIN, VALIDATION, TEST = numbers(100, 1), numbers(100, 2), numbers(2000, 3)
RANKING = """
calls = []

def f(x):
    calls.append(int(x))
    if len(calls) <= HONEST:
        return int(int(x) > 500_000)
    return int(int(x) > sorted(calls)[len(calls) // 2])
"""
"""Honest for so many calls, and right in nine of ten; then it compares with all it has seen."""


def ranking(honest: int) -> str:
    return RANKING.replace("HONEST", str(honest))


def splits(test: Dataset = TEST, *, contrast: Dataset | None = None) -> Splits:
    held_out = HeldOut(test, contrast)
    return Splits(
        DataKey("own", 6, 1), "decimal", TRAIN, VALIDATION, lambda: held_out, independent=True
    )


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=2) as opened:
        yield opened


def search(sandbox, *programs: str, data: Splits | None = None) -> tuple[Result, Seen]:
    answers = [json.dumps({"code": program}) for program in programs]
    seen = Seen()
    settings = SynthesisSettings(len(programs))
    coroutine = learn(data or splits(), ScriptedLLM(answers), sandbox, settings, observe=seen)
    return asyncio.run(coroutine), seen


# ---- A program that looks at the other inputs


def test_a_program_that_is_honest_up_to_512_inputs_gets_no_test_accuracy_and_no_bound(sandbox):
    source = ranking(512)
    together = execute(source, [TEST], sandbox, LIMITS).verdicts[0]
    assert together.accuracy > 0.93  # what it would be reported with; the order is random
    result, _ = search(sandbox, source)
    assert result.program == source.strip()
    assert 0.8 < result.validation.accuracy < 0.95
    assert (result.test.status, result.test.correct) == ("nondeterministic", 0)
    assert not result.exact
    assert result.certificate is None
    assert any("no certificate" in notice for notice in result.notices)


def test_a_program_that_cheats_on_the_contrast_set_alone_has_no_certificate(sandbox):
    data = splits(numbers(100, 4), contrast=numbers(1000, 5))
    result, _ = search(sandbox, ranking(512), data=data)
    assert result.test.status == "ok"
    assert result.contrast.status == "nondeterministic"
    assert not result.exact
    assert result.certificate is None


def test_judging_every_attempt_replays_it(sandbox):
    """The second attempt was not selected, and is judged all the same."""
    honest = f"def f(x):\n    return int(int(x) > {THRESHOLD})"
    contrast = numbers(1000, 5)
    result, seen = search(sandbox, ranking(512), honest, data=splits(contrast=contrast))
    held_out = HeldOut(TEST, contrast)
    facts = judge(result, seen.attempts, held_out, sandbox, LIMITS, all_drawn=True)
    assert facts.test_accuracies == (None, 1.0)
    assert facts.exact_attempts == 1


def test_the_selected_program_is_judged_by_its_result(sandbox):
    """Fewer runs than its result rests on could miss what those found."""
    result, seen = search(sandbox, ranking(512))
    passed = replace(result, test=replace(result.test, status="ok"))
    for one, accuracy in ((result, None), (passed, 0.0)):
        facts = judge(one, seen.attempts, HeldOut(TEST), sandbox, LIMITS, all_drawn=True)
        assert facts.test_accuracies == (accuracy,)


# ---- One input of a hundred

ONE_OF_A_HUNDRED = f"""
calls = 0

def f(x):
    global calls
    calls += 1
    return int(int(x) > {THRESHOLD}) ^ (calls == 1 and x == {VALIDATION.inputs[0]!r})
"""
"""Right unless its first input is a certain one, which is the first one when it is alone."""


def right(source: str, sandbox: Sandbox):
    """Its execution on training and validation data, where that certain input was not the first."""
    while True:
        verification = execute(source, [TRAIN, VALIDATION], sandbox, LIMITS)
        if verification.verdicts[1].perfect:
            return verification


def test_what_shows_on_one_validation_input_of_a_hundred_is_always_found(sandbox):
    for _ in range(20):
        evidence = examine(right(ONE_OF_A_HUNDRED, sandbox), [False, True])
        assert {verdict.status for verdict in evidence.verdicts} == {"nondeterministic"}


def test_such_a_program_neither_ends_a_search_nor_is_selected(sandbox):
    honest = f"def f(x):\n    return int(int(x) > {THRESHOLD})"
    result, seen = search(sandbox, ONE_OF_A_HUNDRED, honest)
    assert not seen.attempts[0].validation.perfect
    assert result.selected_attempt == 2


@pytest.mark.parametrize(("share", "runs"), [(0.05, 5), (0.2, 5), (0.1, 16)])
def test_a_share_q_is_found_with_probability_one_minus_one_minus_q_to_the_n(sandbox, share, runs):
    """Of 100 inputs, the first 100 q are answered differently by a program that is alone."""
    source = (
        "calls = 0\ndef f(x):\n    global calls\n    calls += 1\n"
        f"    return int(calls == 1 and int(x) < {round(100 * share)})"
    )
    inputs = [str(i) for i in range(100)]
    first = sandbox.execute("def f(x): return 0", inputs)
    tries = 120
    found = sum(
        sandbox.replay(source, inputs, first, together=0, alone=runs).status != "ok"
        for _ in range(tries)
    )
    chance = 1 - float(hypergeom.pmf(0, 100, round(100 * share), runs))
    assert chance >= 1 - (1 - share) ** runs
    assert binom.ppf(1e-6, tries, chance) <= found <= binom.ppf(1 - 1e-6, tries, chance)


# ---- Selection


def attempt(index: int, verification, source: str) -> Attempt:
    return Attempt(index, Candidate(source), *verification.verdicts)


def test_an_attempt_counts_only_if_its_program_gives_these_counts_again(sandbox):
    source = f"def f(x):\n    return int(int(x) > {THRESHOLD})"
    verification = execute(source, [TRAIN, VALIDATION], sandbox, LIMITS)
    known = attempt(1, verification, source)
    assert confirm(known, verification).attempt == known
    luckier = replace(known, train=replace(known.train, correct=known.train.correct - 1))
    failed = confirm(luckier, verification).attempt
    assert (failed.validation.status, failed.validation.correct) == ("nondeterministic", 0)


def test_a_program_that_fails_is_confirmed_once_however_often_it_was_proposed(sandbox):
    verification = right(ONE_OF_A_HUNDRED, sandbox)
    attempts = [attempt(index, verification, ONE_OF_A_HUNDRED) for index in (1, 2, 3)]
    attempts[1] = replace(attempts[1], duplicate_of=1)
    asked, failed = [], []

    def again(one):
        asked.append(one.index)
        return confirm(one, verification)

    assert select_confirmed(attempts, again, failed.append) is None
    assert asked == [1]
    assert [(one.index, one.duplicate_of) for one in failed] == [(1, None), (2, 1), (3, None)]
    assert failed == attempts
    assert {one.validation.status for one in attempts} == {"nondeterministic"}


def test_a_turned_expression_rests_on_runs_of_the_program_that_is_selected(sandbox, monkeypatch):
    """Not on those of the expression it is the complement of."""
    ran = []
    replay = sandbox.replay
    monkeypatch.setattr(sandbox, "replay", lambda s, *a, **k: ran.append(s) or replay(s, *a, **k))
    words = [format(i, "08b") for i in range(128)]
    part = Dataset(tuple(words[:64]), tuple(x.count("1") % 2 for x in words[:64]))
    data = Splits(
        DataKey("fn_a", 8, 1), "binary", part, part, lambda: HeldOut(part), independent=True
    )
    settings = SynthesisSettings(1, constraint="grammar")
    llm = ScriptedLLM(["x.count('1')%2==0"])
    result = asyncio.run(learn(data, llm, sandbox, settings))
    assert result.program.startswith("def f(x):\n    return 1 - (")
    assert set(ran) == {result.program}


# ---- What is counted


def test_the_bounds_of_a_search_count_all_inputs_up_to_a_thousand(sandbox):
    result, _ = search(sandbox, "def f(x):\n    return int(int(x) > 500_000)")
    found = result.certificate
    assert (found.validation.examples, found.validation.errors) == (100, result.validation.errors)
    assert "random sample" not in found.validation.assumes
    assert (found.test.examples, result.test.total) == (1000, 2000)
    assert "a random sample of 1,000 of the 2,000 test inputs, each run alone" in found.test.assumes
    chosen = sample(TEST, 1000)
    wrong = sum(500_000 < int(TEST.inputs[i]) <= THRESHOLD for i in chosen)
    assert found.test.errors == wrong > 0
    assert found.test.error_upper_bound == binomial_upper(wrong, 1000, 1 - 0.95)
    assert result.test.errors > wrong  # those of all 2,000
    again, _ = search(sandbox, "def f(x):\n    return int(int(x) > 500_000)")
    assert again.certificate == found


def test_a_slow_program_has_smaller_samples_and_the_bounds_say_so(sandbox, monkeypatch):
    monkeypatch.setattr(alone, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(alone, "MOST_ALONE_IF_SLOW", 20)
    result, _ = search(sandbox, "def f(x):\n    return int(int(x) > 500_000)")
    found = result.certificate
    assert (found.validation.examples, found.test.examples) == (20, 20)
    assert "20 of the 100 validation inputs" in found.validation.assumes
    assert (result.validation.total, result.test.total) == (100, 2000)


def test_all_answers_of_enumerated_programs_count(monkeypatch):
    """They depend on their inputs alone, so the bounds need no sample that runs alone."""
    monkeypatch.setattr(alone, "MOST_ALONE", 20)
    words = [format(i, "010b") for i in np.random.default_rng(0).permutation(1024)[:200]]
    parts = [
        Dataset(tuple(part), tuple(int("11" in x) for x in part))
        for part in (words[:60], words[60:120], words[120:])
    ]
    data = Splits(
        DataKey("own", 10, 1), "binary", *parts[:2], lambda: HeldOut(parts[2]), independent=True
    )
    settings = EnumerationSettings(attempts=4, max_seconds=60, max_memory_bytes=8 * 2**30)
    result = enumerate_programs(data, settings, observe=ignore)
    found = result.certificate
    examples = (found.occam.examples, found.validation.examples, found.test.examples)
    assert examples == (120, 60, 80)
    assert "sample" not in found.test.assumes + found.occam.assumes
    assert result.isolation is None


def test_how_many_run_alone_depends_on_number_and_time_alone():
    assert [number_alone(n, 0.003) for n in (1, 100, 1000, 10_000)] == [1, 100, 1000, 1000]
    assert [number_alone(n, 0.5) for n in (1, 100, 1000, 10_000)] == [1, 100, 100, 100]


def test_a_failed_program_has_no_runs_alone(sandbox, monkeypatch):
    verification = execute("def f(x", [TRAIN, VALIDATION], sandbox, LIMITS)
    monkeypatch.setattr(sandbox, "replay", None)
    assert examine(verification, [False, True]).verdicts == verification.verdicts


def test_a_failed_program_keeps_its_status_when_confirmed(sandbox):
    assert confirmed(execute("def f(x", [TRAIN], sandbox, LIMITS))[0].status == "syntax_error"


# ---- The sample


def test_a_sample_is_the_same_in_every_run_and_unknown_without_the_labels():
    chosen = sample(TEST, 100)
    assert chosen == sample(TEST, 100) == sorted(set(chosen))
    flipped = replace(TEST, labels=(1 - TEST.labels[0], *TEST.labels[1:]))
    assert len(set(chosen) & set(sample(flipped, 100))) < 20
    assert sample(TEST, len(TEST)) == list(range(len(TEST)))


def test_every_input_is_as_often_in_a_sample():
    drawn = Counter()
    rounds = 3000
    for i in range(rounds):
        drawn.update(sample(Dataset(tuple(map(str, range(i, i + 20))), (0,) * 20), 5))
    expected, sigma = rounds / 4, math.sqrt(rounds * 0.25 * 0.75)
    assert all(abs(drawn[i] - expected) < 4.5 * sigma for i in range(20))


@pytest.mark.parametrize("positive_rate", [0.0, 0.03, 0.06])
@pytest.mark.parametrize(("inputs", "size"), [(200, 100), (10_000, 100), (10_000, 1000)])
def test_a_bound_from_a_sample_fails_no_more_often_than_promised(positive_rate, inputs, size):
    """Exact coverage: half of all test inputs are positive, and any number of those in the sample.

    Given that number, the errors are a sum of two binomials.
    """
    negative_rate = 0.06 - positive_rate
    missed = 0.0
    for positives in range(size + 1):
        weight = hypergeom.pmf(positives, inputs, inputs // 2, size)
        if weight < 1e-9:
            continue
        sums = np.convolve(
            binom.pmf(np.arange(positives + 1), positives, positive_rate),
            binom.pmf(np.arange(size - positives + 1), size - positives, negative_rate),
        )
        low = [k for k in range(size + 1) if binomial_upper(k, size, 0.05) < 0.03]
        missed += weight * math.fsum(sums[low])
    assert missed <= 0.05


def test_bounds_of_samples_of_drawn_data_hold_as_often_as_they_say():
    """Simulated from the draw of the test data to the sample that a run would take."""
    rng = np.random.default_rng(0)
    missed, rounds = 0, 2000
    for i in range(rounds):
        labels = rng.permutation(np.repeat([0, 1], 200))
        wrong = rng.random(400) < np.where(labels == 1, 0.05, 0.01)
        inputs = tuple(f"{i}-{j}" for j in range(400))
        chosen = sample(Dataset(inputs, tuple(labels.tolist())), 100)
        missed += binomial_upper(int(wrong[chosen].sum()), 100, 0.05) < 0.03
    assert missed / rounds <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / rounds)
