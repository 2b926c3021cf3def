"""The help of each command stays as it was read over, and fits 80 columns."""

import pytest

from llm_erm.cli import commands
from regenerate_help import COMMANDS, FOLDER, rendered


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
