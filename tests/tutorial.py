"""Runs the blocks of docs/your-own-data.md: python tests/tutorial.py writes their output anew.

A block that begins with ``$`` holds commands, each followed by what it prints on a terminal; one of
Python runs as it stands, and what it prints is in the block after it.
"""

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from llm_erm.cli.main import main
from regenerate_screens import Terminal

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "your-own-data.md"
BLOCK = re.compile(r"(?<=^```)(console|python|text)\n(.*?)(?=^```$)", re.M | re.S)
PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


def run_again(text: str) -> str:
    """The tutorial with what its blocks print now, run in order in a folder of their own."""
    python: dict[str, object] = {}
    printed = ""

    def block(match: re.Match[str]) -> str:
        nonlocal printed
        kind, body = match.groups()
        match kind:
            case "console":
                commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
                body = "".join(f"$ {command}\n{_printed(command)}" for command in commands)
            case "python":
                out = io.StringIO()
                with redirect_stdout(out):
                    exec(body, python)
                printed = out.getvalue()
            case "text":
                body = printed
        return f"{kind}\n{body}"

    with tempfile.TemporaryDirectory() as folder, chdir(folder), patch.dict(os.environ, PLAIN):
        Path("examples").symlink_to(ROOT / "examples")
        return BLOCK.sub(block, text)


def _printed(command: str) -> str:
    """What a command prints on a terminal."""
    words = shlex.split(command)
    if words[0] != "llm-erm":
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, env={"PATH": path}, check=True
        )
        return done.stdout
    screen = Terminal()
    with redirect_stdout(screen), redirect_stderr(screen):
        try:
            main(words[1:])
        except SystemExit as ended:
            assert not ended.code, screen.getvalue()
    return screen.getvalue()


def without_rivals(text: str) -> str:
    """A text without what it says of other learners, whose releases differ."""
    return re.sub(r"Beside it, on the rows checked.*?(?=Rule: )", "", text, flags=re.S)


if __name__ == "__main__":
    TUTORIAL.write_text(run_again(TUTORIAL.read_text()))
