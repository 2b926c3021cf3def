"""The search keeps to the paper: one prompt, no feedback, selection without test data."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.mistakes import Mistake
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.runs.events import Event, Judged
from llm_erm.sandbox import Limits, Sandbox
from llm_erm.synthesis.judge import judge
from llm_erm.synthesis.learn import learn
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import IndependentSampling, Tried, sample_seed
from llm_erm.tasks.task import Dataset, HeldOut
from searching import HALF, NEARLY, RIGHT, SPLITS, TEST, WORDS, answer, dataset, search
from watching import Seen


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as opened:
        yield opened


def test_a_program_without_validation_errors_ends_the_search(sandbox):
    run = search(sandbox, [HALF, "no idea", RIGHT, HALF])
    assert [attempt.index for attempt in run.attempts] == [1, 2, 3]
    assert run.result.selected_attempt == 3
    assert run.result.attempts == 3
    assert run.attempts[1].candidate.reason.startswith("no code")
    assert run.attempts[1].validation.status == "no_code"
    assert run.result.test.perfect
    assert run.result.exact


def test_the_budget_is_never_passed_and_the_best_is_returned(sandbox):
    run = search(sandbox, [answer("0"), answer("int(x[0])"), answer("int(x[7])")], attempts=3)
    assert len(run.attempts) == 3
    best = max(a.validation.correct for a in run.attempts)
    assert run.result.validation.correct == best


def test_luck_on_validation_is_reported_with_the_true_test_accuracy(sandbox):
    result = search(sandbox, [NEARLY]).result
    assert result.validation.accuracy == 1.0
    assert result.test.accuracy == 0.5
    assert not result.exact


def test_the_inputs_that_the_program_gets_wrong_are_kept(sandbox):
    code = "x.count('1') % 2 if x[7] == '0' and x < '11' else 3 if x[6] == '1' else 0"
    contrast = dataset(WORDS[1::2])
    splits = replace(SPLITS, reveal=lambda: HeldOut(TEST, contrast, dataset(WORDS[::2])))
    result = search(sandbox, [answer(code)], splits=splits).result

    def guess(x: str) -> int | None:
        if x[7] == "0" and x < "11":
            return x.count("1") % 2
        return None if x[6] == "1" else 0

    for name, data in {
        "train": SPLITS.train,
        "validation": SPLITS.validation,
        "test": TEST,
        "contrast": contrast,
        "length_generalization": dataset(WORDS[::2]),
    }.items():
        wrong = [
            Mistake(x, y, guess(x))
            for x, y in zip(data.inputs, data.labels, strict=True)
            if guess(x) != y
        ]
        assert result.mistakes[name] == tuple(wrong[:20])
        assert getattr(result, name).errors == len(wrong)


def test_a_program_that_fails_on_a_data_set_has_no_mistakes_there(sandbox):
    code = "x.count('1') % 2 if x < '11' else (lambda: exec('while True: pass'))()"
    settings = SynthesisSettings(1, limits=Limits(seconds_per_candidate=0.5))
    result = search(sandbox, [answer(code)], settings=settings).result
    assert result.test.status == "timeout"
    assert "test" not in result.mistakes


def test_permuting_the_test_labels_changes_no_choice(sandbox):
    answers = [HALF, NEARLY.replace("else 0", "else 1"), RIGHT]
    other = Dataset(TEST.inputs, tuple(1 - y for y in TEST.labels))
    flipped = replace(SPLITS, reveal=lambda: HeldOut(other))
    runs = [search(sandbox, answers), search(sandbox, answers, splits=flipped)]
    assert [run.result.test.accuracy for run in runs] == [0.5, 0.5]
    runs += [search(sandbox, [RIGHT]), search(sandbox, [RIGHT], splits=flipped)]
    assert [run.result.test.accuracy for run in runs[2:]] == [1.0, 0.0]
    for one, other_run in (runs[:2], runs[2:]):
        assert timeless(one.attempts) == timeless(other_run.attempts)
        assert one.result.selected_attempt == other_run.result.selected_attempt
        assert one.result.certificate.validation == other_run.result.certificate.validation


def test_held_out_data_are_read_once_and_after_the_last_attempt(sandbox):
    seen = Seen()

    def reveal() -> HeldOut:
        seen.events.append("revealed")
        return HeldOut(TEST)

    splits = replace(SPLITS, reveal=reveal)
    llm = ScriptedLLM([HALF, RIGHT])
    asyncio.run(learn(splits, llm, sandbox, SynthesisSettings(4), observe=seen))
    assert seen.events.count("revealed") == 1
    assert seen.events[-1] == "revealed"
    assert len(seen.attempts) == 2


def timeless(attempts: list[Attempt]) -> list[Attempt]:
    return [
        replace(
            attempt,
            train=replace(attempt.train, cpu_seconds=0.0),
            validation=replace(attempt.validation, cpu_seconds=0.0),
        )
        for attempt in attempts
    ]


class Listening(LLM):
    """Answers wrongly and keeps every request."""

    name = "listening"

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        for index in request.indices:
            yield Completion(index, answer(str(index % 2)))


def test_the_model_sees_training_examples_once_and_nothing_else(sandbox):
    llm = Listening()
    run = search(sandbox, llm)
    (request,) = llm.requests
    assert run.seen.prompts == [request.prompt]
    lines = request.prompt.splitlines()
    assert all(f"{x} -> {x.count('1') % 2}" in lines for x in SPLITS.train.inputs)
    assert not any(x in request.prompt for x in SPLITS.validation.inputs + TEST.inputs)


def test_an_interrupted_search_goes_on_where_it_stopped(sandbox):
    whole = search(sandbox, [HALF, HALF, NEARLY[:-1], RIGHT])
    llm = Listening()
    rest = search(sandbox, llm, done=whole.attempts[:2], answers=some(whole.answers, 1, 2))
    assert llm.requests[0].indices == [3, 4]
    assert [attempt.index for attempt in rest.seen.told] == [3, 4]
    assert rest.result.attempts == 4
    assert rest.result.duplicates == 2  # one with a program of the interrupted part


def some(answers: dict[int, Completion], *indices: int) -> dict[int, Completion]:
    return {index: answers[index] for index in indices}


def test_a_finished_search_asks_for_nothing(sandbox):
    whole = search(sandbox, [HALF, RIGHT])
    llm = Listening()
    again = search(sandbox, llm, done=whole.attempts, answers=whole.answers)
    assert llm.requests == []
    assert again.result.selected_attempt == whole.result.selected_attempt
    assert again.result.test.accuracy == 1.0
    assert again.result.cost == whole.result.cost


class Batches(Listening):
    """Draws two answers at a time; the second of the first batch is the shorter program."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        bodies = ["x.count('1') % 2 + 0", "x.count('1') % 2", "0", "1"]
        for index in request.indices:
            yield Completion(index, answer(bodies[index - 1]), more_drawn=index % 2 == 1)


