"""Every public name loads; README runs in a notebook; Python writes what the command line does."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import llm_erm
from llm_erm.cli.main import main

ROOT = Path(__file__).parents[1]
RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
SLOW = json.dumps(
    {"code": "import time\n\ndef f(x):\n    time.sleep(0.005)\n    return NUMBER % 2"}
)
SMALL = ("--functions", "fn_a", "fn_b", "--lengths", "20", "--train-size", "20", "--val-size", "20")
LINES = """
import llm_erm

grid = llm_erm.DataGrid(
    functions=("fn_a", "fn_b"), lengths=(20,), train_size=20, val_size=20, test_size=200
)
method = llm_erm.Synthesis.of("scripted:answers.json", attempts=8)
results = llm_erm.run(method, grid, "out")
print(len(results))
"""


def test_every_public_name_loads():
    assert all(getattr(llm_erm, name) is not None for name in llm_erm.__all__)


def test_a_star_import_leaves_out_what_lacks_its_libraries(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    spec = importlib.util.spec_from_file_location("llm_erm", llm_erm.__file__)
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert set(llm_erm.__all__) - set(again.__all__) == {"ProgramClassifier"}


@pytest.mark.parametrize(
    ("change", "data", "said"),
    [
        ({"attempts": 0}, {}, "The budget is 0 attempts"),
        ({"max_tokens": 0}, {}, "The budget is 0 output tokens per attempt"),
        ({"confidence": 1.0}, {}, "The confidence is 1.0"),
        ({"limits": llm_erm.Limits(memory_bytes=0)}, {}, "Every limit of a program must be above"),
        ({}, {"val_size": 0}, "There are 0 validation examples"),
        ({}, {"train_size": 21}, "The training size 21 is odd"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_is_made(
    tmp_path, monkeypatch, change, data, said
):
    monkeypatch.chdir(tmp_path)
    Path("answers.json").write_text(json.dumps([RIGHT]))
    grid = llm_erm.DataGrid(functions=("fn_a",), lengths=(20,), **{"test_size": 20} | data)
    method = llm_erm.Synthesis.of("scripted:answers.json", **{"attempts": 2} | change)
    with pytest.raises(llm_erm.InputError, match=said):
        llm_erm.run(method, grid, "out")
    assert [path.name for path in tmp_path.iterdir()] == ["answers.json"]


def test_importing_one_room_does_not_load_the_others():
    code = "import sys, llm_erm.errors; print([m for m in sys.modules if 'numpy' in m][:1])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def readme_lines() -> str:
    readme = (ROOT / "README.md").read_text()
    (example,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", readme, re.S)
        if "llm_erm.run" in block
    ]
    return example


def test_the_readme_lines_run_in_a_notebook(tmp_path):
    """But for the numbers of attempts and test examples. Its kernel has an event loop that runs."""
    lines = readme_lines()
    assert lines.count("attempts=64") == 1
    nbformat = pytest.importorskip("nbformat", reason="a notebook needs nbformat")
    nbclient = pytest.importorskip("nbclient", reason="a notebook needs nbclient")
    assert lines.count("lengths=(20,))") == 1
    lines = lines.replace("lengths=(20,))", "lengths=(20,), test_size=200)")
    cell = nbformat.v4.new_code_cell(lines.replace("attempts=64", "attempts=8"))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    client = nbclient.NotebookClient(
        notebook, timeout=250, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    said = "".join(output.get("text", "") for output in cell.outputs)
    assert "fn_g L=20 def f(x):\n    return x == x[::-1]" in said
    assert re.search(r"\n 0\.0\d+\n", said)  # the bound
    assert (tmp_path / "runs/python/results.jsonl").exists()


def timeless(folder: Path) -> dict[str, object]:
    """What a run's folder holds, without times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "log.jsonl":
            text = re.sub(r'"(\w*seconds\w*)": [\d.e-]+', r'"\1": 0', path.read_text())
            text = re.sub(r'("\w*sha256)": "([0-9a-f]{16}|\w+ [^"]+)"', r'\1": ""', text)
            lines = text.splitlines()
            found[str(path.relative_to(folder))] = (
                sorted(lines) if path.suffix == ".jsonl" else lines
            )
    return found


def test_a_run_killed_on_the_command_line_goes_on_from_python_with_the_same_files(
    executable, in_process, tmp_path
):
    answers = [SLOW.replace("NUMBER", str(n)) for n in range(2, 8)] + [RIGHT]
    arguments = [
        *("synthesize", *SMALL, "--test-size", "200", "--attempts", "8"),
        *("--provider", "scripted", "--answers", "answers.json", "--out-dir", "out"),
    ]
    folders = {}
    for name in ("whole", "killed"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        (folders[name] / "answers.json").write_text(json.dumps(answers))
    whole = in_process(lambda: main(arguments), folders["whole"], dict(os.environ))
    assert whole.returncode == 0, whole.stderr
    running = subprocess.Popen(
        [executable, *arguments], cwd=folders["killed"], stderr=subprocess.DEVNULL
    )
    journal = folders["killed"] / "out/attempts.jsonl"
    deadline = time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.wait()
    kept = journal.read_bytes().count(b"\n")
    assert kept < 15
    done = subprocess.run(
        [sys.executable, "-c", LINES], cwd=folders["killed"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("2\n", "")
    assert journal.read_bytes().count(b"\n") == 15
    assert timeless(folders["killed"] / "out") == timeless(folders["whole"] / "out")


@pytest.mark.parametrize("name", ["openai:gpt-5", "nobody:x", "local:missing.gguf"])
def test_a_model_that_cannot_be_had_is_an_error_with_facts_and_no_flags(name):
    with pytest.raises(llm_erm.LLMERMError) as caught:
        llm_erm.model(name)
    assert "--" not in str(caught.value)
