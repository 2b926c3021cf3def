"""A key that every test may use, and the search for it in all that they print and write."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CANARY = "sk-canary-4f9b27d1c0e8"
"""Servers of the tests send it back in their errors; it must be in no file and no output."""
_LARGEST = 2**26


def leaks(folder: Path) -> list[str]:
    """The files in a folder that hold the key."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [str(path) for path in files if _holds(path)]


def _holds(path: Path) -> bool:
    try:
        return path.stat().st_size <= _LARGEST and CANARY.encode() in path.read_bytes()
    except OSError:  # unreadable on purpose, or gone
        return False


def check(*texts: str | bytes | None) -> None:
    """Fails if one of these texts holds the key."""
    for text in texts:
        key = CANARY.encode() if isinstance(text, bytes) else CANARY
        assert not text or key not in text, f"the key was printed: {text!r}"


def watch(patch: pytest.MonkeyPatch, made: list[Path]) -> None:
    """Searches all that tests read of what was printed, and remembers the folders they get."""

    def after(kind: type, name: str, look: Callable[[Any], None]) -> None:
        plain = getattr(kind, name)

        def watched(self: Any, *arguments: Any, **keywords: Any) -> Any:
            returned = plain(self, *arguments, **keywords)
            look(returned)
            return returned

        patch.setattr(kind, name, watched)

    after(pytest.CaptureFixture, "readouterr", lambda printed: check(*printed))
    after(subprocess.Popen, "communicate", lambda printed: check(*printed))
    after(pytest.TempPathFactory, "mktemp", made.append)
