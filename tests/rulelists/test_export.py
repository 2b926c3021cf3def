"""An exported rule says of each row what the rule itself says."""

import datetime
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt

from llm_erm.errors import InputError
from llm_erm.rulelists.as_markdown import in_markdown, markdown_table
from llm_erm.rulelists.as_python import python_file
from llm_erm.rulelists.as_spreadsheet import cells_of, spreadsheet_formula
from llm_erm.rulelists.as_sql import sql_case
from llm_erm.rulelists.export import exported
from llm_erm.rulelists.rule import (
    Above,
    Among,
    AtMost,
    Line,
    Missing,
    NotAmong,
    Present,
    RuleList,
)
from llm_erm.tables.cells import date_text, moment_text, read_date
from llm_erm.tables.columns import ColumnSchema, NumberColumn, Table
from made_rules import HOSTILE, Case, cases, learned, values_of
from spreadsheet import value

AGE = ColumnSchema("age", "number")
PLAN = ColumnSchema("plan", "category", ("basic", "gold"))
SINCE = ColumnSchema("since", "number", dates=True)
RULE = RuleList(
    (
        Line((Among("plan", ("basic",)), Above("age", 31.5)), 1),
        Line((NotAmong("plan", ("gold",)),), 0),
    ),
    1,
    ("no", "yes"),
)
KNOWN = learned(RULE, (AGE, PLAN), "churned", [(20, 18), (30, 30), (10, 9)])


def rows_of(case: Case) -> list[dict[str, str]]:
    return [
        dict(zip(case.cells, row, strict=True)) for row in zip(*case.cells.values(), strict=True)
    ]


def run_python(text: str) -> dict[str, object]:
    made: dict[str, object] = {"__name__": "a_rule"}
    exec(compile(text, "a_rule.py", "exec"), made)
    return made


def in_sqlite(case: Case, expression: str) -> list[str]:
    dates = {column.name: column.dates for column in case.learned.schema.columns}
    kinds = {
        column.name: "TEXT" if column.dates or column.kind == "category" else "REAL"
        for column in case.learned.schema.columns
    }
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in kinds}
    columns = []
    for name in kinds:
        values = values_of(case, name)
        columns.append([date_text(v) if dates[name] and v is not None else v for v in values])
    with closing(sqlite3.connect(":memory:")) as base:
        declared = ", ".join(f"{quoted[name]} {kind}" for name, kind in kinds.items())
        base.execute(f"CREATE TABLE t ({declared})")
        marks = ", ".join("?" * len(kinds))
        base.executemany(f"INSERT INTO t VALUES ({marks})", list(zip(*columns, strict=True)))
        return [row[0] for row in base.execute(f"SELECT (\n{expression}) FROM t ORDER BY rowid")]


def in_sheet(case: Case) -> list[object]:
    formula = spreadsheet_formula(case.learned).rstrip("\n")
    places = cells_of(case.learned)
    shift = {column.name: 25569.0 * column.dates for column in case.learned.schema.columns}
    columns = [
        [v + shift[name] if isinstance(v, float) else v for v in values_of(case, name)]
        for name in places
    ]
    rows = zip(*columns, strict=True) if columns else [()] * case.table.n_rows
    return [value(formula, dict(zip(places.values(), row, strict=True))) for row in rows]


@settings(max_examples=150)
@given(cases())
def test_each_form_says_of_each_row_what_the_rule_says(case):
    made = run_python(python_file(case.learned))
    assert [made["predict"](row) for row in rows_of(case)] == case.classes
    assert in_sqlite(case, sql_case(case.learned)) == case.classes
    assert in_sheet(case) == case.classes


@settings(max_examples=50)
@given(cases())
def test_no_name_ends_a_comment_or_a_table_of_markdown(case):
    for line in python_file(case.learned).split("\n"):
        assert line.isprintable()
    text = markdown_table(case.learned)
    document = MarkdownIt("commonmark").enable("table").parse(text)
    assert "html_block" not in {token.type for token in document}
    cells = [
        document[at + 1].children for at, token in enumerate(document) if token.type == "td_open"
    ]
    assert len(cells) == 5 * (len(case.learned.rule.lines) + 1)
    assert {token.type for cell in cells for token in cell} <= {"text", "text_special"}


def test_the_python_file_is_short_and_reads_like_the_rule():
    text = python_file(KNOWN)
    assert (
        """
    age = number_of(row['age'], NumberFormat('.', ''), ())
    plan = text_of(row['plan'])
    # plan = basic AND age > 31.5
    if plan == 'basic' and age > 31.5:
        return 'yes'
    # plan ≠ gold
    if plan not in (None, 'gold'):
        return 'no'
    return 'yes'
"""
        in text
    )
    assert "read_date" not in text
    assert "import datetime" not in text
    only_texts = learned(RuleList((Line((Missing("plan"),), 1),), 0, ("a", "b")), (AGE, PLAN))
    assert "number_of" not in python_file(only_texts)


