"""The public names are there, and the README's Python example runs as printed."""

import re
import subprocess
import sys
from pathlib import Path

import llm_erm

ROOT = Path(__file__).parents[1]


def test_every_public_name_loads():
    assert all(getattr(llm_erm, name) is not None for name in llm_erm.__all__)


def test_the_readme_example_finds_the_palindrome(tmp_path):
    readme = (ROOT / "README.md").read_text()
    (example,) = [
        block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "asyncio" in block
    ]
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    assert "Certificate(" in done.stdout
    assert "def f(x)" in done.stdout


def test_importing_one_room_does_not_load_the_others():
    code = "import sys, llm_erm.errors; print([m for m in sys.modules if 'numpy' in m][:1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
