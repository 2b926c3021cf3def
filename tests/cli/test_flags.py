"""Every flag that a message names is one of the command that prints it."""

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import llm_erm
from llm_erm.cli.commands import COMMANDS, METHODS, command, flags_of
from llm_erm.cli.flags import flag_of, sentence
from llm_erm.errors import InputError

SOURCE = Path(llm_erm.__file__).parent
SHARED = {
    "asking": ("fit",),
    "command_model": ("synthesize",),
    "benchmark_tasks": ("benchmark",),
    "contenders": ("replicate",),
    "dry_run": ("synthesize",),
    "engines": ("incontext",),
    "experiments": ("replicate",),
    "log": ("synthesize",),
    "model_options": ("synthesize",),
    "models": ("synthesize",),
    "options": ("enumerate", "synthesize", "verify"),
    "parts": ("benchmark", "replicate"),
    "places": ("export", "predict"),
    "placing": ("benchmark", "fit", *METHODS, "replicate", "sweep"),
    "proposal_options": ("fit",),
    "proposing": ("fit",),
    "published": ("synthesize",),
    "repeat": ("synthesize",),
    "replay": ("synthesize",),
    "results": ("enumerate", "synthesize"),
    "runs": ("incontext", "synthesize"),
    "solvers": ("benchmark",),
    "unusable": ("synthesize",),
    "tables": (
        *("baselines", "compare", "enumerate", "incontext"),
        *("sweep", "synthesize", "tasks", "train"),
    ),
}
"""The modules that several commands share and that name flags, with these commands."""
TABLES = ("commands", "flags")
OF_ALL = {"--help", "--version"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z_-]*[a-z]")


def flags(name: str) -> set[str]:
    kind = flags_of(command(name))
    found = {"--" + field.name.replace("_", "-") for field in fields(kind)}
    for hint in get_type_hints(kind, include_extras=True).values():
        for mark in get_args(hint):
            found |= {*(getattr(mark, "aliases", None) or ())}
    return found | OF_ALL | ({"--from"} if "--replay-from" in found else set())


def texts(path: Path) -> list[str]:
    """What a module prints: its texts without its docstrings, other than those of options."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        # A flag of another command is named with that command.
        re.sub(r"`llm-erm [^`]*`", "", node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


@pytest.mark.parametrize(
    "path",
    # The examples of commands.py are parsed in test_help.py; flags.py has a table of all flags.
    sorted({*(SOURCE / "cli").glob("*.py")} - {SOURCE / "cli" / f"{n}.py" for n in TABLES}),
    ids=lambda path: path.stem,
)
def test_a_message_names_flags_of_its_command(path):
    named = {flag.replace("_", "-") for text in texts(path) for flag in FLAG.findall(text)}
    users = SHARED.get(path.stem, (path.stem,) if path.stem in COMMANDS else ())
    if not users:  # shared by all
        assert named <= OF_ALL | {"--from"}
    for name in users:
        assert named <= flags(name), name


def settings() -> set[str]:
    """What the errors of the package call the settings at fault."""
    return {
        name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "setting"
        for value in ast.walk(node.value)
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
        for name in value.value.split(" or ")
        if name
    }


@pytest.mark.parametrize("setting", sorted(settings() - {"api_key"}))
def test_every_setting_has_a_flag_of_some_command(setting):
    kinds = [flags_of(command(name)) for name in COMMANDS]
    assert any(flag_of(setting, kind) for kind in kinds)


def test_an_error_names_the_flag_of_the_command_that_failed():
    error = InputError("It is too long.", setting="context_tokens")
    said = {name: sentence(error, flags_of(command(name))) for name in (*METHODS, "data")}
    assert said["synthesize"] == "It is too long (--context-tokens)."
    assert said["incontext"] == "It is too long (--max-model-len)."
    assert said["data"] == "It is too long."


def test_a_command_without_the_flag_does_not_name_it(invoke, tmp_path):
    (tmp_path / "empty").mkdir()
    done = invoke("compare", "empty")
    assert done.returncode == 2
    assert done.stderr == "llm-erm: empty holds no results; name the folder of a finished run.\n"
