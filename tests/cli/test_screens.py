"""What every command prints stays as it was read over, fits its terminal, and pipes as a table."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from llm_erm.cli.tables import Column, record, table
from regenerate_screens import FOLDER, OTHERS, RESULTS, Terminal, screens

NAMES = (*RESULTS, *OTHERS)


@pytest.mark.parametrize("name", NAMES)
def test_the_screens_are_those_that_were_read_over(name):
    """``python tests/regenerate_screens.py`` writes the files anew."""
    assert screens(name) == (FOLDER / f"{name}.txt").read_text()


def test_every_file_is_of_a_command():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_wider_than_its_terminal_and_pipes_hold_one_table(name):
    *forms, piped = (FOLDER / f"{name}.txt").read_text().split("\n$ ")
    for form in forms:
        heading, *lines = form.splitlines()
        assert max(map(len, lines)) <= int(heading.split("# ")[1].split()[0])
    rows = piped.partition("--- stderr:\n")[0].splitlines()[1:]
    assert len({line.count("\t") for line in rows}) == 1
    assert "" not in rows


@pytest.fixture
def on_terminal(monkeypatch):
    """Prints a table on a terminal of so many columns; returns its lines."""

    def printed(columns: int, *arguments, **options) -> list[str]:
        stream = Terminal()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stdout", stream)
        table(*arguments, **options)
        return stream.getvalue().splitlines()

    return printed


WORDS = "none of these words may ever be broken, whatever the terminal"


def test_a_terminal_says_what_else_tasks_are_called(on_terminal):
    columns = [Column("task", legend={"fn_a": "parity_all", "own": "own"}.__getitem__), "test"]
    rows = [("fn_a", "99.0%"), ("own", "98.0%"), ("fn_a", "97.0%")]
    assert on_terminal(40, columns, rows)[4:] == ["fn_a is parity_all."]
    assert on_terminal(40, columns, rows[1:2])[2:] == []


def test_text_is_wrapped_between_words(on_terminal):
    lines = on_terminal(40, ["task", Column("rule", text=True)], [("fn_a", WORDS)])
    assert max(map(len, lines)) <= 40
    assert " ".join(" ".join(lines[1:]).split()) == f"fn_a {WORDS}"


def test_what_does_not_fit_is_a_paragraph_per_row(on_terminal):
    lines = on_terminal(24, ["a", "b", "c"], [("x" * 12, "y" * 12, "z"), ("1", "2", "3")])
    assert lines == [f"a  {'x' * 12}", f"b  {'y' * 12}", "c  z", "", "a  1", "b  2", "c  3"]


def test_long_text_ends_in_an_ellipsis_unless_all_is_asked_for(on_terminal):
    columns, rows = ["a", Column("b", text=True)], [("1", "word " * 50)]
    narrow = on_terminal(40, columns, rows)
    assert (len(narrow), narrow[-1][-1]) == (4, "…")
    whole = on_terminal(40, columns, rows, wide=True)
    assert " ".join(whole).count("word") == 50


def test_settings_alike_in_all_rows_are_said_once_and_the_usual_ones_not_at_all(on_terminal):
    columns = ["a", Column("length", setting=True), Column("trial", usual="1"), Column("c")]
    lines = on_terminal(60, columns, [("x", "20", "1", "–"), ("y", "20", "1", "–")])
    assert lines == ["a", "x", "y", "In all rows: length 20."]


def test_columns_of_the_wide_form_are_named(on_terminal):
    columns, rows = ["a", Column("b", wide=True)], [("x", "y"), ("z", "w")]
    assert on_terminal(60, columns, rows) == ["a", "x", "z", "More with --wide: b."]
    assert on_terminal(60, columns, rows, wide=True) == ["a  b", "x  y", "z  w"]


def test_pipes_get_every_column_and_one_line_per_row(capsys):
    table(["a", Column("b", wide=True)], [("x\ty\nz", "–"), ("1  2", "\x1b[31m")])
    assert capsys.readouterr().out == "a\tb\nx y z\t–\n1  2\t�[31m\n"
    record({"a": "1", "b": "2"})
    assert capsys.readouterr().out == "a\tb\n1\t2\n"


@pytest.mark.parametrize("columns", [60, 100])
def test_a_real_terminal_is_as_wide_as_it_says(executable, tmp_path, columns):
    code = "def f(x):\n    return (x.count('1') + 2 * x.count('11') + 4 * x.count('111')) % 2\n"
    (tmp_path / "answers.json").write_text(json.dumps([json.dumps({"code": code})]))
    words = ("synthesize", "--answers", "answers.json", "--functions", "fn_a", "--lengths", "20")
    sizes = ("--train-size", "20", "--val-size", "20", "--test-size", "40", "--attempts", "1")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    running = subprocess.Popen(
        [executable, *words, *sizes], cwd=tmp_path, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 2**16)
        except OSError:  # it has ended
            break
    assert running.wait(60) == 0, said
    lines = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r", "\n").splitlines()
    shown = lines[next(i for i, line in enumerate(lines) if line.startswith("task  ")) :]
    assert max(map(len, shown)) <= columns
    assert shown[0].split()[-1] == "program"
    assert "x.count('11')" in "".join(shown)
