"""`llm-erm predict` and `llm-erm export`, from flags to files."""

import csv
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from llm_erm.rulelists.rule import Above, Among, Line, RuleList
from llm_erm.rulelists.stored import write_rule
from llm_erm.tables.columns import ColumnSchema
from made_rules import learned

AGE = ColumnSchema("age", "number")
PLAN = ColumnSchema("plan", "category", ("basic", "gold"))
RULE = RuleList((Line((Among("plan", ("basic",)), Above("age", 31.5)), 1),), 0, ("no", "yes"))
KNOWN = learned(RULE, (AGE, PLAN), "churned")
ROWS = "plan,age,churned\nbasic,40,yes\ngold,50,no\nbasic,1,yes\n"
PREDICTED = (
    "plan,age,churned,churned_predicted,churned_line\n"
    "basic,40,yes,yes,1\ngold,50,no,no,2\nbasic,1,yes,no,2\n"
)


@pytest.fixture
def files(tmp_path):
    write_rule(tmp_path / "rule.json", KNOWN)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def test_predict_prints_rows_alone_and_says_the_rest_elsewhere(files, invoke):
    done = invoke("predict", "rule.json", "rows.csv")
    assert (done.returncode, done.stdout) == (0, PREDICTED)
    assert "Added to 3 rows: churned_predicted and churned_line." in done.stderr
    assert "66.6% right: of 3 rows whose churned is known, 1 is wrong." in done.stderr


