"""What several rooms' tests need: the installed command."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says how busy the machine is, not whether the property holds.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def executable() -> Path:
    """Path of the installed `llm-erm`."""
    return Path(sys.executable).with_name("llm-erm")


@pytest.fixture
def command(executable: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the installed `llm-erm` in an empty folder and returns what it printed."""

    def run(*arguments: object, **keywords) -> subprocess.CompletedProcess[str]:
        keywords = {
            "cwd": tmp_path,
            "capture_output": True,
            "text": True,
            "timeout": 120,
        } | keywords
        return subprocess.run([str(executable), *map(str, arguments)], **keywords)

    return run
