"""An agent that submits programs is told of training data alone, and its budget holds."""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from llm_erm.errors import InputError
from llm_erm.llms.agent import AgentLLM
from llm_erm.records import Candidate
from llm_erm.runs.events import Attempted
from llm_erm.runs.run import Plan, opened, plan
from llm_erm.sandbox import Sandbox
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.synthesis.submissions import MISTAKES, MOST_CHARACTERS, Submissions
from llm_erm.synthesis.verifier import Verifier
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Dataset

SPEC = DataSpec(function="fn_a", length=20, train_size=30, val_size=30, test_size=60)
PARITY = "def f(x):\n    return x.count('1') % 2"
ONES = "def f(x):\n    return 1"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1) as opened_sandbox:
        yield opened_sandbox


class Spy:
    """A sandbox that notes which inputs programs are given."""

    def __init__(self, sandbox: Sandbox, seen: list[str]) -> None:
        self._sandbox, self._seen = sandbox, seen

    def execute(self, source, inputs, *arguments):
        self._seen += inputs
        return self._sandbox.execute(source, inputs, *arguments)

    def __getattr__(self, name):
        return getattr(self._sandbox, name)


def planned(folder: Path, attempts: int = 3, agent: str = "someone", **settings) -> Plan:
    method = Synthesis(
        llm=AgentLLM(agent), settings=SynthesisSettings(attempts=attempts), **settings
    )
    return plan(method, [SPEC], folder / "run", dataset_dir=folder / "datasets")


@dataclass
class Game:
    run: Plan
    submissions: Submissions

    @property
    def held_out(self) -> list[str]:
        (splits,) = self.run.data
        others = splits.reveal()
        sets = (splits.validation, others.test, others.contrast, others.length_generalization)
        return [x for data in sets if data is not None for x in data.inputs]


@contextmanager
def playing(run: Plan, sandbox, *, fresh: bool = False) -> Iterator[Game]:
    with opened(run, fresh=fresh) as folder:
        yield Game(run, Submissions(run, folder, sandbox))


@pytest.fixture
def game(tmp_path: Path, sandbox: Sandbox) -> Iterator[Game]:
    with playing(planned(tmp_path), sandbox) as one:
        yield one


def quoted(texts: Iterable[str], held_out: Iterable[str]) -> set[str]:
    """The held-out inputs in texts; shorter ones could be a part of a training input."""
    said = "\n".join(texts)
    words = set(re.findall("[01]+", said))
    return {x for x in held_out if x in words or (len(x) >= SPEC.length and x in said)}


def wrong_lines(reply: str) -> list[str]:
    return [line for line in reply.splitlines() if "but it returns" in line]


def test_the_task_has_its_examples_and_its_rules(game):
    said = game.submissions.describe_task()
    (splits,) = game.run.data
    for x, y in zip(splits.train.inputs, splits.train.labels, strict=True):
        assert f"{x} -> {y}\n" in said
    assert "a string of 20 binary digits" in said
    assert "at most 3 times" in said
    assert said.endswith("3 submissions of 3 are left.")


def test_a_wrong_program_is_told_where_it_is_wrong(game):
    (splits,) = game.run.data
    reply = game.submissions.submit(ONES)
    assert "Submission 1 is right on 15 of 30 examples." in reply
    assert reply.endswith("2 submissions of 3 are left.")
    zeros = [x for x, y in zip(splits.train.inputs, splits.train.labels, strict=True) if y == 0]
    assert wrong_lines(reply) == [f"{x} -> 0, but it returns 1" for x in zeros[:MISTAKES]]


def test_a_right_program_is_selected_and_certified(game):
    game.submissions.submit(ONES)
    reply = game.submissions.submit(PARITY)
    assert "is right on 30 of 30 examples" in reply
    assert wrong_lines(reply) == []
    said = game.submissions.finish()
    assert "Submission 2 is selected" in said
    assert PARITY in said
    result = game.submissions.result
    assert (result.selected_attempt, result.attempts, result.model) == (2, 2, "agent:someone")
    assert result.certificate.validation.choices == 3  # the budget, not the number of submissions
    assert "\n".join(result.certificate.in_words) in said
    assert said.endswith(
        "agent:someone could read the files of the data, and bounds hold only if it read neither "
        "validation nor test examples; hide the data (--hide-data) to keep these out of "
        "files."
    )
    assert result.facts.pass_at is None  # submissions are no independent samples
    assert game.submissions.finish() == said