def test_predict_prints_utf_8_whatever_the_locale_has(files, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (files / "rows.csv").write_text("plan,age\nStraße 😀,1\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONUTF8", "0")
    words = [sys.executable, "-m", "llm_erm", "predict", "rule.json", "rows.csv"]
    done = subprocess.run(words, cwd=files, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[1] == "Straße 😀,1,no,2"


def test_rule_whose_ties_are_not_known_does_not_claim_to_mark_all(files, invoke):
    done = invoke("predict", "rule.json", "rows.csv", "--undetermined", "mark")
    assert "Not all such rules are known." in done.stderr


def test_where_there_are_no_rows_nothing_is_said_of_agreement(files, invoke):
    (files / "rows.csv").write_text("plan,age\n")
    done = invoke("predict", "rule.json", "rows.csv", "--undetermined", "mark")
    assert done.returncode == 0
    assert "Added to 0 rows" in done.stderr
    assert "as good" not in done.stderr


def test_predict_writes_a_file(files, invoke):
    done = invoke("predict", "rule.json", "rows.csv", "--out", "new/predicted.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert (files / "new" / "predicted.csv").read_text() == PREDICTED
    assert list((files / "new").iterdir()) == [files / "new" / "predicted.csv"]


def test_a_file_is_whole_or_stays_as_it_was(files, invoke):
    (files / "out.csv").write_text("before")
    rows = "plan,age\n" + "basic,40\n" * 200_000 + "basic,40,too,many\n"
    (files / "rows.csv").write_text(rows)
    done = invoke("predict", "rule.json", "rows.csv", "--out", "out.csv")
    assert done.returncode == 2
    assert "line 200002" in done.stderr
    assert (files / "out.csv").read_text() == "before"
    assert sorted(path.name for path in files.iterdir()) == ["out.csv", "rows.csv", "rule.json"]


@pytest.mark.parametrize("out", ["rule.json", "rows.csv", "./rows.csv"])
def test_what_is_read_is_not_written(files, invoke, out):
    done = invoke("predict", "rule.json", "rows.csv", "--out", out)
    assert done.returncode == 2
    assert "is what is read; name another file (--out)" in done.stderr
    assert (files / "rows.csv").read_text() == ROWS


def test_json_lines_stay_json_lines(files, invoke):
    (files / "rows.jsonl").write_text('{"plan": "basic", "age": 40}\n')
    done = invoke("predict", "rule.json", "rows.jsonl")
    assert json.loads(done.stdout)["churned_predicted"] == "yes"


def test_parquet_becomes_csv(files, invoke):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"plan": ["basic", None], "age": [40, 1]})
    parquet.write_table(table, files / "rows.parquet")
    done = invoke("predict", "rule.json", "rows.parquet")
    assert done.stdout.splitlines()[1:] == ["basic,40,yes,1", ",1,no,2"]


def test_what_is_no_rule_is_named(files, invoke):
    done = invoke("predict", "rows.csv", "rows.csv")
    assert done.returncode == 2
    assert "rows.csv holds no rule" in done.stderr
    done = invoke("predict", "nowhere.json", "rows.csv")
    assert "name a file that llm-erm fit wrote." in done.stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_many_rows_take_no_more_memory_than_some(files):
    """What 300,000 rows hold is 150 MB as lists of texts."""
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from llm_erm.rulelists.predictions import Predictions\n"
        "from llm_erm.rulelists.stored import read_rule\n"
        "done = Predictions(read_rule(Path('rule.json')), sys.argv[1])\n"
        "assert sum(map(len, done.texts())) > 0\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(int(status.split('VmHWM:')[1].split()[0]) // 1024)\n"
    )
    used = {}
    for rows in (50_000, 300_000):
        line = "basic,40," + "x" * 24 + "\n"
        (files / "rows.csv").write_text("plan,age,note\n" + line * rows)
        words = [sys.executable, "-c", script, "rows.csv"]
        done = subprocess.run(words, cwd=files, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        used[rows] = int(done.stdout)
    assert used[300_000] < used[50_000] + 20, used


def test_export_writes_what_can_be_used(files, invoke):
    for form, name in (("python", "rule.py"), ("sql", "rule.sql")):
        done = invoke("export", "rule.json", "--form", form, "--out", name)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    words = [sys.executable, "-I", "rule.py"]
    done = subprocess.run(words, cwd=files, input=ROWS, capture_output=True, text=True, timeout=60)
    expected = [row["churned_predicted"] for row in csv.DictReader(PREDICTED.splitlines())]
    assert done.stdout.split() == expected
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE t (plan TEXT, age REAL)")
        base.execute("INSERT INTO t VALUES ('basic', 40), ('gold', 50), ('basic', 1)")
        found = base.execute(f"SELECT ({(files / 'rule.sql').read_text()}) FROM t")
        assert [row[0] for row in found] == expected


def test_export_says_where_the_formula_belongs(files, invoke):
    words = ("export", "rule.json", "--form", "spreadsheet", "--columns", "id", "plan", "age")
    done = invoke(*words)
    assert done.stdout.startswith('=IF(AND(EXACT(B2,"basic"),IF(ISNUMBER(C2),C2>31.5')
    assert "For a sheet in which B2 has plan and C2 has age" in done.stderr
    done = invoke(*words[:-1])
    assert done.returncode == 2
    assert "no column 'age'" in done.stderr


def test_names_of_columns_are_told_on_one_line(files, invoke):
    columns = (ColumnSchema("a\nge", "number"), ColumnSchema("x" * 99, "number"))
    rule = RuleList((Line((Above("a\nge", 1), Above("x" * 99, 1)), 1),), 0, ("no", "yes"))
    write_rule(files / "rule.json", learned(rule, columns, "churned"))
    done = invoke("export", "rule.json", "--form", "spreadsheet")
    assert f"A2 has a\\nge and B2 has {'x' * 57}...:" in " ".join(done.stderr.split())


def test_columns_are_for_spreadsheets(files, invoke):
    done = invoke("export", "rule.json", "--form", "sql", "--columns", "age")
    assert done.returncode == 2
    assert "--columns is for --form spreadsheet" in done.stderr


def test_export_keeps_the_rule(files, invoke):
    before = (files / "rule.json").read_text()
    done = invoke("export", "rule.json", "--form", "sql", "--out", "rule.json")
    assert done.returncode == 2
    assert (files / "rule.json").read_text() == before
