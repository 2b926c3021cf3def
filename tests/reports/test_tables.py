"""The table of a comparison in files: whole, aligned, and safe whatever the names hold."""

import csv
import io
import re
from dataclasses import replace

import pytest

import made_results as made
from llm_erm.errors import InputError
from llm_erm.reports.comparison import Row, compare
from llm_erm.reports.results import Entry
from llm_erm.reports.tables import (
    COLUMNS,
    as_csv,
    as_latex,
    as_markdown,
    cells,
    check_table,
    in_latex,
    record,
    write_table,
)

HOSTILE = r"a|b\c{d}e_f%g&h#i$j~k^l<m>n*o`p'q" + '"r[s]t\nu\x1b[31mv--w,,x=1'


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Four methods on two tasks, one of them in two trials elsewhere."""
    runs = {"llm": made.synthesized()[:2], "sizes": made.enumerated(), "deep": made.trained()}
    return compare([Entry(one, run) for run, results in runs.items() for one in results])


@pytest.fixture(scope="module")
def odd() -> list[Row]:
    """A model with a hostile name, in two trials of a run that did not finish."""
    results = [replace(one, model=HOSTILE) for one in made.tried()]
    return compare([Entry(one, "=run", "=run holds 2 of 3 results") for one in results])


def latex_rows(text: str) -> list[list[str]]:
    """The cells of a LaTeX table, the headings first."""
    body = text.partition("\\toprule\n")[2].partition("  \\bottomrule")[0]
    lines = [line for line in body.splitlines() if line != "  \\midrule"]
    assert all(line.endswith(r" \\") for line in lines)
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in lines
    ]


def braces(text: str) -> int:
    """The number of groups that are open at the end; fails if one closes that was not open."""
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    return depth


def test_latex_has_every_column_and_one_line_per_row(rows):
    text = as_latex(rows)
    (kinds,) = re.findall(r"\\begin{tabular}{@{}([lr]+)@{}}", text)
    assert len(kinds) == len(COLUMNS)
    heading, *lines = latex_rows(text)
    assert {len(line) for line in (heading, *lines)} == {len(COLUMNS)}
    assert heading[6:8] == [r"95\% interval", "error at most"]
    assert len(lines) == len(rows) == 6
    assert text.count("\\midrule") == 2  # below the headings, and between the tasks
    assert braces(text) == 0
    assert lines[0][:5] == [
        r"fn\_a",
        "20",
        "synthesis openai:gpt-5",
        "1",
        "100.0\\%",
    ]
    assert lines[0][5:7] == ["10,000", r"99.6--100.0\%"]
    assert lines[0][-1] == r"\$0.1234"
    assert lines[2][-3] == "--"  # no candidates to count
    ends = {line.index("&") for line in text.splitlines() if " & " in line}
    assert len(ends) == 1  # aligned in the source as well


def test_latex_takes_no_name_for_a_command(odd):
    text = as_latex(odd)
    heading, line = latex_rows(text)
    assert len(line) == len(heading) == len(COLUMNS)
    assert braces(text) == 0
    name = line[2]
    assert name.isprintable()
    assert not set(
        re.sub(r"\\(?:[#$%&_{}]|text\w+\{\}|symbol\{34\})|\{[\[\]*]\}|\{\}", "", name)
    ) & set('#$%&_{}\\~^<>|"`[]*')
    assert name.endswith("x=1 (run not finished)")
    assert r"v-{}-w,{},x" in name
    assert line[9] == r"2 of 2 (15.8--100.0\%)"
    assert in_latex("\\") == r"\textbackslash{}"


def markdown_rows(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines()
    ]


def test_markdown_is_aligned_and_has_every_column(rows, odd):
    for some in (rows, odd):
        text = as_markdown(some)
        assert len({len(line) for line in text.splitlines()}) == 1
        heading, rules, *lines = markdown_rows(text)
        assert len(lines) == len(some)
        assert {len(line) for line in (heading, rules, *lines)} == {len(COLUMNS)}
        for column, rule in zip(COLUMNS, rules, strict=True):
            assert re.fullmatch("-+:" if column.number else ":-+", rule)
    assert r"a\|b\\c" in text
    assert r"l\<m\>n\*o\`p" in text
    assert "\x1b" not in text
    _, _, first, *_ = markdown_rows(as_markdown(rows))
    assert first[4:8] == ["100.0%", "10,000", "99.6–100.0%", "0.48%"]


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_holds_what_json_holds_unrounded(rows):
    lines = read_csv(as_csv(rows))
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        known = record(row)
        for name, value in known.items():
            if name.endswith("interval"):
                ends = value or ("", "")
                assert (line[f"{name}_low"], line[f"{name}_high"]) == tuple(map(str, ends))
            elif isinstance(value, list):
                assert line[name].split() == value
            else:
                assert line[name] == ("" if value is None else str(value))
    assert set(lines[0]) == {
        *(name for name in known if not name.endswith("interval")),
        *(f"{n}interval_{end}" for n in ("", "learned_", "exact_") for end in ("low", "high")),
    }


def test_no_cell_of_a_csv_is_a_formula(rows):
    hostile = [replace(rows[0], method=f"{sign}1+1") for sign in "=+-@"]
    for row, line in zip(hostile, read_csv(as_csv(hostile)), strict=True):
        assert line["method"] == f"'{row.method}"
    negative = replace(rows[0], point=("-fn", -3))
    (line,) = read_csv(as_csv([negative]))
    assert (line["function"], line["length"]) == ("'-fn", "-3")


@pytest.mark.parametrize("ending", [".md", ".csv", ".tex"])
def test_the_ending_decides_the_form(tmp_path, rows, ending):
    path = tmp_path / "new" / f"table{ending}"
    check_table(path)
    write_table(rows, path)
    text = path.read_bytes().decode()
    forms = {".md": as_markdown, ".csv": as_csv, ".tex": as_latex}
    assert text == forms[ending](rows)
    with pytest.raises(InputError, match=r"ends in \.md, \.csv or \.tex"):
        check_table(tmp_path / "table.html")


def test_the_terminal_shows_the_same_columns(rows):
    assert len(cells(rows[0])) == len(COLUMNS)
    assert cells(rows[0])[6] == "99.6% to 100.0%"
