"""compare says whether feedback helped, at equal K, tokens and dollars."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_erm.cli.main import main
from llm_erm.erm.trials import difference_of_shares
from llm_erm.facts import SynthesisFacts
from llm_erm.records import Cost, Result, Verdict
from llm_erm.reports.feedback import feedback_lines
from llm_erm.reports.results import Entry, entries_in
from llm_erm.tasks.task import DataKey

TOKENS = 1000


def result(data, strategy, *, exact, needed=1, spent=5, budget=5, usd=0.01, model="chat:m"):
    """A search that spent so many calls of 1,000 tokens, and selected one of its programs."""
    return Result(
        method="synthesis",
        model=model,
        data=DataKey("fn_a", 20, 1, data, str(data)),
        examples=200,
        attempts=spent,
        test=Verdict("ok", 100 if exact else 60, 0, 100),
        cost=Cost(
            prompt_tokens=spent * (TOKENS - 10), completion_tokens=10 * spent, usd=spent * usd
        ),
        seconds=1.0,
        facts=SynthesisFacts(
            strategy=strategy,
            budget=budget,
            tokens_to_selected=needed * TOKENS,
            usd_to_selected=needed * usd,
        ),
    )


def lines(*results):
    return feedback_lines([Entry(one) for one in results])


def test_strategies_are_compared_on_the_data_of_both():
    refined = [result(data, "refine", exact=True, needed=3, spent=3) for data in range(10)]
    alone = [result(data, "independent", exact=data < 3, needed=2) for data in range(1, 12)]
    (line,) = lines(*refined, *alone)
    assert line.startswith(
        "chat:m, K = 5, 9 data sets: refine is exact on 9, independent on 2: +78"
    )
    difference, low, high = difference_of_shares([(True, False)] * 7 + [(True, True)] * 2)
    assert difference == pytest.approx(7 / 9)
    assert "points (95% interval -3 to +99), undecided" in line
    assert (low, high) == (pytest.approx(-0.02903, abs=1e-5), pytest.approx(0.98050, abs=1e-5))
    assert line.endswith("refine made 27 calls, independent 45.")


def test_within_the_same_tokens_and_dollars_later_programs_do_not_count():
    """The one that was cheaper sets the limit: 3 calls."""
    refined = [result(data, "refine", exact=True, needed=3, spent=3) for data in range(40)]
    late = [result(data, "independent", exact=True, needed=4) for data in range(40)]
    (line,) = lines(*refined, *late)
    assert "refine is exact on 40, independent on 40: +0 points" in line
    more = "refine is exact on 40, independent on 0: +100 points"
    assert f"within 3,000 tokens each, {more}" in line
    assert f"within $0.0300 each, {more}" in line
    assert line.count("feedback helped") == 2


def test_unknown_prices_and_free_models_are_not_compared_by_dollars():
    for usd, cost in ((None, None), (0.0, 0.0)):
        pair = [
            replace(
                result(1, strategy, exact=True),
                cost=Cost(prompt_tokens=5, completion_tokens=0, usd=cost),
            )
            for strategy in ("population", "independent")
        ]
        (line,) = lines(*pair)
        assert "$" not in line, usd
        assert "within 5 tokens each" in line


def test_other_budgets_show_nothing_about_feedback():
    (line,) = lines(
        result(1, "refine", exact=True, budget=10), result(1, "independent", exact=False)
    )
    assert "had different budgets K" in line


def test_several_runs_on_the_same_data_show_nothing():
    """Which of them counts must not depend on their order."""
    (line,) = lines(
        result(1, "refine", exact=True),
        result(1, "refine", exact=False),
        result(1, "independent", exact=True),
    )
    assert "there are several runs of refine or independent on the same data" in line


def test_runs_that_differ_in_other_settings_show_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("answers.json").write_text('["def f(x): return 1"]')
    small = ("--functions", "fn_a", "--lengths", "8", "--train-size", "10", "--val-size", "10")
    small += ("--test-size", "20", "--answers", "answers.json")
    for name, words in {
        "alone": (),
        "refine": ("--strategy", "refine"),
        "brief": ("--strategy", "refine", "--max-output-tokens", "7"),
    }.items():
        with pytest.raises(SystemExit):
            main(["synthesize", *small, *words, "--out-dir", name])
    assert "undecided" in feedback_lines(entries_in([Path("alone"), Path("refine")]))[0]
    (line,) = feedback_lines(entries_in([Path("alone"), Path("brief")]))
    assert "differ in other settings too" in line


def test_other_models_prompts_and_data_are_not_compared():
    assert not lines(
        result(1, "refine", exact=True, model="chat:other"), result(1, "independent", exact=True)
    )
    named = replace(result(1, "refine", exact=True), variant="prompt=a")
    assert not lines(named, result(1, "independent", exact=True))
    assert not lines(result(1, "refine", exact=True), result(2, "independent", exact=True))
    assert not lines(result(1, "independent", exact=True))


def test_the_name_of_a_method_tells_strategies_and_prompts_apart():
    plain = result(1, "independent", exact=True)
    assert Entry(plain).method == "synthesis chat:m"
    both = replace(result(1, "refine", exact=True), variant="prompt=a")
    assert Entry(both).method == "synthesis chat:m strategy=refine prompt=a"