def test_bounds_on_hidden_data_need_no_such_premise(tmp_path, sandbox):
    run = planned(tmp_path)
    run = replace(run, data=(replace(run.data[0], hidden=True),))
    with playing(run, sandbox) as game:
        game.submissions.submit(PARITY)
        said = game.submissions.finish()
        assert said.endswith("\n".join(game.submissions.result.certificate.in_words))


def test_what_is_wrong_with_a_program_is_told(game):
    reply = game.submissions.submit("I have no idea.")
    assert "Submission 1 counts, but no program was found in it (no code" in reply
    reply = game.submissions.submit("def f(x):\n    return 1 / 0")
    assert "right on 0 of 30 examples" in reply
    assert "On 30 examples it returns no label (ZeroDivisionError: division by zero)" in reply
    assert "but it returns no label" in reply
    reply = game.submissions.submit("import time\ntime.sleep(1e9)\ndef f(x): return 1")
    assert "Submission 3 failed on the training examples: " in reply
    assert "No submitted program ran" not in game.submissions.finish()  # the second one did


def test_a_program_that_is_not_the_whole_text_is_shown(game):
    reply = game.submissions.submit(f"I think it is parity.\n\n```python\n{PARITY}\n```\n")
    assert f"```python\n{PARITY}\n```" in reply


def test_the_same_program_again_counts(game):
    game.submissions.submit(PARITY)
    reply = game.submissions.submit(f"Again:\n```python\n{PARITY}\n```")
    assert "It repeats submission 1, and counts." in reply
    assert reply.endswith("1 submission of 3 is left.")
    game.submissions.finish()
    assert game.submissions.result.duplicates == 1


def test_the_budget_holds(game):
    for _ in range(3):
        game.submissions.submit(ONES)
    reply = game.submissions.submit(PARITY)
    assert reply == ("This submission was not accepted. All 3 submissions are made; call finish.")
    game.submissions.finish()
    assert game.submissions.result.attempts == 3
    assert game.submissions.result.program == ONES


def test_the_budget_holds_for_submissions_at_the_same_time(tmp_path, sandbox):
    with playing(planned(tmp_path, attempts=7), sandbox) as game, ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(game.submissions.submit, [ONES] * 30))
        accepted = [reply for reply in replies if "not accepted" not in reply]
        numbers = {int(re.search(r"Submission (\d+)", reply)[1]) for reply in accepted}
        assert (len(accepted), numbers) == (7, {1, 2, 3, 4, 5, 6, 7})
    assert (tmp_path / "run/answers.jsonl").read_text().count("\n") == 7


def test_nothing_can_be_submitted_after_the_end(game):
    game.submissions.submit(ONES)
    game.submissions.finish()
    assert game.submissions.submit(PARITY) == (
        "This submission was not accepted. The task is over, so nothing can be submitted any "
        "more; finish tells the result again."
    )
    assert game.submissions.result.attempts == 1


def test_an_end_without_submissions_is_no_end(game):
    assert "Nothing was submitted yet" in game.submissions.finish()
    assert game.submissions.result is None
    assert "Submission 1 is right" in game.submissions.submit(PARITY)


def test_a_text_that_is_too_long_does_not_count(game):
    reply = game.submissions.submit("x" * 2**20)
    assert reply == (
        f"The text has 1,048,576 characters, and {MOST_CHARACTERS:,} are the most. It was not "
        "read and does not count. 3 submissions of 3 are left."
    )


def test_code_runs_on_the_examples_and_is_kept_with_the_next_submission(game):
    assert game.submissions.run_python("len(examples)") == "30\n"
    game.submissions.submit(PARITY)
    game.submissions.submit(ONES)
    game.submissions.finish()
    assert game.submissions.result.cost.tool_calls == 1
    assert game.submissions.result.cost.usd is None  # what an agent costs is not known here


