"""Strategies with feedback: what the model is shown, and what nobody learns of validation data."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_erm.errors import InputError
from llm_erm.execution import Limits
from llm_erm.llms.budget import Budget
from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.mistakes import Mistake
from llm_erm.records import Candidate, Verdict
from llm_erm.runs.jobs import Work
from llm_erm.sandbox import Sandbox
from llm_erm.synthesis.feedback import MOST_BYTES, MOST_PROGRAM_BYTES, Tried, improving, repairing
from llm_erm.synthesis.learn import learn, prompt_for
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.strategies import STRATEGIES, Population, Refinement, sample_seed
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.splits import load
from searching import HALF, RIGHT, SPLITS, WORDS, answer, search
from watching import Seen

PROMPT = prompt_for(SPLITS, SynthesisSettings(3))
TOTAL = len(SPLITS.train)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as opened:
        yield opened


class Repairing(LLM):
    """Proposes that the label is always 1, and repairs a program that it is shown, step by step."""

    name = "scripted:repairing"

    def __init__(self) -> None:
        self.prompts: list[str] = []

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        for index in request.indices:
            self.prompts.append(request.prompt)
            shown = re.findall(r"return (.*)", request.prompt)
            body = {"1": "int(x[7])", "int(x[7])": "x.count('1') % 2"}.get(
                shown[-1] if shown else "", "1"
            )
            yield Completion(index, answer(body), cost_usd=0.0)


def test_refinement_finds_at_k_3_what_independent_proposals_do_not(sandbox):
    refined = search(sandbox, Repairing(), attempts=3, strategy=Refinement)
    assert refined.result.exact
    assert refined.result.candidates_to_selected == 3
    assert refined.result.facts.strategy == "refine"
    alone = search(sandbox, Repairing(), attempts=3)
    assert not alone.result.exact
    assert alone.result.facts.strategy == "independent"
    bounds = [one.result.certificate.validation.choices for one in (refined, alone)]
    assert bounds == [3, 3]


def test_a_repair_is_asked_for_with_the_program_and_what_it_gets_wrong(sandbox):
    llm = Repairing()
    search(sandbox, llm, attempts=3, strategy=Refinement)
    assert llm.prompts[0] == PROMPT
    wrong = [x for x in SPLITS.train.inputs if x.count("1") % 2 == 0]
    assert f"It gets {len(wrong)} examples of {TOTAL} wrong" in llm.prompts[1]
    assert "```python\ndef f(x):\n    return 1\n```" in llm.prompts[1]
    said = [line for line in llm.prompts[1].splitlines() if "but the program" in line]
    assert said == [f"{x} -> 0, but the program returns 1" for x in wrong[:10]]
    assert llm.prompts[1].endswith(PROMPT[PROMPT.index("# Answer") :])
    assert all(x not in prompt for prompt in llm.prompts for x in SPLITS.validation.inputs)


SMUGGLING = """\
seen = []

def f(x):
    seen.append(x)
    return 1 if len(seen) > 64 or x == "00000000" else 0
"""
"""Answers otherwise if it has met more inputs than there are training examples."""


@pytest.mark.parametrize("strategy", [Refinement, Population])
def test_no_answer_to_a_training_input_can_carry_what_the_program_saw_of_validation(
    sandbox, strategy
):
    """Run together with validation inputs, it is right on other training examples."""
    heard: list[Tried] = []

    class Hearing(strategy):
        def tell(self, attempt: Tried) -> None:
            heard.append(attempt)

    run = search(sandbox, [SMUGGLING], attempts=1, strategy=Hearing)
    ones = sum(SPLITS.train.labels)
    wrong_on_none = SPLITS.train.inputs.index("00000000")
    alone = TOTAL - ones - (SPLITS.train.labels[wrong_on_none] == 0)
    assert heard[0].train.correct == alone
    assert run.attempts[0].train.correct != alone  # or this test shows nothing


class Hurt:
    """A strategy of one's own that does not say that it wants feedback."""

    def __init__(self, request, settings) -> None:
        self.request = request

    def ask(self, history):
        self.history = list(history)
        return None if history else self.request

    def tell(self, attempt) -> None: ...


def test_a_strategy_that_asks_for_no_feedback_gets_none_and_runs_nothing_twice(sandbox):
    made = []

    def make(request, settings):
        made.append(Hurt(request, settings))
        return made[-1]

    search(sandbox, [HALF], attempts=1, strategy=make)
    (tried,) = made[0].history
    assert tried.train is None
    assert tried.mistakes == ()


