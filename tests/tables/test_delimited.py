"""Delimited text: delimiters, quotes, ragged rows, names."""

import csv

import pytest

from llm_erm.tables import delimited
from llm_erm.tables.sources import open_source

ROWS = [("a b", "n", "y"), ("x, 1", "1", "no"), ("z\n2", "2", "yes"), ("w", "3", "no")]


def texts(column):
    return [column.levels[code] for code in column.codes]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_delimiter_and_line_end_gives_the_same_table(read, delimiter, end):
    lines = [delimiter.join(f'"{cell}"' for cell in row) for row in ROWS]
    loaded = read(end.join(lines))
    first, second = loaded.table.columns
    assert first.name == "a b"
    assert texts(first) == ["x, 1", "z\n2", "w"]
    assert second.values.tolist() == [1, 2, 3]
    assert loaded.schema.classes == ("no", "yes")
    assert loaded.labels.tolist() == [0, 1, 0]


def test_the_target_tells_the_delimiter_where_lines_could_be_either(read):
    loaded = read("a,b;c,y\n1,2;3,no\n4,5;6,yes\n", target="y")
    assert [column.name for column in loaded.table.columns] == ["a", "b;c"]
    loaded = read("a,b;c,y\n1,2;3,no\n4,5;6,yes\n7,8;9,yes\n", target="c,y")
    assert loaded.schema.classes == ("3,no", "6,yes", "9,yes")


def test_the_line_with_which_excel_names_the_delimiter_is_no_row(read):
    loaded = read("sep=;\na;y\n1;no\n2;yes\n")
    assert loaded.table.columns[0].values.tolist() == [1, 2]


def test_spaces_around_values_and_names_are_left_out_and_said(read):
    loaded = read("  a , y\n 1 , no\n 2 ,yes \n")
    assert loaded.table.columns[0].name == "a"
    assert loaded.schema.classes == ("no", "yes")
    assert "Column a: spaces around values were removed." in loaded.notices


def test_quotes_may_follow_a_space(read):
    assert read('a, y\n"p, q", "no"\nr, yes\n').table.columns[0].levels == ("p, q", "r")


def test_long_rows_are_read_a_few_at_a_time(write, monkeypatch):
    monkeypatch.setattr(delimited, "CHUNK_CHARACTERS", 500)
    rows = "".join(f"{'x' * 90},{index}\n" for index in range(200))
    chunks = list(open_source(write(f"a,y\n{rows}"), [], "y").chunks)
    assert [number for chunk in chunks for number in chunk.row_numbers] == list(range(1, 201))
    assert max(map(len, chunks[1:])) <= 6


def test_a_short_row_is_filled_up_and_named_by_its_line(read):
    loaded = read('a,b,y\n\n1,"x\ny",no\n,,yes\n3\n4,p,yes\n')
    assert loaded.table.columns[1].codes.tolist() == [1, -1, 0]
    assert loaded.row_numbers.tolist() == [1, 2, 4]
    said = " ".join(loaded.notices)
    assert "(line 6) has fewer cells than there are column names; the values that it lacks" in said
    assert "1 of 4 rows has no label in y (empty) and was left out." in said


def test_a_long_row_is_refused_by_its_line(refusal):
    message = refusal('a,y\n"1\n",no\n2,5,yes\n')
    assert "line 4: 3 cells, but 2 column names; put" in message


def test_empty_cells_beyond_the_names_are_no_cells(read):
    assert read("a,y\n1,no,,\n2,yes\n").table.columns[0].values.tolist() == [1, 2]
    assert len(read("a,y,\n1,no,\n2,yes,\n").table.columns) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('a,y\n1,no\n"2,yes\n3,no\n', "line 3: a quotation mark opens there that never closes"),
        ('a,y\n1,no\n"2"x,yes\n', "line 3: text follows a closing quotation mark"),
        ("", "is empty"),
        ("\n \n\n", "is empty"),
        ("a,y\n", "There are no rows in"),
        ("a,y\n\n  \n", "only column names; add rows."),
    ],
)
def test_what_is_no_table_is_refused_with_a_sentence(refusal, text, said):
    assert said in refusal(text)


@pytest.mark.parametrize("limit", [131_072, 10**9])
def test_a_cell_of_ten_million_characters_is_refused_by_its_line(refusal, limit):
    """Whatever limit others in the process have set."""
    before = csv.field_size_limit(limit)
    try:
        message = refusal("a,y\n1,no\n" + "x" * 10_000_000 + ",yes\n")
    finally:
        csv.field_size_limit(before)
    assert "line 3: a cell has more than 131,072 characters" in message


def test_a_row_that_never_ends_is_refused_though_every_cell_is_short(refusal):
    message = refusal("a,y\n1,no\n" + "x," * 9_000_000 + ",yes\n")
    assert "line 3: the row has more than 16,000,000 characters" in message


def test_more_columns_than_a_table_may_have_are_refused(refusal):
    assert "10,001 columns" in refusal("y" + ",a" * 10_000 + "\n1\n")


def test_repeated_and_empty_names_are_numbered_and_said(read):
    loaded = read("a,a,,a (2),y\n1,2,3,4,no\n5,6,7,8,yes\n")
    assert [column.name for column in loaded.table.columns] == ["a", "a (3)", "column 3", "a (2)"]
    said = " ".join(loaded.notices)
    assert "were renamed: column 2 is now 'a (3)'." in said
    assert "were named by their position: column 3." in said


def test_a_repeated_target_is_refused(refusal):
    assert "Several columns" in refusal("a,y,y\n1,no,yes\n2,yes,no\n")


def test_cells_that_spreadsheets_would_run_are_texts(read):
    loaded = read("a,y\n=1+1,no\n@x,yes\n=1+1,no\n")
    assert loaded.table.columns[0].levels == ("=1+1", "@x")
