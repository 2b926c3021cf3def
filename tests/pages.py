"""Runs the blocks of pages in docs: ``python tests/pages.py`` writes anew what they print.

In a block marked ``console``, lines that begin with ``$`` are commands, each followed by what it
prints on a terminal. The commands of one marked ``sh`` print what the page does not show. Python
runs as it stands, and what it prints is in the block marked ``text`` after it. A block with a title
is a file of that name. The blocks of a page run in order, in a folder of its own; others do not.
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
DOCS = ROOT / "docs"
PAGES = (
    "index.md",
    "your-own-data.md",
    "method.md",
    "tutorials/new-task.md",
    "tutorials/certificate.md",
    "how-to/resume.md",
    "how-to/replay.md",
    "how-to/compare.md",
    "how-to/feedback.md",
    "how-to/report.md",
    "how-to/draw-tasks.md",
    "how-to/python.md",
    "clusters.md",
)
"""The pages whose blocks run."""

FENCED = re.compile(r"^```.*?\n(.*?)^```$", re.M | re.S)
"""A block of any kind."""
BLOCK = re.compile(
    r'(?<=^```)(console|sh|python|json|text)(?: title="([\w.-]+)")?\n(.*?)(?=^```$)', re.M | re.S
)
PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "80"}
VARYING = (
    r"For comparison, .*?(?=Rule: )",  # other learners, whose releases differ
    r"\b\d+(\.\d+)? s\b",
    r"(?<=  )\d+\.\d\d$",  # the column of seconds
    r"isolation '?(strong|standard|basic)'?",
    r"Compil(ing|ed) .*\n",
)
"""What a page shows differs from one machine or run to another in these."""


def markdown_files() -> list[Path]:
    """The Markdown files of the repository."""
    published = ("program_synthesis", "in_context_learning", "finetuning")
    folders = (ROOT, *(ROOT / name for name in published))
    return [
        *(path for folder in folders for path in sorted(folder.glob("*.md"))),
        *DOCS.rglob("*.md"),
    ]


def run_again(text: str) -> str:
    """A page with what its blocks print now."""
    python: dict[str, object] = {"__name__": "__main__"}
    printed = ""

    def block(match: re.Match[str]) -> str:
        nonlocal printed
        kind, title, body = match.groups()
        if title is not None:
            Path(title).write_text(body)
            return match[0]
        match kind:
            case "console":
                commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
                body = "".join(f"$ {command}\n{_printed(command)}" for command in commands)
            case "sh":
                for command in body.splitlines():
                    _printed(command)
            case "python":
                out = io.StringIO()
                with redirect_stdout(out):
                    exec(body, python)
                printed = out.getvalue()
            case "text":
                body = printed
        return f"{kind}\n{body}"

    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        patch.dict(os.environ, PLAIN),
        patch("llm_erm.cli.progress.QUICK_SECONDS", 1000.0),  # bars come and go
    ):
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


def steady(text: str) -> list[str]:
    """The words of a page without what differs between machines, and wherever lines break."""
    for varying in VARYING:
        text = re.sub(varying, "", text, flags=re.S if "Beside" in varying else re.M)
    return text.split()


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        page = DOCS / name
        page.write_text(run_again(page.read_text()))