def test_what_was_drawn_together_is_verified_and_the_shortest_perfect_program_wins(sandbox):
    run = search(sandbox, Batches())
    assert len(run.attempts) == 2
    assert run.result.selected_attempt == 2
    resumed = search(sandbox, Batches(), done=run.attempts[:1], answers=some(run.answers, 1))
    assert [attempt.index for attempt in resumed.seen.told] == [2]
    assert resumed.result.selected_attempt == 2


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
    settings = SynthesisSettings(6)
    whole = search(sandbox, InFlight(), settings=settings)
    made, told = whole.seen.told, whole.seen.answers
    assert [attempt.index for attempt in made] == [3, 1, 4, 2]
    assert [one.index for one in told] == [3, 1, 4, 2, 5]
    assert whole.result.selected_attempt == 4
    answers = told[:-1]
    seed = sample_seed(SPLITS.key.function, SPLITS.key.length, SPLITS.key.seed)
    again = search(sandbox, ReplayLLM("same", {seed: answers}), settings=settings)
    assert timeless(again.attempts) == timeless(whole.attempts)
    for stop in (1, 2, 3, 4):
        llm = InFlight()
        journaled = {one.index: one for one in answers}
        resumed = search(sandbox, llm, settings=settings, done=made[:stop], answers=journaled)
        assert llm.requests == []
        assert timeless(resumed.seen.told) == timeless(made[stop:])
        assert resumed.result.selected_attempt == 4
        assert resumed.result.attempts == 4


