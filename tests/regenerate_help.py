"""Renders what `llm-erm COMMAND --help` prints, which `tests/cli/test_help.py` compares.

    python tests/regenerate_help.py

writes the files in ``tests/golden/help`` anew.
"""

import io
import os
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from unittest.mock import patch

from llm_erm.cli.commands import COMMANDS
from llm_erm.cli.main import main

FOLDER = Path(__file__).parent / "golden" / "help"
PLAIN = {"COLUMNS": "80", "LINES": "40", "NO_COLOR": "1", "TERM": "dumb"}


def rendered(*words: str) -> str:
    """What a command prints on a terminal of 80 columns without colours."""
    said = io.StringIO()
    with (
        patch.dict(os.environ, PLAIN),
        redirect_stdout(said),
        redirect_stderr(said),
        suppress(SystemExit),
    ):
        main([*words, "--help"])
    return "".join(f"{line.rstrip()}\n" for line in said.getvalue().splitlines())


def pages() -> dict[str, str]:
    """The pages by the names of their files, the overview of all commands included."""
    return {"llm-erm": rendered()} | {name: rendered(name) for name in COMMANDS}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (FOLDER / f"{name}.txt").write_text(page)