def tried(index, source, errors=3, status="ok", message=None):
    correct = TOTAL - errors if status == "ok" else 0
    verdict = Verdict(status, correct, 0 if status == "ok" else TOTAL, TOTAL, message)
    mistakes = tuple(Mistake(WORDS[i], 0, 1) for i in range(min(errors, 20)))
    return Tried(index, Candidate(source), verdict, mistakes if status == "ok" else ())


def asked(strategy, history, attempts=9):
    request = Request(PROMPT, indices=range(1, attempts + 1))
    return strategy(request, SynthesisSettings(attempts)).ask(history)


def test_refinement_starts_afresh_where_training_data_say_nothing_more():
    wrong = tried(1, "def f(x): return 1")
    assert asked(Refinement, [wrong]).prompt != PROMPT
    for last in (
        tried(2, None),  # no program
        tried(2, "def f(x): return 0", errors=0),
        tried(2, "def f(x): return 1"),  # proposed before
        tried(2, f"def f(x): return {'1' * MOST_PROGRAM_BYTES}"),
    ):
        assert asked(Refinement, [wrong, last]).prompt == PROMPT, last


def test_refinement_tells_why_a_program_did_not_run():
    last = tried(1, "def f(x): return y", status="load_error", message="no name y")
    assert "It did not run: load_error (no name y)." in asked(Refinement, [last]).prompt


@pytest.mark.parametrize("strategy", [Refinement, Population])
def test_feedback_asks_for_one_sample_at_a_time_and_not_for_more_than_the_budget(strategy):
    history = [tried(1, "def f(x): return 1"), tried(3, "def f(x): return 0")]
    assert list(asked(strategy, history).indices) == [2]
    assert asked(strategy, history, attempts=1) is None


def test_a_population_shows_the_three_best_programs_once_each_and_the_best_last():
    history = [
        tried(1, "def f(x): return 10", errors=10),
        tried(2, "def f(x): return 5", errors=5),
        tried(3, "def f(x): return 5", errors=5),
        tried(4, "def f(x): return 20", errors=20),
        tried(5, "def f(x): return 0", errors=0),
        tried(6, "def f(x): return y", status="crash"),
        tried(7, "def f(x): return 7", errors=7),
        tried(8, None),
    ]
    prompt = asked(Population, history).prompt
    assert re.findall(r"return (\d+)", prompt) == ["10", "7", "5"]
    assert re.findall(r"Wrong on (.*):", prompt) == [f"{n} examples of {TOTAL}" for n in (10, 7, 5)]
    assert asked(Population, history[4:6]).prompt == PROMPT


@given(st.lists(st.tuples(st.text(max_size=MOST_PROGRAM_BYTES), st.integers(0, TOTAL)), max_size=5))
def test_what_feedback_adds_to_a_prompt_stays_below_what_the_budget_reserves(programs):
    history = [tried(i, source, errors) for i, (source, errors) in enumerate(programs, 1)]
    long = Mistake("é" * 500 + "…", 0, 1)
    history = [replace(one, mistakes=(long,) * min(20, one.train.errors)) for one in history]
    prompts = [improving(PROMPT, history), *(repairing(PROMPT, one) for one in history)]
    for prompt in prompts:
        assert len(prompt.encode("utf-8", "replace")) - len(PROMPT.encode()) <= MOST_BYTES


@pytest.mark.parametrize("strategy", ["refine", "population"])
def test_an_interrupted_search_goes_on_with_the_same_prompts(sandbox, strategy):
    make = STRATEGIES[strategy]
    whole = Repairing()
    run = search(sandbox, whole, attempts=3, strategy=make)
    for done in (1, 2):
        part = Repairing()
        resumed = search(
            sandbox,
            part,
            attempts=3,
            strategy=make,
            done=run.attempts[:done],
            answers={index: run.answers[index] for index in range(1, done + 1)},
        )
        assert part.prompts == whole.prompts[done:]
        assert resumed.result.program == run.result.program


def test_the_journal_has_the_prompt_of_every_sample(sandbox):
    """Also of one that is asked the first prompt again."""
    seen = Seen()
    llm = ScriptedLLM([answer("1"), "no program", answer("0"), RIGHT])
    result = asyncio.run(
        learn(SPLITS, llm, sandbox, SynthesisSettings(4), strategy=Refinement, observe=seen)
    )
    assert result.exact
    assert seen.prompts[0] == seen.prompts[2] == PROMPT
    assert len(seen.prompts) == 4


