"""The search keeps to the paper: one prompt, no feedback, selection without test data."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.records import Attempt, Run
from llm_erm.sandbox import Sandbox
from llm_erm.synthesis.attempt import sample_seed
from llm_erm.synthesis.export import judge_all
from llm_erm.synthesis.learn import Journal, learn
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Dataset, Splits

WORDS = tuple(format(i, "08b") for i in range(256))


def dataset(inputs) -> Dataset:
    return Dataset(tuple(inputs), tuple(x.count("1") % 2 for x in inputs))


SPLITS = Splits(
    fn="fn_a",
    name="parity_all",
    kind="binary",
    length=8,
    seed=1,
    train=dataset(WORDS[:64]),
    validation=dataset(WORDS[64:128]),
    test=dataset(WORDS[128:]),
)


def answer(body: str) -> str:
    return json.dumps({"code": f"def f(x):\n    return {body}"})


RIGHT = answer("x.count('1') % 2")
HALF = answer("1")
NEARLY = answer("x.count('1') % 2 if x < '10000000' else 0")
"""Right on training and validation, wrong on half of the positives of the test."""


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as opened:
        yield opened


def search(sandbox, answers, *, splits=SPLITS, attempts=4, **keywords) -> Run:
    llm = ScriptedLLM(answers)
    return asyncio.run(learn(splits, llm, sandbox, Settings(attempts), **keywords))


def test_a_program_without_validation_errors_ends_the_search(sandbox):
    run = search(sandbox, [HALF, "no idea", RIGHT, HALF])
    assert [attempt.index for attempt in run.attempts] == [1, 2, 3]
    assert run.selected.index == 3
    assert run.attempts[1].candidate.reason.startswith("no code")
    assert run.attempts[1].validation.status == "no_code"
    assert run.test.perfect


def test_the_budget_is_never_passed_and_the_best_is_returned(sandbox):
    run = search(sandbox, [answer("0"), answer("int(x[0])"), answer("int(x[7])")], attempts=3)
    assert len(run.attempts) == 3
    assert run.selected.validation.correct == max(a.validation.correct for a in run.attempts)


def test_luck_on_validation_is_reported_with_the_true_test_accuracy(sandbox):
    run = search(sandbox, [NEARLY])
    assert run.selected.validation.accuracy == 1.0
    assert run.test.accuracy == 0.5


def test_permuting_the_test_labels_changes_no_choice(sandbox):
    answers = [HALF, NEARLY.replace("else 0", "else 1"), RIGHT]
    flipped = replace(
        SPLITS, test=Dataset(SPLITS.test.inputs, tuple(1 - y for y in SPLITS.test.labels))
    )
    runs = [search(sandbox, answers), search(sandbox, answers, splits=flipped)]
    assert [run.test.accuracy for run in runs] == [0.5, 0.5]
    runs += [search(sandbox, [RIGHT]), search(sandbox, [RIGHT], splits=flipped)]
    assert [run.test.accuracy for run in runs[2:]] == [1.0, 0.0]
    for one, other in (runs[:2], runs[2:]):
        assert [timeless(attempt) for attempt in one.attempts] == [
            timeless(attempt) for attempt in other.attempts
        ]
        assert one.selected.index == other.selected.index
        assert one.certificate.validation == other.certificate.validation


def timeless(attempt: Attempt) -> Attempt:
    return replace(
        attempt,
        train=replace(attempt.train, cpu_seconds=0.0),
        validation=replace(attempt.validation, cpu_seconds=0.0),
    )


class Listening:
    """Answers wrongly and keeps every request."""

    name = "listening"

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        for index in request.indices:
            yield Completion(index, answer(str(index % 2)))

    async def aclose(self) -> None:
        pass


def test_the_model_sees_training_examples_once_and_nothing_else(sandbox):
    llm = Listening()
    asyncio.run(learn(SPLITS, llm, sandbox, Settings(4)))
    (request,) = llm.requests
    lines = request.prompt.splitlines()
    assert all(f"{x} -> {x.count('1') % 2}" in lines for x in SPLITS.train.inputs)
    assert not any(x in request.prompt for x in SPLITS.validation.inputs + SPLITS.test.inputs)


def test_an_interrupted_search_goes_on_where_it_stopped(sandbox):
    whole = search(sandbox, [HALF, HALF, NEARLY[:-1], RIGHT])
    seen: list[Attempt] = []
    llm = Listening()
    rest = asyncio.run(
        learn(
            SPLITS, llm, sandbox, Settings(4), Journal(whole.attempts[:2], on_attempt=seen.append)
        )
    )
    assert llm.requests[0].indices == [3, 4]
    assert [attempt.index for attempt in seen] == [3, 4]
    assert rest.attempts[:2] == whole.attempts[:2]


def test_a_finished_search_asks_for_nothing(sandbox):
    whole = search(sandbox, [HALF, RIGHT])
    llm = Listening()
    again = asyncio.run(learn(SPLITS, llm, sandbox, Settings(4), Journal(whole.attempts)))
    assert llm.requests == []
    assert again.selected == whole.selected
    assert again.test.accuracy == 1.0


class Batches(Listening):
    """Draws two answers at a time; the second of the first batch is the shorter program."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        bodies = ["x.count('1') % 2 + 0", "x.count('1') % 2", "0", "1"]
        for index in request.indices:
            yield Completion(index, answer(bodies[index - 1]), more_drawn=index % 2 == 1)


