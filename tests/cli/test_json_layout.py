"""What `--json` prints keeps its layout: keys and types, and the values that nothing changes.

``LLM_ERM_WRITE_GOLDEN=1 python -m pytest -n 0 tests/cli/test_json_layout.py`` writes the files in
``tests/golden/json`` anew. A command joins by its arguments in ``COMMANDS``.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from run_folders import plain_lines

FOLDER = Path(__file__).parents[1] / "golden" / "json"
SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40, "--out-dir", "out")
ANSWERS = [
    "no idea",
    json.dumps({"code": "def f(x):\n    return int(x == x[::-1])"}),
    json.dumps({"code": "def f(x):\n    return 1"}),
]
SEARCH = ("synthesize", "--answers", "answers.json", "--lengths", 20, "--attempts", 3, *SMALL)
COMMANDS = {
    "synthesize": (*SEARCH, "--functions", "fn_g"),
    "synthesize-all": (*SEARCH, "--functions", "fn_g", "--no-early-stop"),
    "synthesize-nothing": (*SEARCH, "--functions", "fn_a", "--attempts", 1),
}
VOLATILE = {"seconds", "cpu_seconds", "seconds_to_selected", "isolation"}
"""Names of what differs between two runs or machines: only its type is kept."""


def masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: masked(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part) for part in value]
    if name in VOLATILE and value is not None:
        return f"<{type(value).__name__}>"
    return round(value, 9) if isinstance(value, float) else value


@pytest.mark.parametrize("name", COMMANDS)
def test_json_keeps_its_layout(invoke, tmp_path, name):
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    done = invoke(*COMMANDS[name], "--json")
    assert done.returncode == 0, done.stderr
    found = [masked(json.loads(line)) for line in done.stdout.splitlines()]
    text = json.dumps(found, indent=2) + "\n"
    path = FOLDER / f"{name}.json"
    if os.environ.get("LLM_ERM_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()
    stored = plain_lines(tmp_path / "out/results.jsonl")
    assert [masked(line) for line in stored] == found


def test_every_file_is_of_a_command():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(COMMANDS)
