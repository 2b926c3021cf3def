"""The file of a selected program is that program, whatever the names in its header contain."""

import ast
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_erm.certificates import Bound, Certificate
from llm_erm.facts import SynthesisFacts
from llm_erm.records import Result, Verdict
from llm_erm.runs.files import replace
from llm_erm.runs.programs import comment, standalone
from llm_erm.tasks.task import DataKey

PROGRAMS = (
    "def f(x):\n    return 1",
    '"""Its own docstring."""\nfrom __future__ import annotations\n\ndef f(x):\n    return 1\n\n',
    "# coding: latin-1\ndef f(x):\n    return len('é')\n",
    "def f(x):\r\n    return '\\n' in x\r\n",
    "f = lambda x: 1\x0c\n",
)
HOSTILE = (
    "\nimport os; os.makedirs('escaped')",
    "\rimport os; os.makedirs('escaped')",
    "\x0cimport os",
    "\u2028import os\u2029import os\x85import os",
    "\x00\x1b[2J",
    '"""\nimport os\n"""',
    "coding: utf-7 +AAo-import os; os.makedirs('escaped')+AAo-",
    "coding=rot13",
    "vim: set fileencoding:utf-7 :",
    "\\",
    "\ud800",
    "naïve ✓",
)


def result(program: str, name: str) -> Result:
    """A result with the same name wherever others choose one."""
    verdict = Verdict("ok", 9, 0, 10)
    return Result(
        method="synthesis",
        model=name,
        data=DataKey(name, 20, 42),
        examples=20,
        program=program,
        train=verdict,
        validation=verdict,
        test=Verdict("timeout", 0, 10, 10, name),
        certificate=Certificate(0.95, Bound(0.1, 1, 10, 1, name)),
        isolation=name,
        seconds=1.0,
        facts=SynthesisFacts(),
    )


def tree(source: str | bytes) -> str:
    return ast.dump(ast.parse(source))


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", HOSTILE)
def test_the_file_has_the_syntax_tree_of_the_program(tmp_path, program, name):
    path = tmp_path / "program.py"
    replace(path, standalone(result(program, name)))
    assert tree(path.read_bytes()) == tree(program)
    namespace: dict[str, object] = {}
    exec(compile(path.read_bytes(), str(path), "exec"), namespace)
    assert callable(namespace["f"])


def test_nothing_in_a_name_runs_with_the_file(tmp_path):
    for number, name in enumerate(HOSTILE):
        replace(tmp_path / f"{number}.py", standalone(result(PROGRAMS[0], name)))
        command = [sys.executable, f"{number}.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "escaped").exists()


@given(st.text(st.characters(), max_size=40))
@example("coding: utf-7")
@example("\ud800")
def test_a_comment_is_one_line_that_only_says_something(text):
    line = comment(text)
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    source = f"{line}\n{line}\nx = 1\n".encode("utf-8", errors="backslashreplace")
    assert tree(source) == tree("x = 1")


def test_a_plain_name_is_shown_as_it_is():
    assert comment("openai:gpt-5 é") == "# openai:gpt-5 é"


def test_the_header_says_where_the_program_comes_from():
    text = standalone(result(PROGRAMS[0], "m"))
    assert text.startswith(
        "# Program for m at length 20, found by synthesis (m).\n"
        "# Validation accuracy 0.9000, test accuracy none (timeout).\n"
        "# Error at most 0.1 at 95% confidence, if m.\n"
    )