def test_what_was_drawn_together_is_verified_and_the_shortest_perfect_program_wins(sandbox):
    run = asyncio.run(learn(SPLITS, Batches(), sandbox, Settings(4)))
    assert len(run.attempts) == 2
    assert run.selected.index == 2
    resumed = asyncio.run(learn(SPLITS, Batches(), sandbox, Settings(4), Journal(run.attempts[:1])))
    assert resumed.attempts[:1] == run.attempts[:1]
    assert resumed.selected.index == 2


class InFlight(Listening):
    """Two samples arrive while the one that ends the search is verified; one never does."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        request.pace.kept = True
        bodies = {3: "0", 1: "x.count('1') % 2 + 0", 4: "x.count('1') % 2", 2: "1"}
        for index, body in bodies.items():
            yield Completion(index, answer(body))
            if index == 3:
                await request.pace.change()
        while not request.pace.stopped:
            await request.pace.change()
        yield Completion(5, "", finish_reason="cancelled")


def test_what_came_while_the_last_program_was_verified_counts_and_every_replay_agrees(sandbox):
    told: list[Completion] = []
    made: list[Attempt] = []
    settings = Settings(6)
    journal = Journal(on_answer=told.append, on_attempt=made.append)
    whole = asyncio.run(learn(SPLITS, InFlight(), sandbox, settings, journal))
    assert [attempt.index for attempt in made] == [3, 1, 4, 2]
    assert [one.index for one in told] == [3, 1, 4, 2, 5]
    assert whole.selected.index == 4
    answers = told[:-1]
    seed = sample_seed(SPLITS.fn, SPLITS.length, settings.seed)
    again = asyncio.run(learn(SPLITS, ReplayLLM("same", {seed: answers}), sandbox, settings))
    assert [timeless(one) for one in again.attempts] == [timeless(one) for one in whole.attempts]
    for stop in (1, 2, 3, 4):
        llm = InFlight()
        left = Journal(made[:stop], answers[stop:])
        resumed = asyncio.run(learn(SPLITS, llm, sandbox, settings, left))
        assert llm.requests == []
        assert list(map(timeless, resumed.attempts)) == list(map(timeless, whole.attempts))
        assert resumed.selected.index == 4


def test_duplicates_are_counted_and_not_run_again(sandbox):
    run = search(sandbox, [HALF, HALF, answer("0")], attempts=4)
    assert [attempt.duplicate_of for attempt in run.attempts] == [None, 1, None, 3]
    assert run.attempts[1].validation == run.attempts[0].validation


class OutOfOrder(Listening):
    """Several samples are in flight, and the last one comes first."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        for index in reversed(request.indices):
            yield Completion(index, HALF)


