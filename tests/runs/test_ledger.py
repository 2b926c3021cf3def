"""Bounds count every look at a data set: other runs, other folders, and runs begun afresh."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_erm.baselines.method import Baselines
from llm_erm.erm.binomial import binomial_upper
from llm_erm.llms.agent import AgentLLM
from llm_erm.llms.llm import Completion
from llm_erm.llms.replay import ReplayLLM
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.records import Result
from llm_erm.runs.events import Answered, Noticed, Prompted
from llm_erm.runs.ledger import LEDGER
from llm_erm.runs.run import Plan, opened, plan, run
from llm_erm.synthesis.learn import prompt_for
from llm_erm.synthesis.method import Synthesis
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.spec import DataSpec

SPEC = DataSpec(function="fn_a", length=12, train_size=20, val_size=40, test_size=40)
PARITY = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
CONSTANT = json.dumps({"code": "def f(x):\n    return 1"})


class Paid(ScriptedLLM):
    """A model whose answers differ from run to run, as those of a remote model."""

    concurrent = True


@dataclass
class Place:
    """Where runs and data are; runs searches and keeps what they said."""

    path: Path

    def search(
        self,
        answer: str = PARITY,
        *,
        llm=None,
        attempts: int = 3,
        folder: str | None = None,
        fresh: bool = False,
    ) -> Result:
        settings = SynthesisSettings(attempts)
        method = Synthesis(llm=llm or Paid([answer] * attempts), settings=settings)
        planned = plan(
            method,
            [SPEC],
            None if folder is None else self.path / folder,
            dataset_dir=self.path / "datasets",
        )
        self.notices: list[str] = []

        def observe(job, event):
            if isinstance(event, Noticed):
                self.notices.append(event.text)

        (result,) = run(planned, fresh=fresh, observers=[observe])
        return result

    @property
    def ledger(self) -> Path:
        return SPEC.folder(self.path / "datasets") / LEDGER


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def look(result: Result) -> int:
    return result.certificate.all_looks.number


def test_each_search_on_the_same_data_has_a_smaller_share_of_the_failure_probability(place):
    """In memory, in another folder, or begun afresh: all look at the same validation data."""
    assert look(place.search()) == 1
    assert look(place.search(folder="a", attempts=5)) == 2
    assert look(place.search(folder="a", attempts=5, fresh=True)) == 3
    result = place.search(folder="b")
    assert look(result) == 4
    found = result.certificate
    assert found.validation.error_upper_bound == binomial_upper(0, 40, (1 - 0.95) / 3)
    assert found.all_looks.validation == binomial_upper(0, 40, (1 - 0.95) / (4 * 5) / 3)
    assert found.all_looks.test == binomial_upper(0, 40, (1 - 0.95) / (4 * 5))


def test_the_shares_of_all_results_add_up_to_no_more_than_the_failure_probability():
    assert sum(1 / (i * (i + 1)) for i in range(1, 10_000)) <= 1


def test_another_division_of_the_same_examples_is_another_search(place):
    place.search(llm=ScriptedLLM([PARITY] * 3))
    other = DataSpec(**(vars(SPEC) | {"train_size": 30, "val_size": 30}))
    method = Synthesis(llm=ScriptedLLM([PARITY] * 3), settings=SynthesisSettings(3))
    (result,) = run(plan(method, [other], dataset_dir=place.path / "datasets"))
    assert look(result) == 2


def test_a_run_that_goes_on_is_one_search(place):
    result = place.search(folder="a")
    (place.path / "a" / "results.jsonl").unlink()
    assert place.search(folder="a").certificate == result.certificate
    assert len(place.ledger.read_text().splitlines()) == 1


def test_a_run_that_was_deleted_and_begun_again_is_another_search(place):
    place.search(folder="a")
    for path in sorted((place.path / "a").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert look(place.search(folder="a")) == 2


def test_the_same_candidates_again_are_no_other_search(place):
    """A model that runs here gives the same answers to the same seed, and a replay gives them."""
    one = place.search(llm=ScriptedLLM([CONSTANT, PARITY, PARITY]))
    assert place.search(llm=ScriptedLLM([CONSTANT, PARITY, PARITY])).certificate == one.certificate
    assert look(place.search(llm=ScriptedLLM([PARITY] * 3))) == 2


def test_a_replay_is_no_other_search(place):
    model = Paid([PARITY] * 3)
    result = place.search(llm=model, folder="a")
    method = Synthesis.of(f"replay:{place.path / 'a'}")
    assert isinstance(method.llm, ReplayLLM)
    planned = plan(method, [SPEC], dataset_dir=place.path / "datasets")
    (replayed,) = run(planned)
    assert replayed.certificate == result.certificate


def agent_run(place, folder: str) -> Plan:
    method = Synthesis(llm=AgentLLM("a"), settings=SynthesisSettings(2))
    return plan(method, [SPEC], place.path / folder, dataset_dir=place.path / "datasets")


def replay(place, folder: str) -> Result:
    method = Synthesis.of(f"replay:{place.path / folder}")
    (result,) = run(plan(method, [SPEC], dataset_dir=place.path / "datasets"))
    return result


def test_replays_of_what_agents_submitted_count_unless_it_is_the_same(place):
    """An unfinished run of an agent is in no ledger, and its agent may have begun many."""
    for folder, code in (("a", PARITY), ("b", CONSTANT)):
        planned = agent_run(place, folder)
        with opened(planned) as kept:
            prompt = prompt_for(planned.data[0], planned.method.settings)
            kept(planned.jobs[0].key, Prompted(prompt))
            kept(planned.jobs[0].key, Answered(Completion(1, json.loads(code)["code"])))
    assert [look(replay(place, folder)) for folder in ("a", "b", "a", "b")] == [1, 2, 1, 2]
    (finished,) = run(agent_run(place, "b"))
    assert look(finished) == 3
    assert replay(place, "b").certificate == finished.certificate


def test_data_drawn_again_keep_their_ledger_and_other_data_have_another(place):
    place.search()
    planned = plan(
        Synthesis(llm=Paid([PARITY]), settings=SynthesisSettings(1)),
        [SPEC, DataSpec(**(vars(SPEC) | {"seed": 1}))],
        dataset_dir=place.path / "datasets",
        fresh_data=True,
    )
    assert [look(result) for result in run(planned)] == [2, 1]


def test_a_ledger_says_what_was_run(place):
    place.search(folder="a")
    entry = json.loads(place.ledger.read_text())
    assert entry["method"] == "synthesis"
    assert entry["candidates"] == 3
    assert entry["run"] == str((place.path / "a").absolute())
    assert entry["date"].endswith("+00:00")


def test_answers_that_were_lost_are_asked_for_again_in_another_search(place):
    place.search(folder="a")
    for name in ("results.jsonl", "attempts.jsonl"):
        (place.path / "a" / name).unlink()
    path = place.path / "a" / "answers.jsonl"
    path.write_text(path.read_text().replace("return", "retur", 1))
    assert look(place.search(folder="a")) == 2


def test_learners_are_one_result_each_whichever_others_a_run_fits(tmp_path):
    def numbers(*learners: str) -> list[int]:
        planned = plan(Baselines(learners=learners), [SPEC], dataset_dir=tmp_path)
        return [look(result) for result in run(planned)]

    assert numbers("knn", "decision-tree") == [1, 2]
    assert numbers("decision-tree") == [2]
    assert numbers("logistic-regression", "knn") == [3, 1]


def test_a_damaged_line_is_named_and_nothing_is_claimed_for_all_runs(place):
    place.search()
    place.ledger.write_text(place.ledger.read_text().replace('"candidates": 3', '"candidates": 1'))
    result = place.search()
    assert result.certificate.validation is not None
    assert result.certificate.all_looks is None
    assert any(f"{place.ledger} is damaged in line 1" in notice for notice in place.notices)


def test_half_a_line_of_a_run_that_was_killed_is_cut_off(place):
    place.search()
    with place.ledger.open("a") as file:
        file.write('{"date": "2026')
    assert look(place.search()) == 2
    assert len(place.ledger.read_text().splitlines()) == 2


def test_a_ledger_that_cannot_be_written_is_said(place):
    place.search()
    place.ledger.unlink()
    place.ledger.mkdir()
    result = place.search()
    assert result.certificate.all_looks is None
    assert any("ledger of the data cannot be kept" in notice for notice in place.notices)