def test_no_program_meets_a_held_out_input_before_the_end(tmp_path, sandbox):
    seen, selecting = [], []

    @contextmanager
    def own_sandbox(**_):
        with Sandbox(1) as one:
            yield Spy(one, selecting)

    run = planned(tmp_path, sandbox=own_sandbox)
    with playing(run, Spy(sandbox, seen)) as game:
        held_out = set(game.held_out)
        game.submissions.submit(ONES)
        game.submissions.submit(PARITY)
        assert len(seen) == 60
        assert set(seen) <= set(run.data[0].train.inputs)
        assert selecting == []
        assert not (tmp_path / "run/attempts.jsonl").exists()
        game.submissions.finish()
        assert held_out & set(selecting)
        assert not held_out & set(seen)


def test_replies_do_not_depend_on_validation_data(tmp_path, sandbox):
    """The same training examples with other validation labels and inputs: the same replies."""
    programs = (ONES, PARITY, "nothing", PARITY, "def f(x):\n    return int(x[0])")
    run = planned(tmp_path, attempts=9)
    (splits,) = run.data
    labels = tuple(1 - y for y in splits.validation.labels)
    others = (
        replace(splits, validation=Dataset(splits.validation.inputs, labels)),
        replace(splits, validation=splits.train),
    )
    replies = []
    for number, data in enumerate((splits, *others)):
        altered = replace(run, data=(data,), folder=tmp_path / f"run{number}")
        with playing(altered, sandbox) as game:
            said = [game.submissions.describe_task(), *map(game.submissions.submit, programs)]
            replies.append(said)
    assert replies[0] == replies[1] == replies[2]


SMUGGLER = """
import sys
KNOWN = set(KNOWN_INPUTS)
seen = []
def f(x):
    seen.append(x)
    print(x)
    print(x, file=sys.stderr)
    others = [one for one in seen if one not in KNOWN]
    if others:
        raise ValueError(" ".join(others))
    return int(seen[0][len(seen) % 20])
"""


def test_a_program_cannot_carry_held_out_inputs_out(tmp_path, sandbox):
    run = planned(tmp_path)
    known = repr(run.data[0].train.inputs)
    with playing(run, sandbox) as game:
        said = [
            game.submissions.submit(SMUGGLER.replace("KNOWN_INPUTS", known)),
            game.submissions.submit(f"```python\n{SMUGGLER.replace('KNOWN_INPUTS', known)}\n```"),
            game.submissions.submit(SMUGGLER.replace("KNOWN_INPUTS", "()")),
            game.submissions.describe_task(),
            game.submissions.finish(),
            game.submissions.finish(),
            game.submissions.describe_task(),
        ]
        held_out = game.held_out
        assert game.submissions.result.attempts == 3
    assert quoted(said, held_out) == set()


def test_an_exception_that_quotes_a_test_input_is_not_passed_on(tmp_path, sandbox):
    run = planned(tmp_path)
    (splits,) = run.data
    known = repr((*splits.train.inputs, *splits.validation.inputs))
    source = (
        f"KNOWN = {known}\nseen = []\ndef f(x):\n    seen.append(x)\n"
        "    if x not in KNOWN:\n        raise ValueError(x)\n    return x.count('1') % 2"
    )
    with playing(run, sandbox) as game:
        game.submissions.submit(source)
        said = game.submissions.finish()
        held_out = game.held_out
        result = game.submissions.result
    assert result.test.correct == 0
    assert quoted([result.test.message], held_out)  # there is something to keep
    assert quoted([said.replace(source, "")], held_out) == set()


def test_an_interrupted_run_goes_on_with_what_is_left(tmp_path, sandbox):
    run = planned(tmp_path)
    with playing(run, sandbox) as game:
        game.submissions.submit(PARITY)
        game.submissions.submit(ONES)
    with playing(run, sandbox) as game:
        assert game.submissions.describe_task().endswith("1 submission of 3 is left.")
        assert "It repeats submission 1" in game.submissions.submit(PARITY)
        assert "not accepted" in game.submissions.submit(ONES)
        said = game.submissions.finish()
    with playing(run, sandbox) as game:
        assert "not accepted" in game.submissions.submit(ONES)
        assert game.submissions.finish() == said
        assert game.submissions.result.attempts == 3


