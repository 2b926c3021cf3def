"""Tables for people hold text that no spreadsheet computes, and that can be had back."""

import csv
import io
import re

import pytest

from llm_erm.errors import InputError
from llm_erm.runs.files import csv_text, writing

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://127.0.0.1","x")',
    "+1",
    "-1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\t",
    "\r=1",
    "\r",
    " =1",
    "\n=1",
    "＝1",
    "'=1",
    "''@a",
    "- a list",
]
PLAIN = [
    "",
    "a=1",
    "1",
    "1-1",
    "'",
    "'a",
    "# Task",
    '{"code": "-1"}',
    " a",
    "\na",
    "é",
    "a\r\nb",
    '"',
]


def cells(text: str) -> list[str]:
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    return row


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
def test_text_that_begins_like_a_formula_gets_an_apostrophe(line_end):
    texts = [text for text in FORMULAS if line_end == "\r\n" or "\r" not in text]
    written = cells(csv_text(texts, [texts], line_end=line_end))
    assert written == [f"'{text}" for text in texts]


def test_all_other_text_stays_as_it_is():
    assert cells(csv_text(PLAIN, [PLAIN])) == PLAIN


def test_numbers_and_missing_values_stay_what_they_are():
    assert csv_text("abcdef", [(-1.5, -2, 0.1, True, None, float("-inf"))]).splitlines()[1] == (
        "-1.5,-2,0.1,True,,-inf"
    )


def test_the_text_is_what_follows_one_apostrophe():
    for text in (*FORMULAS, *PLAIN):
        (cell,) = cells(csv_text(["text"], [[text]]))
        assert re.sub(r"\A'(?=\s*'*[=+\-@\t\r＝＋－＠])", "", cell) == text


def test_a_file_in_place_of_a_folder_is_not_answered_with_advice_on_space(tmp_path):
    (tmp_path / "taken").write_text("")
    with (
        pytest.raises(InputError, match="is a file, not a folder; name another place"),
        writing(tmp_path / "taken"),
    ):
        (tmp_path / "taken").mkdir()