def test_the_python_file_takes_values_of_python_as_the_rule_takes_cells():
    on = ColumnSchema("on", "category", ("false", "true"))
    commas = ColumnSchema("age", "number", decimal=",")
    lines = (
        Line((AtMost("age", 1.5), Present("since")), 1),
        Line((Among("on", ("true",)),), 2),
        Line((Above("since", 19787.0, date=True),), 3),
    )
    rule = RuleList(lines, 0, ("rest", "young", "on", "late"))
    predict = run_python(python_file(learned(rule, (commas, on, SINCE))))["predict"]
    day = datetime.date(2024, 3, 6)
    assert predict({"age": 1.5, "on": None, "since": day}) == "young"
    assert predict({"age": np.float64(1.5), "on": None, "since": day}) == "young"
    assert predict({"age": "1,5", "on": None, "since": day}) == "young"
    assert predict({"age": 1.5, "on": True, "since": None}) == "on"
    assert predict({"age": float("nan"), "on": False, "since": day}) == "late"
    late = datetime.datetime(2024, 3, 5, 0, 0, 1)
    assert predict({"age": None, "on": "", "since": late}) == "late"
    assert predict({"age": float("inf"), "on": "x", "since": "2024-03-05"}) == "rest"
    with pytest.raises(KeyError, match="since"):
        predict({"age": 1.5, "on": True})


def test_the_python_file_is_a_program_that_reads_csv(tmp_path):
    path = tmp_path / "rule.py"
    path.write_text(python_file(KNOWN), encoding="utf-8")
    rows = "\ufeffid, plan,age \n1,basic,40\n2,basic,\n3, gold,5\n\n4\n"
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")

    def run(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-I", "-W", "error", path, *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
        )

    for done in (run(stdin=rows), run(tmp_path / "rows.csv")):
        assert (done.stderr, done.returncode) == (b"", 0)
        assert done.stdout.decode().split() == ["yes", "no", "yes", "yes"]
    done = run(stdin="id,plan\n1,basic\n")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("There is no column 'age'; ")


def test_sql_is_as_a_person_would_write_it():
    assert sql_case(KNOWN).splitlines()[2:] == [
        "CASE",
        """    WHEN "plan" = 'basic' AND "age" > 31.5 THEN 'yes'""",
        """    WHEN "plan" <> 'gold' THEN 'no'""",
        "    ELSE 'yes'",
        "END",
    ]
    always = learned(RuleList((), 0, ("it's", "b")), (AGE,))
    assert sql_case(always).splitlines()[2:] == ["'it''s'"]


def test_sql_cannot_hold_nul():
    rule = RuleList((Line((Missing("a\0b"),), 1),), 0, ("a", "b"))
    with pytest.raises(InputError, match="NUL character"):
        sql_case(learned(rule, (ColumnSchema("a\0b", "number"),)))


def test_the_formula_refers_to_the_columns_of_the_sheet():
    assert spreadsheet_formula(KNOWN) == (
        '=IF(AND(EXACT(B2,"basic"),IF(ISNUMBER(A2),A2>31.5,FALSE())),"yes",'
        'IF(AND(B2<>"",NOT(EXACT(B2,"gold"))),"no","yes"))\n'
    )
    wide = [f"c{number}" for number in range(700)] + ["age", " plan"]
    assert cells_of(KNOWN, wide) == {"plan": "ZZ2", "age": "ZY2"}
    assert cells_of(KNOWN, ["plan", *wide[:25], "age"])["age"] == "AA2"
    with pytest.raises(InputError, match="no column 'age' in the sheet"):
        cells_of(KNOWN, ["plan", "years"])
    with pytest.raises(InputError, match="16,384 columns"):
        cells_of(KNOWN, ["age"] * 16385)


@pytest.mark.parametrize("level", ["True", "true", "TRUE"])
def test_a_sheet_makes_booleans_of_some_texts(level):
    rule = RuleList((Line((Among("plan", (level,)),), 1),), 0, ("a", "b"))
    formula = spreadsheet_formula(learned(rule, (PLAN,))).strip()
    cells = [True, "true", False, None, "untrue"]
    assert [value(formula, {"A2": cell}) for cell in cells] == ["b", "b", "a", "a", "a"]


def test_dates_in_a_formula_are_dates():
    rule = RuleList((Line((AtMost("since", 19787.5, date=True),), 1),), 0, ("a", "b"))
    formula = spreadsheet_formula(learned(rule, (SINCE,)))
    assert formula == '=IF(IF(ISNUMBER(A2),A2<=DATE(2024,3,5)+0.5,FALSE()),"b","a")\n'


