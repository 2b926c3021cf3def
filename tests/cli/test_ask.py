"""`llm-erm fit --ask`, from the questions to the rule, and rows that a rule leaves open."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

pytest.importorskip("numba")

from llm_erm.cli.asking import check_answers
from llm_erm.cli.main import main
from llm_erm.errors import InputError
from llm_erm.rulelists.stored import read_rule
from llm_erm.tables.reading import load

GAP = {41: "20", 42: "25", 43: "12"}
"""Rows without a label, and their x: the others have one below 20, or one from 30 on."""


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"n{i},{10 + i % 10 + 20 * (i % 2)},{('no', 'yes')[i % 2]}" for i in range(40)]
    rows += [f"=n{number},{x}," for number, x in GAP.items()]
    Path("rows.csv").write_text("\n".join(["name,x,label", *rows]) + "\n")


@pytest.fixture
def fit(table, monkeypatch, capsys):
    def run(said: str, *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(said))
        with pytest.raises(SystemExit) as stopped:
            main(["fit", "rows.csv", "--target", "label", "--max-conditions", "1", *words])
        return stopped.value.code, *capsys.readouterr()

    return run


ASK = ("--ask", "--answered", "answers.csv")


def answered() -> list[list[str]]:
    with Path("answers.csv").open(newline="") as file:
        return list(csv.reader(file))


KEPT = "Your answers are kept in answers.csv; run the same command to continue."


@pytest.mark.parametrize(
    ("said", "interrupted", "told"),
    [
        ("", "cli.asking._answer", ""),
        ("yes\n", "cli.asking.write_answers", ""),
        ("yes\n\n", "rulelists.learn.learn", f" There is no rule yet. {KEPT}"),
    ],
)
def test_labels_are_said_to_be_kept_once_they_are(fit, monkeypatch, said, interrupted, told):
    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"llm_erm.{interrupted}", stopped)
    code, _, printed = fit(said, *ASK)
    assert code == 130
    assert Path("answers.csv").exists() == (KEPT in told)
    assert printed.endswith(f"llm-erm: Stopped.{told}\n")


def test_a_stop_at_the_second_question_says_where_the_first_answer_is(fit, monkeypatch):
    answers = iter(["yes"])

    def answer(*arguments):
        if (label := next(answers, None)) is None:
            raise KeyboardInterrupt
        return label

    monkeypatch.setattr("llm_erm.cli.asking._answer", answer)
    code, _, printed = fit("", *ASK)
    assert (code, len(answered())) == (130, 2)
    assert printed.endswith(f"llm-erm: Stopped. {KEPT}\n")


def test_answers_are_learned_from_until_nothing_is_open(fit):
    code, out, told = fit("yes\nno\n", *ASK, "--out", "rule.json")
    assert code == 0, told
    assert told.count("Its label, no or yes?") == 2
    assert "Row 42: name =n42, x 25" in told
    assert "Nothing is left open on the 1 row without a label." in told
    assert "also learned from 2 rows that were asked about; no bound counts them." in told
    assert answered() == [
        ["row", "name", "x", "label"],
        ["42", "'=n42", "25", "yes"],
        ["41", "'=n41", "20", "no"],
    ]
    learned = read_rule(Path("rule.json"))
    assert (learned.learned_rows, learned.asked_rows, learned.check.rows) == (42, 2, 13)
    (condition,) = learned.rule.lines[0].conditions
    assert 20 < condition.value < 25
    assert out.startswith("line\trule\tgives")


def test_bound_is_that_of_the_rows_drawn(fit):
    _, before, _ = fit("", "--json")
    _, after, _ = fit("no\nno\n", *ASK, "--json")
    before, after = json.loads(before), json.loads(after)
    assert after["error_at_most"] == before["error_at_most"] > 0
    assert after["check"]["error_at_most"] == before["check"]["error_at_most"] > 0
    assert after["check"]["rows"] == before["check"]["rows"]
    assert after["cross_validated"] == before["cross_validated"] == 0
    assert after["learned_rows"] == before["learned_rows"] + 2


def test_what_is_no_class_is_asked_again_and_an_empty_line_ends(fit):
    code, _, told = fit("maybe\nyes\n\n", *ASK)
    assert code == 0
    assert "'maybe' is none of the classes; answer no or yes." in told
    assert [line[0] for line in answered()] == ["row", "42"]


def test_later_runs_go_on_from_the_answers(fit):
    fit("yes\n", *ASK)
    code, _, told = fit("no\n", *ASK)
    assert code == 0
    assert "Row 42" not in told
    assert [line[0] for line in answered()] == ["row", "42", "41"]
    code, _, told = fit("", "--answered", "answers.csv")
    assert "learned from 2 rows that were asked about" in told
    assert "Its label" not in told


def test_rows_that_are_not_looked_at_are_said(fit):
    _, _, told = fit("", *ASK, "--max-rows", "2")
    assert told.count("Only the first 2 rows without a label may be asked about.") == 1


def test_all_rows_may_be_answered(fit):
    rows = Path("rows.csv").read_text().splitlines()
    Path("rows.csv").write_text("\n".join(rows[:43]) + "\n")
    assert "No row without a label is left." in fit("yes\nno\n", *ASK)[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--ask",), "--ask needs a file that keeps the answers; name one (--answered)"),
        (("--answered", "none.csv"), "There is no none.csv"),
        ((*ASK, "--groups", "name"), "neither --groups nor --time"),
        (("--ask", "--answered", "rows.csv"), "rows.csv is what is read"),
        ((*ASK, "--out", "answers.csv"), "must name different files"),
        (("--answered", "rows.csv"), "rows.csv does not hold answers"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(fit, words, told):
    code, out, err = fit("", *words)
    assert (code, out) == (2, "")
    assert told in err


def test_what_can_be_read_only_once_is_refused(tmp_path):
    with pytest.raises(InputError, match="is read more than once with --ask; save it as a file."):
        check_answers(Path(os.devnull), tmp_path / "answers.csv", asking=True, out=None, drawn=True)


def test_table_without_unlabelled_rows_is_refused(fit):
    rows = Path("rows.csv").read_text().splitlines()
    Path("rows.csv").write_text("\n".join(rows[:41]) + "\n")
    code, _, told = fit("", *ASK)
    assert code == 2
    assert "Each row of rows.csv has a label" in told


def test_undetermined_rows_are_marked(fit, invoke):
    fit("", "--out", "rule.json")
    done = invoke("predict", "rule.json", "rows.csv", "--undetermined", "mark")
    header, *rows = csv.reader(io.StringIO(done.stdout))
    assert header[3:] == ["label_predicted", "label_line", "label_undetermined"]
    data = load("rows.csv", "label")
    assert [row[5] for row in rows[:40]] == [""] * len(data.labels)
    assert {(row[3], row[5]) for row in rows[40:42]} <= {("no", "yes"), ("yes", "no")}
    assert rows[42][5] == ""
    assert "2 of 43 rows are undetermined" in done.stderr
    assert "Not all such rules are known" not in done.stderr
    Path("new.csv").write_text("x\n11\n")
    settled = invoke("predict", "rule.json", "new.csv", "--undetermined", "mark")
    assert "No row is undetermined" in settled.stderr
    plain = invoke("predict", "rule.json", "rows.csv")
    assert plain.stdout == "".join(
        line.rpartition(",")[0] + "\n" for line in done.stdout.splitlines()
    )
    assert "undetermined" not in plain.stderr


def test_undetermined_rows_are_marked_in_json_lines(fit, invoke):
    fit("", "--out", "rule.json")
    Path("new.jsonl").write_text('{"x": 25}\n{"x": 11}\n')
    done = invoke("predict", "rule.json", "new.jsonl", "--undetermined", "mark")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(row["label_undetermined"]) for row in rows] == [1, 0]
    assert {*rows[0]["label_undetermined"], rows[0]["label_predicted"]} == {"no", "yes"}


def test_report_names_a_rule_that_is_as_good(fit):
    rows = Path("rows.csv").read_text().splitlines()
    doubled = ["copy," + rows[0]] + [f"{row.split(',')[1]},{row}" for row in rows[1:]]
    Path("rows.csv").write_text("\n".join(doubled) + "\n")
    _, _, told = fit("")
    assert "Open: 1 other rule with up to 1 condition makes no more errors" in told
    assert "on these rows: IF" in told