def test_a_duplicate_may_arrive_before_the_attempts_with_lower_indices(sandbox):
    run = asyncio.run(learn(SPLITS, OutOfOrder(), sandbox, Settings(4)))
    assert [attempt.index for attempt in run.attempts] == [1, 2, 3, 4]
    assert [attempt.duplicate_of for attempt in run.attempts] == [4, 4, 4, None]
    judged = judge_all(run.attempts, SPLITS, sandbox, Settings(4).limits)
    assert [one.test_accuracy for one in judged] == [0.5] * 4
    there = [attempt for attempt in run.attempts if attempt.index in (3, 4)]
    resumed = asyncio.run(learn(SPLITS, OutOfOrder(), sandbox, Settings(4), Journal(there)))
    assert [attempt.duplicate_of for attempt in resumed.attempts] == [4, 4, 4, None]


def test_the_certificate_uses_the_budget_and_not_the_attempts_made(sandbox):
    run = search(sandbox, [RIGHT], attempts=50)
    assert len(run.attempts) == 1
    assert run.certificate.validation.choices == 50
    assert run.certificate.error_upper_bound == pytest.approx(1 - (0.05 / 50) ** (1 / 64))


def test_shared_inputs_carry_no_certificate(sandbox):
    assert search(sandbox, [RIGHT], splits=replace(SPLITS, disjoint=False)).certificate is None


@pytest.mark.parametrize(
    "code",
    [
        "import math\nONE = 1\n\ndef ones(x):\n    return x.count(str(ONE))\n\n"
        "def f(x):\n    return math.floor(ones(x)) % 2",
        "from functools import reduce\nimport operator\n\ndef f(x):\n"
        "    return reduce(operator.xor, map(int, x))",
        "def f(x):\n    return 0 if not x else int(x[0]) ^ f(x[1:])",
        "class Counter:\n    def __init__(self, x):\n        self.x = x\n\n    def odd(self):\n"
        "        return self.x.count('1') % 2 == 1\n\ndef f(x):\n    return Counter(x).odd()",
        "def parity(bits):\n    return str(sum(bits) % 2)\n\ndef f(x):\n"
        "    return parity([int(b) for b in x])",
        "def label(x):\n    return x.count('1') % 2",
    ],
)
def test_imports_helpers_constants_and_recursion_score_in_full(sandbox, code):
    run = search(sandbox, [json.dumps({"code": code})])
    assert run.selected.validation.accuracy == 1.0
    assert run.test.accuracy == 1.0


@pytest.mark.parametrize("value", ["None", "'maybe'", "2", "0.5", "[1]", "float('nan')"])
def test_what_is_no_label_never_counts_as_right(sandbox, value):
    run = search(sandbox, [answer(value)], attempts=1)
    assert run.selected.validation.correct == 0
    assert run.selected.validation.invalid == 64


@pytest.mark.parametrize(
    "code",
    [
        "import random\n\ndef f(x):\n    return random.randrange(2)",
        "seen = []\n\ndef f(x):\n    seen.append(x)\n    return len(seen) % 2",
    ],
)
def test_a_program_that_answers_differently_when_run_again_is_not_selected(sandbox, code):
    run = search(sandbox, [json.dumps({"code": code}), HALF], attempts=2)
    assert run.selected.index == 2
    alone = search(sandbox, [json.dumps({"code": code})], attempts=1)
    assert alone.selected is None
    assert alone.attempts[0].validation.status == "nondeterministic"
    assert alone.certificate is None


def test_a_perfect_program_that_fails_its_replay_does_not_end_the_search(sandbox, monkeypatch):
    replay = sandbox.replay

    def doubting(source, inputs, first, limits, *more):
        if "+ 0" in source:
            return replace(
                first, status="nondeterministic", predictions=first.predictions * 0 + 255
            )
        return replay(source, inputs, first, limits)

    monkeypatch.setattr(sandbox, "replay", doubting)
    run = search(sandbox, [answer("x.count('1') % 2 + 0"), RIGHT], attempts=2)
    assert [a.validation.status for a in run.attempts] == ["nondeterministic", "ok"]
    assert run.selected.index == 2


class Expressions(Listening):
    """Answers with one bare expression, as the grammar of the small model has it."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        yield Completion(request.indices[0], "x.count('1')%2==0")


def test_an_expression_that_fits_better_upside_down_is_turned(sandbox):
    llm = Expressions()
    run = asyncio.run(learn(SPLITS, llm, sandbox, Settings(8, constraint="grammar")))
    assert llm.requests[0].grammar
    assert run.selected.train.accuracy == 1.0
    assert run.test.accuracy == 1.0
    assert run.certificate.validation.choices == 8