def test_times_of_day_are_exact_in_every_form():
    """Also to parts of a second, which spreadsheets and databases have as shares of a day."""
    for value_, text, in_sql, in_formula in (
        (19732.2, "2024-01-10 04:48", "2024-01-10 04:48:00", "DATE(2024,1,10)+0.2"),
        (19732.20001, "2024-01-10 04:48:00.864", "2024-01-10 04:48:00.864", "+0.20001"),
        (19732.0, "2024-01-10 00:00", "'2024-01-10 00:00:00'", "A2<=DATE(2024,1,10),"),
    ):
        condition = AtMost("since", value_, date=True, times=True)
        known = learned(RuleList((Line((condition,), 1),), 0, ("a", "b")), (SINCE,))
        assert str(known.rule) == f"IF since ≤ {text} → b\nELSE → a"
        assert text in markdown_table(known).replace("\\", "")
        assert in_sql in sql_case(known)
        assert in_formula in spreadsheet_formula(known)
        assert f"since <= {value_:g}" in python_file(known).replace(".0:", ":")


@pytest.mark.parametrize("days", [19733.0, 19732.5, 19732.20001])
def test_a_database_that_keeps_dates_as_texts_divides_them_by_their_times(days):
    texts = ["2024-01-10 12:00:00", "2024-01-11 00:00:00", "2024-01-11 00:00:01", "2024-01-10"]
    texts += [moment_text(days + share) for share in (-0.25, 0.0, 0.25)]
    values = np.array([read_date(text) for text in texts])
    texts = [text + ":00" if text.count(":") == 1 else text for text in texts]
    table = Table((NumberColumn("since", values, integral=False, dates=True),), len(texts))
    for form in (AtMost, Above):
        rule = RuleList((Line((form("since", days, True, True),), 1),), 0, ("a", "b"))
        expression = sql_case(learned(rule, (SINCE,)))
        with closing(sqlite3.connect(":memory:")) as base:
            base.execute("CREATE TABLE t (since TEXT)")
            base.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
            given_ = [row[0] for row in base.execute(f"SELECT (\n{expression}) FROM t")]
        assert given_ == [rule.classes[label] for label in rule.predict(table)]


def test_no_form_loses_a_condition_on_a_date_of_a_far_century():
    conditions = Above("age", 30.0), AtMost("since", 811800.7140393518, True, True)
    known = learned(RuleList((Line(conditions, 1),), 0, ("a", "b")), (AGE, SINCE))
    assert 'WHEN "age" > 30 AND "since" <= \'4192-08-19 17:08:12.999992\'' in sql_case(known)
    assert "age > 30 AND since ≤ 4192-08-19 17:08:12.999992" in str(known.rule)
    assert "<=DATE(4192,8,19)+0.714" in spreadsheet_formula(known)


def test_texts_of_a_formula_are_as_long_as_excel_takes():
    long = 'x"' * 200
    rule = RuleList((Line((Among("plan", (long,)),), 1),), 0, ("a", "b"))
    known = learned(rule, (PLAN,))
    formula = spreadsheet_formula(known).strip()
    assert value(formula, {"A2": long}) == "b"
    texts = re.findall(r'"((?:[^"]|"")*)"', formula)
    assert max(len(text.replace('""', '"')) for text in texts) == 255
    longer = RuleList((Line((Among("plan", ("x" * 9000,)),), 1),), 0, ("a", "b"))
    with pytest.raises(InputError, match="9,130 characters"):
        spreadsheet_formula(learned(longer, (PLAN,)))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_markdown_are_read_as_they_are(name):
    rule = RuleList((Line((Among(name, (name,)),), 1),), 0, ("a", name))
    text = markdown_table(learned(rule, (ColumnSchema(name, "category", (name,)),), name))
    page = MarkdownIt("commonmark").enable("table").render(text)
    shown = re.sub(r"<td[^>]*>", "\t", page)
    assert "<script" not in page
    assert "</script>" not in page
    cells = [cell.split("</td>")[0] for cell in shown.split("\t")[1:]]
    escaped = (
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
    )
    assert cells[1] == f"IF {escaped} = {escaped}"
    assert cells[2] == escaped


def test_markdown_makes_no_link_of_a_name():
    text = in_markdown("WWW.example.org http://example.org a@example.org 1.5")
    assert text == r"WWW\.example.org http\://example.org a\@example.org 1.5"


def test_markdown_says_what_is_known():
    text = markdown_table(KNOWN)
    assert "# Rule for churned\n" in text
    assert "| 1 | IF plan = basic AND age \\> 31.5 | yes | 20 | 18 |" in text
    assert "| 3 | ELSE | yes | 10 | 9 |" in text
    assert "about 90% right (cross-validated)" in text
    assert "learned from 40 rows only, a rule of up to this size got 19 of 20 other rows" in text
    assert "this rule errs on at most 25.0% of new rows, 95% sure" in text
    assert "no rule list with up to 3 conditions makes fewer" in text
    always = markdown_table(learned(RuleList((), 0, ("a", "b")), (), counts=[(7, 7)]))
    assert "| 1 | ALWAYS | a | 7 | 7 |" in always
    assert "makes no error on the 7 rows" in always


@pytest.mark.parametrize("form", ["python", "sql", "spreadsheet", "markdown"])
def test_each_form_has_a_name(form):
    marks = {"python": "def predict", "sql": "CASE", "spreadsheet": "=IF(", "markdown": "| Line |"}
    assert marks[form] in exported(KNOWN, form)