def test_a_run_that_was_killed_while_it_selected_takes_no_more_submissions(
    tmp_path, sandbox, monkeypatch
):
    run = planned(tmp_path)
    add, done = Verifier.add, []

    def once(self, completion):
        if done:
            raise KeyboardInterrupt
        done.append(completion)
        return add(self, completion)

    with playing(run, sandbox) as game:
        game.submissions.submit(ONES)
        game.submissions.submit(PARITY)
        monkeypatch.setattr(Verifier, "add", once)
        with pytest.raises(KeyboardInterrupt):
            game.submissions.finish()
    monkeypatch.undo()
    assert (tmp_path / "run/attempts.jsonl").read_text().count("\n") == 1
    with playing(run, sandbox) as game:
        assert "not accepted" in game.submissions.submit(PARITY)
        assert "Submission 2 is selected" in game.submissions.finish()


def test_a_call_of_finish_is_final_even_before_the_first_verdict(tmp_path, sandbox, monkeypatch):
    run = planned(tmp_path)

    def killed(self, completion):
        assert (tmp_path / "run/closed").exists()
        raise KeyboardInterrupt

    with playing(run, sandbox) as game:
        game.submissions.submit(ONES)
        assert not (tmp_path / "run/closed").exists()
        monkeypatch.setattr(Verifier, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            game.submissions.finish()
    monkeypatch.undo()
    assert not (tmp_path / "run/attempts.jsonl").exists()
    with playing(run, sandbox) as game:
        assert game.submissions.submit(PARITY) == (
            "This submission was not accepted. The task is over, so nothing can be submitted any "
            "more; finish tells the result."
        )
        assert "Submission 1 is selected" in game.submissions.finish()
    with playing(run, sandbox, fresh=True) as game:
        assert game.submissions.describe_task().endswith("3 submissions of 3 are left.")


def test_a_call_of_finish_that_cannot_be_kept_ends_nothing(game, tmp_path):
    game.submissions.submit(ONES)
    (tmp_path / "run/closed").mkdir()
    with pytest.raises(InputError, match="Cannot write to"):
        game.submissions.finish()
    assert not (tmp_path / "run/attempts.jsonl").exists()
    assert "Submission 2 is right" in game.submissions.submit(PARITY)


def test_an_attempt_in_the_folder_ends_the_submissions(tmp_path, sandbox):
    run = planned(tmp_path)
    with playing(run, sandbox) as game:
        game.submissions.submit(ONES)
    with opened(run) as folder:
        add = Verifier(*_verifier_of(run, sandbox, folder)).add
        attempt = add(folder.answers(run.jobs[0].key)[1])
        assert attempt.candidate == Candidate(ONES)
        folder(run.jobs[0].key, Attempted(attempt))
    with playing(run, sandbox) as game:
        assert "not accepted" in game.submissions.submit(PARITY)


def _verifier_of(run, sandbox, folder):
    answers = folder.answers(run.jobs[0].key)
    return run.data[0], sandbox, run.method.settings, (), answers, lambda attempt: None


def test_another_budget_is_another_run(tmp_path, sandbox):
    with playing(planned(tmp_path), sandbox) as game:
        game.submissions.submit(ONES)
    with (
        pytest.raises(InputError, match=r"a run with other settings \(.*attempts.*\)"),
        playing(planned(tmp_path, attempts=4), sandbox),
    ):
        pass


def test_a_fresh_run_counts_as_another_look(tmp_path, sandbox):
    for number in (1, 2):
        with playing(planned(tmp_path), sandbox, fresh=True) as game:
            game.submissions.submit(PARITY)
            said = game.submissions.finish()
            assert game.submissions.result.certificate.all_looks.number == number
    assert "This is result 2 on the same data." in said


def test_a_run_is_of_one_data_set(tmp_path, sandbox):
    method = Synthesis(llm=AgentLLM("a"), settings=SynthesisSettings(attempts=2))
    specs = [SPEC, replace(SPEC, trial=2)]
    run = plan(method, specs, tmp_path / "run", dataset_dir=tmp_path / "datasets")
    with opened(run) as folder, pytest.raises(InputError, match="one data set, but got 2"):
        Submissions(run, folder, sandbox)


@pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "x" * 61, "-a"])
def test_an_agent_has_a_name_that_files_can_have(name):
    with pytest.raises(InputError, match="give a name of at most 60"):
        AgentLLM(name)