def test_duplicates_are_counted_and_not_run_again(sandbox):
    run = search(sandbox, [HALF, HALF, answer("0")], attempts=4)
    assert [attempt.duplicate_of for attempt in run.attempts] == [None, 1, None, 3]
    assert run.attempts[1].validation == run.attempts[0].validation
    assert run.result.duplicates == 2


class OutOfOrder(Listening):
    """Several samples are in flight, and the last one comes first."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        for index in reversed(request.indices):
            yield Completion(index, HALF)


def test_a_duplicate_may_arrive_before_the_attempts_with_lower_indices(sandbox):
    run = search(sandbox, OutOfOrder())
    assert [attempt.index for attempt in run.attempts] == [1, 2, 3, 4]
    assert [attempt.duplicate_of for attempt in run.attempts] == [4, 4, 4, None]
    limits = SynthesisSettings(4).limits
    told: list[Event] = []
    data = HeldOut(TEST)
    facts = judge(
        run.result, run.attempts, data, sandbox, limits, all_drawn=False, observe=told.append
    )
    assert told == [Judged(0, 1), Judged(1, 1)], "duplicates do not run again"
    assert facts.test_accuracies == (0.5,) * 4
    assert facts.pass_at is None
    there = [attempt for attempt in run.attempts if attempt.index in (3, 4)]
    answers = some(run.answers, 4, 3)
    resumed = search(sandbox, OutOfOrder(), done=there, answers=answers)
    assert [attempt.duplicate_of for attempt in resumed.attempts] == [4, 4]


class Twice:
    """A strategy that asks for one sample at a time, and only for two."""

    def __init__(self, request, settings) -> None:
        self.request = request
        self.heard: list[int] = []

    def ask(self, history):
        drawn = len(history)
        return None if drawn == 2 else replace(self.request, indices=[drawn + 1])

    def tell(self, attempt) -> None:
        self.heard.append(attempt.index)


def test_a_strategy_of_ones_own_decides_what_is_asked_and_hears_of_every_attempt(sandbox):
    made: list[Twice] = []

    def make(request, settings):
        made.append(Twice(request, settings))
        return made[-1]

    llm = Listening()
    run = search(sandbox, llm, strategy=make, attempts=4)
    assert [list(request.indices) for request in llm.requests] == [[1], [2]]
    assert made[0].heard == [1, 2]
    assert run.result.attempts == 2


def test_a_model_without_further_answers_ends_the_search(sandbox):
    seed = sample_seed(SPLITS.key.function, SPLITS.key.length, SPLITS.key.seed)
    run = search(sandbox, ReplayLLM("short", {seed: [Completion(1, HALF)]}), attempts=3)
    assert run.result.attempts == 1


class Greedy(Twice):
    """A strategy that always asks for more than there is, and keeps what it hears."""

    def ask(self, history):
        self.history = history
        return replace(self.request, prompt="another prompt", indices=range(1, 100))


def test_a_strategy_cannot_pass_the_budget_nor_learn_of_validation_data(sandbox):
    made: list[Greedy] = []

    def make(request, settings):
        made.append(Greedy(request, settings))
        return made[-1]

    llm = Listening()
    run = search(sandbox, llm, strategy=make, attempts=3)
    assert run.result.attempts == 3
    assert [list(request.indices) for request in llm.requests] == [[1, 2, 3]]
    assert all(not hasattr(tried, "validation") for tried in made[0].history)
    assert run.seen.prompts[1:] == ["another prompt"]
    resumed = search(
        sandbox,
        llm,
        strategy=make,
        attempts=3,
        done=run.attempts[:2],
        answers=some(run.answers, 1, 2),
    )
    assert made[1].heard == [1, 2, 3]  # those of the interrupted part included
    assert list(llm.requests[-1].indices) == [3]
    assert resumed.result.attempts == 3


def test_independent_sampling_asks_for_what_was_not_drawn():
    tried = [Tried(index, Candidate(None), Verdict("ok", 1, 0, 2)) for index in (1, 3)]
    strategy = IndependentSampling(Request("prompt", indices=range(1, 5)), SynthesisSettings(4))
    assert strategy.ask([]).indices == [1, 2, 3, 4]
    assert strategy.ask(tried).indices == [2, 4]
    assert strategy.ask([*tried, *tried, *(replace(t, index=t.index + 1) for t in tried)]) is None


def test_the_certificate_uses_the_budget_and_not_the_attempts_made(sandbox):
    result = search(sandbox, [RIGHT], attempts=50).result
    assert result.attempts == 1
    assert result.certificate.validation.choices == 50
    assert result.certificate.error_upper_bound == pytest.approx(1 - (0.05 / 50) ** (1 / 32))


def test_shared_inputs_carry_no_certificate(sandbox):
    run = search(sandbox, [RIGHT], splits=replace(SPLITS, independent=False))
    assert run.result.certificate is None


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
    assert run.result.validation.accuracy == 1.0
    assert run.result.test.accuracy == 1.0


@pytest.mark.parametrize("value", ["None", "'maybe'", "2", "0.5", "[1]", "float('nan')"])
def test_what_is_no_label_never_counts_as_right(sandbox, value):
    run = search(sandbox, [answer(value)], attempts=1)
    assert run.result.validation.correct == 0
    assert run.result.validation.invalid == 32


@pytest.mark.parametrize(
    "code",
    [
        "import random\n\ndef f(x):\n    return random.randrange(2)",
        "seen = []\n\ndef f(x):\n    seen.append(x)\n    return len(seen) % 2",
    ],
)
def test_a_program_that_answers_differently_when_run_again_is_not_selected(sandbox, code):
    run = search(sandbox, [json.dumps({"code": code}), HALF], attempts=2)
    assert run.result.selected_attempt == 2
    alone = search(sandbox, [json.dumps({"code": code})], attempts=1)
    assert alone.result.selected_attempt is None
    assert alone.attempts[0].validation.status == "nondeterministic"
    assert alone.result.certificate is None


def test_a_perfect_program_that_fails_its_replay_does_not_end_the_search(sandbox, monkeypatch):
    replay = sandbox.replay

    def doubting(source, inputs, first, *more, **runs):
        if "+ 0" in source:
            return replace(
                first, status="nondeterministic", predictions=first.predictions * 0 + 255
            )
        return replay(source, inputs, first, *more, **runs)

    monkeypatch.setattr(sandbox, "replay", doubting)
    run = search(sandbox, [answer("x.count('1') % 2 + 0"), RIGHT], attempts=2)
    assert [a.validation.status for a in run.attempts] == ["nondeterministic", "ok"]
    assert run.result.selected_attempt == 2


class Expressions(Listening):
    """Answers with one bare expression, as the grammar of the small model has it."""

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        self.requests.append(request)
        yield Completion(request.indices[0], "x.count('1')%2==0")


def test_an_expression_that_fits_better_upside_down_is_turned(sandbox):
    llm = Expressions()
    result = search(sandbox, llm, settings=SynthesisSettings(8, constraint="grammar")).result
    assert llm.requests[0].grammar
    assert result.train.accuracy == 1.0
    assert result.test.accuracy == 1.0
    assert result.certificate.validation.choices == 8


def test_an_answer_that_is_no_expression_is_not_turned_into_another_function(sandbox):
    """Within the brackets of its complement, the second line would count as well."""
    text = "1 - x.count('1') % 2\n    -0 * x.count('1')"
    run = search(sandbox, [text], attempts=1, settings=SynthesisSettings(1, constraint="grammar"))
    assert [attempt.validation.status for attempt in run.attempts] == ["no_code"]
    assert run.result.program is None


def test_candidates_and_seconds_are_counted_up_to_the_first_with_the_selected_program(sandbox):
    """Answers follow one another; those that were drawn together share their time."""
    said = [(HALF, 2.0), ("no idea", 2.0), (RIGHT, 3.0), (RIGHT, 4.0)]
    completions = [
        Completion(index, text, latency_seconds=seconds)
        for index, (text, seconds) in enumerate(said, start=1)
    ]
    key = SPLITS.key
    llm = ReplayLLM("m", {sample_seed(key.function, key.length, key.seed): completions})
    run = search(sandbox, llm, settings=SynthesisSettings(4, early_stop=False))
    assert (run.result.selected_attempt, run.result.candidates_to_selected) == (3, 3)
    computed = sum(attempt.validation.cpu_seconds for attempt in run.attempts[:3])
    assert run.result.seconds_to_selected == pytest.approx(2.0 + 3.0 + computed)
