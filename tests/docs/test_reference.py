"""The reference names every command, every public name, and no message that is never given."""

import ast
import re
import tomllib

import pytest

import llm_erm
from llm_erm.cli.commands import COMMANDS
from pages import DOCS, ROOT
from test_messages import KINDS, SRC

REFERENCE = DOCS / "reference"


def headings(page: str, level: int) -> list[str]:
    """The headings of a page of the reference."""
    return re.findall(rf"^{'#' * level} (.+)$", (REFERENCE / page).read_text(), re.M)


def paths(entry: object) -> list[str]:
    """The pages of an entry of the site's navigation."""
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [path for one in inner for path in paths(one)]


def test_every_page_is_in_the_navigation():
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(paths(nav)) == sorted(pages)


def test_the_help_of_every_command_is_included():
    text = (REFERENCE / "commands.md").read_text()
    names = ["llm-erm", *COMMANDS]
    assert sorted(headings("commands.md", 2)) == sorted(names)
    included = re.findall(r'^--8<-- "tests/golden/help/(.+)\.txt"$', text, re.M)
    assert included == headings("commands.md", 2)


def test_every_public_name_is_described():
    named = re.findall(r"^::: llm_erm\.(\w+)$", (REFERENCE / "python.md").read_text(), re.M)
    pytest.importorskip("narwhals", reason="without it, ProgramClassifier is not public")
    assert sorted(named) == sorted(set(llm_erm.__all__) - {"__version__"})


def messages() -> set[str]:
    """The texts of all errors in the package, with "…" for values that vary."""
    found = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in KINDS:
                found.add(shown(node.args[0]))
    return found


def shown(text: ast.expr) -> str:
    """A text with "…" for what varies in it."""
    if isinstance(text, ast.BinOp):
        return shown(text.left) + shown(text.right)
    if isinstance(text, ast.JoinedStr):
        return "".join(map(shown, text.values))
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else "…"


def is_part(heading: str, message: str) -> bool:
    """Whether a heading says what a message does, with "…" for some of it."""
    return re.search(".*".join(map(re.escape, heading.split("…"))), message, re.S) is not None


def test_every_error_described_is_one_that_is_raised():
    given = messages()
    described = headings("errors.md", 3)
    assert len(described) >= 25
    assert [one for one in described if not any(is_part(one, message) for message in given)] == []


def test_an_error_that_is_never_raised_is_found():
    message = shown(ast.parse("f'There is no task {name!r}; ' + hint").body[0].value)
    assert is_part("There is no task …", message)
    assert is_part("no task …;", message)
    assert not is_part("There is no job …", message)
