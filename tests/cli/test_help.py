"""The help of each command stays as it was read over, fits 80 columns, and misleads nobody."""

import re
import shlex
from dataclasses import fields
from functools import cache
from itertools import chain, pairwise
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import tyro

from llm_erm.cli import commands, published
from llm_erm.cli.commands import EXAMPLES, command, flags_of
from llm_erm.cli.help import POSITIONAL, SUBJECTS
from llm_erm.cli.parsing import parse
from llm_erm.version import VERSION
from regenerate_help import COMMANDS, FOLDER
from regenerate_help import rendered as render

rendered = cache(render)


@pytest.mark.parametrize("name", ["llm-erm", *COMMANDS])
def test_the_help_is_the_one_that_was_read_over(name):
    """``python tests/regenerate_help.py`` writes the files anew."""
    page = rendered() if name == "llm-erm" else rendered(name)
    assert page == (FOLDER / f"{name}.txt").read_text()
    assert max(map(len, page.splitlines())) <= 80


def test_every_file_is_of_a_command():
    names = {path.stem for path in FOLDER.glob("*.txt")}
    assert names == {"llm-erm", *COMMANDS}
    assert set(COMMANDS) <= commands.COMMANDS.keys()
    assert EXAMPLES.keys() == commands.COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_subject_and_a_text(name):
    kind = flags_of(command(name))
    hints = get_type_hints(kind, include_extras=True)
    marks = {one.name: get_args(hints[one.name]) for one in fields(kind)}
    positional = {flag for flag, mark in marks.items() if tyro.conf.Positional in mark}
    hidden = {flag for flag, mark in marks.items() if tyro.conf.Suppress in mark}
    assert positional <= POSITIONAL.keys()
    page = rendered(name)
    for flag in marks.keys() - positional - hidden:
        assert sum(flag in names for names in SUBJECTS.values()) == 1, flag
        spelled = "from" if flag == "replay_from" else flag.replace("_", "-")
        # Its text follows on the same line or begins the next one.
        assert re.search(rf"--{spelled}( \S+)*(\s\s+|\s*\n\s+)[`A-Za-z]", page), flag
    others = page.split("\n options\n")[1].split("\n\n")[0]
    assert set(re.findall(r"--[a-z]+", others)) == {"--help", "--version"}


def test_no_subject_lists_a_flag_that_no_command_has():
    there = {one.name for name in commands.COMMANDS for one in fields(flags_of(command(name)))}
    assert set(chain.from_iterable(SUBJECTS.values())) <= there
    assert POSITIONAL.keys() <= there


@pytest.mark.parametrize("name", COMMANDS)
def test_placeholders_and_defaults_mean_something(name):
    page = rendered(name)
    assert not re.search(
        r"\{None\}|\b(STR|INT|FLOAT|PATH)\b|\(default: \)|\(default: False\)", page
    )
    assert "default: None" not in re.sub(r"--published.*?\n  -", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_text_is_broken_only_at_the_margin(name):
    """A line break of the source would end a line that the next word still fits."""
    assert "\n\n  " not in rendered(name)  # a text that fits exactly ends with an empty line
    lines = rendered(name).splitlines()
    for line, following in pairwise(lines):
        indent = len(following) - len(following.lstrip())
        if indent >= 8 and following.strip() and line.startswith(" " * indent):
            assert len(line) + 1 + len(following.split()[0]) > 78, line


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_the_examples_are_valid(name):
    for line in EXAMPLES[name].replace("\\\n", "").strip().splitlines():
        program, called, *words = shlex.split(line)
        assert (program, called) == ("llm-erm", name)
        parse(flags_of(command(name)), words, "llm-erm")


@pytest.mark.parametrize("words", [["--version"], ["verify", "--version"], ["train", "--version"]])
def test_every_command_tells_the_version(invoke, words):
    done = invoke(*words)
    assert (done.returncode, done.stdout) == (0, f"llm-erm {VERSION}\n")


def test_a_published_script_shows_its_own_defaults(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    script = Path(__file__).parents[2] / "in_context_learning" / "vllm_incontext.py"
    with pytest.raises(SystemExit):
        published.incontext(str(script), ["--help"])
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 80
    said = " ".join(page.replace("│", " ").split())
    assert "(default: Qwen/Qwen3-30B-A3B-Instruct-2507)" in said
    assert "default: the embedded" not in said
    assert "(default: erm)" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["synthesise"],
            "There is no command 'synthesise'; did you mean synthesize? See `llm-erm --help`.",
        ),
        (["--provider", "local"], "There is no command '--provider'; choose one of "),
        (["comparison"], "did you mean compare?"),
        (["xyz"], "choose one of synthesize incontext "),
        (["data", "--functions"], "--functions needs a value; give one or more, or omit the flag."),
        (["data", "--lengths", "--seed", "3"], "--lengths needs a value"),
        (["train", "--target_func", "--online"], "--target_func needs a value"),
        (["figure", "--train-size", "20"], "There is no flag --train-size"),
    ],
)
def test_a_command_line_that_is_not_complete_starts_nothing(invoke, tmp_path, words, said):
    done = invoke(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "usual"), [(["help"], ["--help"]), (["help", "data"], ["data", "--help"])]
)
def test_help_is_a_command_too(invoke, words, usual):
    done = invoke(*words)
    assert done.returncode == 0
    assert done.stdout == invoke(*usual).stdout != ""
