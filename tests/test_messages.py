"""Messages of errors are sentences: they begin with a capital letter, or with a name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_erm import errors

SRC = Path(__file__).parents[1] / "src" / "llm_erm"
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.LLMERMError)
} - {"BudgetSpentError"}  # whose message is quoted within sentences
KINDS |= {"Noticed"}
NAMES = {"concurrency", "degree", "device", "lr", "negatives", "peft", "replay", "seed", "vLLM"}
"""Names in lower case, of settings and packages, that sentences begin with."""
COMMANDS = ("pip install", "--force-reinstall")
"""What messages that end with a command to copy, without a full stop, have near their end."""


def texts(path: Path) -> Iterator[tuple[int, str | None, str | None]]:
    """Line, beginning and end of the messages in a module; None for a value that varies."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in KINDS:
            yield node.lineno, literal(node.args[0], 0), literal(node.args[0], -1)


def literal(text: ast.expr, end: int) -> str | None:
    """The first or last part of a text, if it does not vary."""
    while isinstance(text, ast.JoinedStr | ast.BinOp):
        parts = text.values if isinstance(text, ast.JoinedStr) else [text.left, text.right]
        text = parts[end]
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None


def begins_well(text: str) -> bool:
    """Whether a text begins with a capital letter, a sign, or a name that has none."""
    first = text.split(maxsplit=1)[0]
    return not text[0].islower() or first in NAMES or "_" in first or first.endswith(".txt")


def ends_well(text: str) -> bool:
    """Whether a text ends a sentence, or with a command to copy."""
    return text[-1] in ".?)" or any(command in text for command in COMMANDS)


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda path: path.stem)
def test_messages_are_sentences(path):
    for line, first, last in texts(path):
        assert first is None or begins_well(first), (line, first)
        assert last is None or ends_well(last), (line, last)


def test_what_is_no_sentence_is_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "raise InputError(f'the {x} is odd' + '; give two')\n"
        "raise errors.InputError('lr is 0; give more.')\nraise InputError(reason)\n"
    )
    found = [
        (first and begins_well(first), last and ends_well(last)) for _, first, last in texts(path)
    ]
    assert found == [(False, False), (True, True), (None, None)]