def test_the_embedded_model_cannot_be_shown_programs():
    method = Synthesis(
        llm=ScriptedLLM(["1"]),
        settings=SynthesisSettings(4, constraint="grammar"),
        strategy=Refinement,
    )
    with pytest.raises(
        InputError, match="The strategy refine shows earlier programs in the prompt"
    ):
        method.jobs([DataSpec(function="fn_a", length=8)])


@pytest.fixture(scope="module")
def coverage():
    path = Path(__file__).parents[2] / "benchmarks" / "coverage_of_strategies.py"
    spec = spec_from_file_location("coverage_of_strategies", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_bound_at_k_holds_for_every_strategy(coverage, strategy):
    """Luck exceeds 5.5 standard errors of 400 runs once in 10^7 runs."""
    held, _ = coverage.covered(np.random.default_rng(0), STRATEGIES[strategy], 24, 400)
    assert held >= 0.95 - 5.5 * (0.05 * 0.95 / 400) ** 0.5


def test_feedback_does_lower_training_errors_in_the_simulation(coverage):
    fitted = [
        coverage.covered(np.random.default_rng(0), STRATEGIES[name], 24, 100)[1]
        for name in ("population", "independent")
    ]
    assert fitted[0] < fitted[1]


def test_the_simulation_would_show_that_validation_data_leak(coverage):
    held, _ = coverage.covered(np.random.default_rng(0), Population, 48, 60, leaks=True)
    assert held < 0.7


def test_limits_apply_to_runs_on_training_inputs_as_well(sandbox):
    settings = SynthesisSettings(2, limits=Limits(0.2, 0.5))
    run = search(
        sandbox,
        [answer("[0 for _ in iter(int, 1)]"), RIGHT],
        settings=settings,
        strategy=Refinement,
    )
    assert "It did not run: timeout" in run.seen.prompts[1]


def test_a_strategy_is_known_by_its_name_in_python():
    method = Synthesis.of("local", attempts=2, constraint="free-block", strategy="population")
    assert method.strategy is Population
    with pytest.raises(InputError, match="There is no strategy 'evolve'; give independent, refine"):
        Synthesis.of("local", strategy="evolve")


def test_a_resumed_search_journals_the_prompt_that_it_goes_on_with(sandbox):
    """Also if that is the first prompt again, after others."""
    answers = [answer("1"), "no program", answer("0"), RIGHT]
    run = search(sandbox, answers, attempts=4, strategy=Refinement)
    rest = search(
        sandbox,
        answers,
        attempts=4,
        strategy=Refinement,
        done=run.attempts[:2],
        answers={index: run.answers[index] for index in (1, 2)},
    )
    assert rest.seen.prompts[:2] == [PROMPT, PROMPT]  # of the search, and of sample 3


def test_why_there_is_no_label_is_part_of_the_feedback():
    verdict = Verdict("ok", 0, TOTAL, TOTAL, "KeyError: 'a'")
    last = Tried(1, Candidate("def f(x): return {}['a']"), verdict, (Mistake("0", 0, None),))
    assert f"On {TOTAL} examples it returns no label: KeyError: 'a'" in repairing(PROMPT, last)


def test_searches_with_other_prompts_draw_other_samples():
    seeds = {sample_seed("fn_a", 8, 1, variant) for variant in ("", "prompt=a", "prompt=b")}
    assert len(seeds) == 3


def test_the_budget_reserves_what_feedback_adds(monkeypatch, sandbox, tmp_path):
    """The worst case of a call of a strategy with feedback is that of its longest prompt."""
    reserved = []

    class Counting(Budget):
        def begin(self, completions, prompt_bytes, max_output_tokens):
            reserved.append(prompt_bytes)
            super().begin(completions, prompt_bytes, max_output_tokens)

    class Costly(ScriptedLLM):
        budget = Counting()

    spec = DataSpec(function="fn_a", length=8, train_size=20, val_size=20, test_size=40)
    splits = load(spec, tmp_path)
    for strategy in STRATEGIES.values():
        method = Synthesis(llm=Costly(["1"]), settings=SynthesisSettings(2), strategy=strategy)
        with method.session([Work(job, splits) for job in method.jobs([spec])], ()):
            pass
    independent, *others = reserved
    assert others == [independent + MOST_BYTES] * 2
