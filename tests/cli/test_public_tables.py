"""Commands on the tasks whose inputs are rows of public tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

from llm_erm.cli.main import main
from llm_erm.tasks import rows, uci
from public_tables import bare, rows_of

MADE = 300
SIZES = ("--train-size", "40", "--val-size", "40", "--test-size", "100")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A folder with a small table of pulsars, whose first number tells the class."""
    monkeypatch.chdir(tmp_path)
    made = [
        ([f"{index / 7 + (500 if label == '1' else 0):.3f}", *values[1:]], label)
        for index, (values, label) in enumerate(rows_of(uci.HTRU2, MADE))
    ]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "HTRU_2.csv").write_text(bare(made))
    monkeypatch.setitem(rows._SOURCES, "fn_p", replace(uci.HTRU2, rows=MADE))
    return ("--functions", "htru2", "--tables-dir", "tables", *SIZES)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    return stopped.value.code or 0


def test_fit_reads_what_data_writes(tables, capsys):
    pytest.importorskip("numba")
    assert run("data", *tables) == 0
    folder = capsys.readouterr().out.strip()
    assert folder.startswith("datasets/htru2/L8/seed")
    meta = json.loads(Path(folder, "meta.json").read_text())
    assert (meta["fn"], meta["target_name"], meta["length"]) == ("fn_p", "htru2", 8)
    words = ("--target", "label", "--max-conditions", "1", "--out", "rule.json")
    assert run("fit", f"{folder}/train.txt", *words) == 0
    assert "IF x0 " in capsys.readouterr().out
    assert run("predict", "rule.json", f"{folder}/test.txt", "--out", "predicted.csv") == 0
    assert "100.0% right" in capsys.readouterr().err


def test_baselines_find_the_number(tables, capsys):
    learners = ("--learners", "decision-tree", "genetic-programming", "--workers", "1")
    assert run("baselines", *tables, *learners, "--json") == 0
    printed = capsys.readouterr()
    (result,) = map(json.loads, printed.out.splitlines())
    assert result["test"]["accuracy"] == 1.0
    assert result["contrast"] is result["length_generalization"] is None
    assert (
        "genetic-programming on fn_p, since it takes bits, digits, graphs and texts only"
        in printed.err
    )


def test_a_folder_without_the_file_is_answered_with_the_flag(tables, capsys):
    assert run("data", "--functions", "fn_p", "--tables-dir", ".", *SIZES) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "The files of HTRU2 are not in ." in said
    assert "name the folder (--tables-dir)." in said


def test_the_list_of_tasks_has_them(capsys):
    assert run("tasks", "--json") == 0
    listed = {one["function"]: one for one in map(json.loads, capsys.readouterr().out.splitlines())}
    assert listed["fn_o"] == {
        "function": "fn_o",
        "name": "cdc_diabetes",
        "kind": "row",
        "lengths": [21],
        "computes": "a person has diabetes",
    }
