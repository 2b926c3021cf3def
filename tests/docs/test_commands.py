"""Commands and flags of `llm-erm` in Markdown files are those that the program takes."""

import re
import shlex
from dataclasses import fields

import pytest

from llm_erm.cli.commands import COMMANDS, command, flags_of
from llm_erm.cli.parsing import parse
from llm_erm.errors import InputError
from pages import FENCED, ROOT, markdown_files

LINE = re.compile(r"^(?:\$ )?(llm-erm (?:.*\\\n)*.*)", re.M)
FLAG = re.compile(r"`(--[a-z][\w-]+)")
OTHERS = {
    "--exclusive",
    "--force-reinstall",
    "--no-deps",
    "--pids-limit",
    "--pythons",
    "--reasoning-format",
    "--reasoning-parser",
}
"""Flags of other programs that the text speaks of."""


def lines(text: str) -> list[str]:
    """The command lines in the blocks of a page; a "…" in one stands for what is left out."""
    blocks = FENCED.findall(text)
    return [line for block in blocks for line in LINE.findall(block) if "…" not in line]


def fault(line: str) -> str | None:
    """What is wrong with a command line, which does not run; None if it could."""
    _, name, *words = shlex.split(line.replace("\\\n", ""), comments=True)
    if name not in COMMANDS:
        return f"there is no command {name}"
    try:
        parse(flags_of(command(name)), words, "llm-erm")
    except InputError as error:
        return str(error)
    return None


FILES = markdown_files()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_program_takes_every_command_line(path):
    faults = {line: fault(line) for line in lines(path.read_text())}
    assert {line: what for line, what in faults.items() if what is not None} == {}


def test_commands_are_found():
    assert sum(len(lines(path.read_text())) for path in FILES) > 80


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("llm-erm synthesise --functions fn_a", "there is no command synthesise"),
        ("llm-erm enumerate --function fn_a", "--function"),
        ("llm-erm figure --sizes", "--sizes needs a value"),
        ("llm-erm fit table.csv --target y  # a comment", None),
        ("llm-erm fit table.csv \\\n    --target y", None),
    ],
)
def test_a_line_that_the_program_refuses_is_found(line, said):
    (found,) = lines(f"```\n$ {line}\n```\n")
    what = fault(found)
    assert what is None if said is None else said in what


def test_every_flag_that_the_text_names_exists():
    kinds = [flags_of(command(name)) for name in COMMANDS]
    names = {"replay_from": "from"}
    known = {names.get(one.name, one.name) for kind in kinds for one in fields(kind)}
    known |= {"help", "version", "target_func", "sequence_length"}
    for path in FILES:
        if path.name in ("CHANGELOG.md", "log.md"):  # which also name flags that are gone
            continue
        named = set(FLAG.findall(FENCED.sub("", path.read_text()))) - OTHERS
        assert {flag for flag in named if flag[2:].replace("-", "_") not in known} == set(), path
