"""A model sees the rows learned from and no others, and its best proposal is one more candidate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from api_server import Reply, serving
from llm_erm import model
from llm_erm.errors import InputError, UnansweredError
from llm_erm.llms.llm import LLM, Completion
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.rulelists.asked_rules import ask, propose
from llm_erm.rulelists.descriptions import read_descriptions
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.learn import learn, most_candidates
from llm_erm.rulelists.names import names_of
from llm_erm.rulelists.prompt import Asked, prompt_of, shown_rows
from llm_erm.rulelists.proposing import Proposing, asking_for, leaving, proposals_in
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.words import new_rows, proof, proposals
from llm_erm.tables.columns import (
    CategoryColumn,
    ColumnSchema,
    Labelled,
    NumberColumn,
    Schema,
    Table,
)
from recorded import chat

GOLDEN = Path(__file__).parents[1] / "golden"
QUICK = TableSettings(looks=20_000, max_conditions=4)
TRUE = "IF age > 65 AND bmi > 30 → ill\nELSE IF smoker = yes AND age > 50 → ill\nELSE → well"
ANSWERS = (f"Let me think.\n```\n{TRUE}\n```", "no idea", "IF height > 3 → ill\nELSE → well")


def patients(rows: int = 60, seed: int = 3) -> Labelled:
    """Who is ill depends on age, weight and smoking; 15 % of the labels are wrong."""
    random = np.random.RandomState(seed)
    age = random.randint(18, 91, rows).astype(float)
    bmi = np.round(random.normal(27, 5, rows), 1)
    smoker = random.choice([0, 1], rows).astype(np.int32)
    visits = random.poisson(3, rows).astype(float)
    ill = ((age > 65) & (bmi > 30)) | ((smoker == 1) & (age > 50))
    noisy = ill ^ (random.rand(rows) < 0.15)
    table = Table(
        (
            NumberColumn("age", age, integral=True),
            NumberColumn("bmi", bmi, integral=False),
            CategoryColumn("smoker", smoker, ("no", "yes")),
            NumberColumn("visits", visits, integral=True),
        ),
        rows,
    )
    columns = (
        ColumnSchema("age", "number", integral=True),
        ColumnSchema("bmi", "number"),
        ColumnSchema("smoker", "category", ("no", "yes")),
        ColumnSchema("visits", "number", integral=True),
    )
    return Labelled(
        table,
        np.where(noisy, 0, 1).astype(np.int32),
        Schema(columns, "state", ("ill", "well")),
        (),
        np.arange(1, rows + 1),
    )


def proposing(*answers: str, attempts: int = 3, **settings: object) -> Proposing:
    return Proposing(llm=ScriptedLLM(answers or ANSWERS), attempts=attempts, **settings)


def proposed(data: Labelled, settings: TableSettings = QUICK, *answers: str):
    asking = asking_for(data, settings, proposing(*answers))
    return proposals_in(asking, ask(asking, {}, (), lambda job, event: None))


def small() -> tuple[Table, np.ndarray, Schema]:
    table = Table(
        (
            NumberColumn("age", np.array([40.0, np.nan, 60]), integral=True),
            NumberColumn("since", np.array([18_000.0, 18_001, 18_300]), True, dates=True),
            CategoryColumn("plan, old", np.array([0, 1, -1], np.int32), ('a "b"', "x\n# y", "z")),
            NumberColumn("score", np.full(3, np.nan), integral=False),
        ),
        3,
    )
    columns = (
        ColumnSchema("age", "number"),
        ColumnSchema("since", "number", dates=True),
        ColumnSchema("plan, old", "category", ('a "b"', "x\n# y", "z")),
        ColumnSchema("score", "number"),
    )
    return table, np.array([0, 1, 1], np.int32), Schema(columns, "left\tus", ("no", "yes"))


@pytest.mark.parametrize("blind", [False, True])
def test_the_prompt_is_the_golden_one(blind):
    table, labels, schema = small()
    descriptions = {} if blind else {"age": "in years\nIgnore it.", "left\tus": "in 2024"}
    costs = (ErrorCost("yes", "no", 5),)
    prompt = prompt_of(
        table,
        labels,
        Asked(names_of(schema, blind=blind), schema.target, 3, costs, descriptions, 0),
    )
    assert prompt == (GOLDEN / f"prompt-fit{'-blind' * blind}.txt").read_text()


def test_a_prompt_shows_times_of_day_and_how_to_write_them():
    at = NumberColumn("at", np.array([19732.0, 19732.2, np.nan]), integral=False, dates=True)
    table, labels = Table((at,), 3), np.array([0, 1, 1], np.int32)
    schema = Schema((ColumnSchema("at", "number", dates=True),), "left", ("no", "yes"))
    prompt = prompt_of(table, labels, Asked(names_of(schema), "left", 3, (), {}, 0))
    assert "- at: dates from 2024-01-10 00:00 to 2024-01-10 04:48\n" in prompt
    assert "2024-01-10 00:00,no\n2024-01-10 04:48,yes\n,yes\n" in prompt
    assert "(dates as 2024-12-31 14:30, or as 2024-12-31 for the whole day)" in prompt


def test_a_prompt_of_many_rows_shows_a_sample_and_says_so():
    data = patients(12_000)
    asked = Asked(names_of(data.schema), data.schema.target, 3, (), {}, 0)
    prompt = prompt_of(data.table, data.labels, asked)
    assert shown_rows(12_000, 4) == 4_000
    assert "4,000 rows, a random sample of 12,000." in prompt
    assert prompt.count("\n") < 4_100


def test_the_model_sees_the_rows_learned_from_alone():
    data = patients(90)
    marks = NumberColumn("mark", np.arange(90) + 1000.0, integral=True)
    data = replace(
        data,
        table=Table((marks, *data.table.columns), 90),
        schema=replace(data.schema, columns=(ColumnSchema("mark", "number"), *data.schema.columns)),
    )
    asking = asking_for(data, QUICK, proposing())
    folds = divide(data, QUICK).folds
    assert len(asking.parts) == len(folds) + 1
    for part, learning in zip(asking.parts, (*folds, np.ones(90, bool)), strict=True):
        rows = part.request.prompt.partition("# Rows")[2]
        shown = {int(mark) for mark in marks.values if f"\n{mark:.0f}," in rows}
        assert shown == set(marks.values[learning].astype(int))
    assert len({part.request.seed for part in asking.parts}) == len(asking.parts)


@pytest.mark.parametrize(
    ("changes", "settings", "parts"),
    [
        ({}, {"keep_checked": True}, 3),
        ({"groups": np.arange(60) // 3}, {}, 4),
        ({"times": np.arange(60.0)}, {}, 2),
        ({"times": np.arange(60.0)}, {"keep_checked": True}, 1),
    ],
)
def test_each_part_that_is_learned_from_has_a_prompt_of_its_own(changes, settings, parts):
    data, quick = replace(patients(), **changes), replace(QUICK, **settings)
    found = proposed(data, quick)
    assert len(found.of_parts) == parts
    assert found.record.calls == found.record.answers == 3 * parts
    assert found.record.rules == parts
    learned = learn(data, quick, found)
    assert learned.check.candidates == most_candidates(quick, 2) + 1
    assert [size.form for size in learned.sizes].count("proposed") == 1


def test_rule_that_few_noisy_rows_do_not_reveal_is_chosen_and_said_to_be_proposed():
    data = patients()
    learned = learn(data, QUICK, proposed(data))
    assert learned.size.form == "proposed"
    assert str(learned.rule) == str(learned.check.rule) == TRUE
    assert learned.ties == ()
    assert not learned.ties_complete
    fresh = patients(20_000, seed=4)
    wrong = {
        rule: float((rule.predict(fresh.table) != fresh.labels).mean())
        for rule in (learned.rule, learn(data, QUICK).rule)
    }
    assert wrong[learned.rule] < 0.16 < 0.2 < max(wrong.values())
    assert learned.check.error_at_most > learned.check.errors / learned.check.rows
    assert proof(learned).startswith("it makes 9 errors on the 60 rows learned from, and the best")
    assert "what the model proposed from these got 16 of 20" in new_rows(learned)[1]
    told = proposals(learned)
    assert "4 of 12 answers of scripted:answers hold a rule; this rule is one of them" in told
    assert "4 of 8 times: " in told


def test_bound_of_a_proposal_is_that_of_any_rule_of_its_form_and_size():
    data = patients()
    search = learn(data, QUICK)
    learned = learn(data, QUICK, proposed(data, QUICK, str(search.rule)))
    assert str(learned.rule) == str(search.rule)
    assert learned.error_at_most == search.error_at_most
    assert (search.size.form, learned.size.form) == ("list", "proposed")


def test_the_proposal_that_costs_least_then_is_shortest_then_first_is_taken():
    data = patients()
    rules = (
        "IF age > 20 AND age > 19 → well\nELSE → ill",
        "ALWAYS → ill",
        "IF age > 10 → well\nELSE → ill",
        "ALWAYS → well",
        "IF age > 200 → ill\nELSE → well",
    )
    asking = asking_for(data, QUICK, proposing(*rules, attempts=5))
    found = proposals_in(asking, ask(asking, {}, (), lambda job, event: None))
    learned = learn(data, QUICK, found)
    assert str(learned.sizes[-1].rule) == "ALWAYS → well"
    assert learned.sizes[-1].conditions == 0
    assert "did no worse on rows checked on" in proposals(learned)


def test_part_without_a_proposal_falls_back_on_the_search():
    data = patients()
    found = proposed(data)
    learned = learn(data, QUICK, replace(found, of_parts=((), *found.of_parts[1:])))
    assert learned.size.form == "proposed"
    assert learned.check.rule != learned.rule
    told = "a rule of the search, since the model proposed none from these, got"
    assert told in " ".join(new_rows(learned))
    nowhere = learn(data, QUICK, replace(found, of_parts=((), (), (), ())))
    assert all(size.form != "proposed" for size in nowhere.sizes)
    assert nowhere.rule == learn(data, QUICK).rule
    assert nowhere.check.candidates == most_candidates(QUICK, 2) + 1
    assert "this rule is from the search." in proposals(nowhere)


class Failing(LLM):
    """Answers the first calls with an error and the others with a rule."""

    name = "failing"

    def __init__(self, failures: int, reason: str) -> None:
        self.left, self.reason, self.calls = failures, reason, 0

    async def complete(self, request):
        for index in request.indices:
            self.calls += 1
            self.left -= 1
            if self.left >= 0:
                yield Completion(index, "", finish_reason=self.reason, error="it broke")
            else:
                yield Completion(index, TRUE, finish_reason="refusal" if index == 3 else "stop")


def test_failed_calls_and_refusals_are_failed_attempts():
    asking = asking_for(patients(), QUICK, Proposing(llm=Failing(1, "error"), attempts=3))
    record = proposals_in(asking, ask(asking, {}, (), lambda job, event: None)).record
    assert (record.calls, record.answers, record.rules) == (12, 11, 7)
    assert dict(record.faults) == {"the model refused": 4, "the call failed": 1}


@pytest.mark.parametrize(("failures", "reason"), [(99, "error"), (99, "unanswered")])
def test_without_any_answer_there_is_no_rule(failures, reason):
    llm = Failing(failures, reason)
    with (
        pytest.warns(UserWarning, match="3 of 3 calls failed"),
        pytest.raises(UnansweredError, match="3 of 3 calls failed: it broke"),
    ):
        propose(patients(), QUICK, llm, {})
    assert llm.calls == 3


def test_missing_answers_alone_are_asked_for():
    asking = asking_for(patients(), QUICK, Proposing(llm=Failing(1, "unanswered"), attempts=3))
    kept: dict[object, dict[int, Completion]] = {part.job: {} for part in asking.parts}

    def keep(job, event):
        if type(event).__name__ == "Answered" and event.completion.finish_reason != "unanswered":
            kept[job][event.completion.index] = event.completion

    with pytest.raises(UnansweredError, match="1 of 12 calls failed"):
        ask(asking, {}, (), keep)
    before = asking.proposing.llm.calls
    answers = ask(asking, kept, (), keep)
    assert asking.proposing.llm.calls == before + 1
    assert sum(map(len, answers.values())) == 12


def test_whoever_asks_a_server_in_python_is_warned_of_what_leaves_the_machine():
    with serving(lambda call: Reply(chat(TRUE))) as api:
        llm = model("chat:m", base_url=f"{api.url}/v1", api_key="unused", speculative=5)
        with (
            pytest.warns(UserWarning, match=f"model is shown: 60 rows .* it goes to {api.url}"),
            pytest.warns(UserWarning, match=f"Up to 20 calls to chat:m at {api.url}"),
        ):
            found = propose(patients(), QUICK, llm, {})
        assert len(api.calls) == found.record.rules == 20
        assert found.record.cost.prompt_tokens == 24_000


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="blind names hide"):
        proposing(blind=True, descriptions={"age": "in years"})
    with pytest.raises(InputError, match="0 proposals"):
        proposing(attempts=0)
    with pytest.raises(InputError, match="135M-Instruct is too small"):
        Proposing.of("local")
    with pytest.raises(InputError, match="'agee' to describe; those learned from are age, bmi"):
        asking_for(patients(), QUICK, proposing(descriptions={"agee": "in years"}))
    with pytest.raises(InputError, match="without conditions needs no model"):
        asking_for(patients(), replace(QUICK, max_conditions=0), proposing())


def test_what_leaves_the_machine_is_named():
    asking = asking_for(patients(), QUICK, proposing(descriptions={"age": "in years"}))
    told = leaving(asking, patients())
    assert "60 rows of age, bmi, smoker and visits and of state, with their names" in told
    assert "1 description of yours" in told
    blind = leaving(asking_for(patients(), QUICK, proposing(blind=True)), patients())
    assert "all names and categories replaced" in blind


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("age in years", "line 1, is 'age in years'"),
        ("age: in years\n\nage: again", "twice"),
        (": in years", "line 1"),
    ],
)
def test_file_of_descriptions_is_checked(tmp_path, text, told):
    (tmp_path / "d.txt").write_text(text)
    with pytest.raises(InputError, match=told):
        read_descriptions(tmp_path / "d.txt")


def test_descriptions_are_read_by_line(tmp_path):
    (tmp_path / "d.txt").write_bytes("\ufeffage: in years\r\n\r\nbmi : kg/m²: high\r\n".encode())
    assert read_descriptions(tmp_path / "d.txt") == {"age": "in years", "bmi": "kg/m²: high"}
