"""Costs learned from proposals: parsed into trees, counted by parent, smoothed to uniform."""

import ast
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_erm import grammar
from llm_erm.enumeration.costs import ROOT
from llm_erm.enumeration.language import productions_for
from llm_erm.enumeration.memory import Clock, Memory
from llm_erm.enumeration.method import Enumeration
from llm_erm.enumeration.parsing import to_term
from llm_erm.enumeration.prior import UNIT, learned_costs, read_prior, terms_of
from llm_erm.enumeration.sampling import ProgramSampler, predictions
from llm_erm.enumeration.search import BottomUpSearch
from llm_erm.enumeration.terms import to_expression
from llm_erm.errors import InputError
from llm_erm.records import Attempt, Candidate, Verdict
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.kept import AttemptLine
from llm_erm.settings import shaping
from run_folders import write_run

WORDS = ["".join(map(str, row)) for row in np.random.RandomState(0).randint(2, size=(40, 12))]


@st.composite
def proposals(draw) -> str:
    """Draws a random text derived from the grammar that constrains a language model."""

    def derive(symbol: str) -> str:
        if symbol not in grammar.PRODUCTIONS:
            return symbol
        return "".join(map(derive, draw(st.sampled_from(grammar.PRODUCTIONS[symbol]))))

    return derive(grammar.START)


@settings(max_examples=400)
@given(proposals())
def test_parsed_expressions_give_the_same_answers(text):
    expression = grammar.to_program(text).split("return ")[1].strip()
    term = to_term(ast.parse(expression, mode="eval").body)
    if term is None:
        return
    before, after = (predictions(e, WORDS) for e in (expression, to_expression(term)))
    defined = (before >= 0) & (after >= 0)
    assert (before == after)[defined].all()


@pytest.mark.parametrize(
    "expression",
    [
        "x == x[::-1]",
        "sum(int(c) for c in x) % 2",
        "'10101010' in x",
        "not x.startswith('01')",
        "x[:len(x) // 2].count('1') % 2",
        "x[2:7].count('1') > 3 and x[0] != '1'",
        "len(x) % 3 == 1 or x[-1] == '0'",
        "1 - (x[:-1] != x[1:])",
    ],
)
def test_these_forms_are_expressible(expression):
    term = to_term(ast.parse(expression, mode="eval").body)
    answers = [predictions(e, WORDS).tolist() for e in (expression, to_expression(term))]
    assert answers[0] == answers[1]


def test_frequent_proposals_are_cheap_and_nothing_is_free_or_impossible():
    sources = ["def f(x):\n    return x == x[::-1]\n"] * 30 + ["def f(x):\n    return '1' in x\n"]
    costs = learned_costs(terms_of(sources), "bits")
    cost = {place: costs.base[place[0]] + extra for place, extra in costs.extra.items()}
    assert cost["equal", ROOT] < cost["contains", ROOT] < cost["odd", ROOT]
    assert cost["reverse", "equal"] < cost["reverse", "count"]
    assert min(cost.values()) >= 1
    truths = [p.name for p in productions_for("bits") if p.sort == "truth"]
    assert sum(2.0 ** (-cost[name, ROOT] / UNIT) for name in truths) <= 1
    assert math.isfinite(max(cost.values()))


def test_the_search_tries_frequent_proposals_first():
    sources = ["def f(x):\n    return x.endswith('11')\n"] * 20
    labels = np.array([[word.endswith("101") for word in WORDS]])

    def considered(costs):
        search = BottomUpSearch(
            "bits", WORDS, labels, (), memory=Memory(2**27), clock=Clock(60), costs=costs
        )
        for _ in search.levels():
            if search.exact:
                assert "endswith" in to_expression(search.term(search.exact[0].index))
                return search.exact[0].considered
        return None

    assert considered(learned_costs(terms_of(sources), "bits")) < considered(None)


JOB = JobKey("fn_a", 20, 42)
UNRUN = Verdict("no_code", 0, 0, 2)


def attempted(index: int, source: str | None) -> AttemptLine:
    return AttemptLine(JOB, Attempt(index, Candidate(source), UNRUN, UNRUN))


def journal(folder, *lines) -> None:
    write_run(folder, attempts=list(lines))


def test_a_folder_without_proposed_programs_is_named(tmp_path):
    for write in (lambda: journal(tmp_path), lambda: journal(tmp_path, attempted(1, None))):
        write()
        with pytest.raises(InputError, match="holds no proposed programs") as raised:
            read_prior(tmp_path)
        assert raised.value.setting == "prior_from"
        assert str(tmp_path) in str(raised.value)


def test_the_proposals_of_a_run_are_read_with_repetitions_and_each_attempt_once(tmp_path):
    """An attempt that failed the replay is journaled again, and was proposed once."""
    one, other = "def f(x):\n    return '1' in x\n", "def f(x):\n    return import_os\n"
    journal(
        tmp_path,
        *(attempted(1, one), attempted(2, None), attempted(3, one)),
        *(attempted(4, other), attempted(3, one)),
    )
    prior = read_prior(tmp_path)
    assert prior.sources == (one, one, other)
    assert [to_expression(term) for term in prior.terms] == ["'1' in x"] * 2


def test_a_damaged_journal_of_proposals_is_named_with_its_line(tmp_path):
    journal(tmp_path, attempted(1, None))
    with (tmp_path / "attempts.jsonl").open("a") as file:
        file.write('{"candidate": "text"}\n')
    with pytest.raises(InputError, match="line 2") as raised:
        read_prior(tmp_path)
    assert raised.value.setting == "prior_from"


def test_a_prior_shapes_results_by_its_proposals_and_not_by_their_folder(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder, source in zip(folders, ("x", "x", "y"), strict=True):
        folder.mkdir()
        journal(folder, attempted(1, source))
    same, again, other = (shaping(Enumeration(prior=read_prior(folder))) for folder in folders)
    assert same == again != other


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("bits", WORDS),
        ("digits", ["1234", "9031", "5550"]),
        ("table", [{"a": 1, "b": "u"}, {"a": 5, "b": "v"}, {"a": None, "b": "u"}]),
    ],
)
def test_sampled_programs_occur_according_to_their_length_and_run(kind, inputs):
    sampler = ProgramSampler(kind, inputs, 0)
    drawn = [sampler.draw() for _ in range(3000)]
    counts = Counter(to_expression(term) for term, _ in drawn)
    lengths = {to_expression(term): bits for term, bits in drawn}
    expression, often = counts.most_common(1)[0]
    assert (
        often / 3000 == pytest.approx(2.0 ** -lengths[expression], rel=0.5)
        or often > 3000 * 2.0 ** -lengths[expression]
    )
    failing = sum((predictions(e, inputs) < 0).any() for e in counts)
    assert failing < 0.2 * len(counts)
