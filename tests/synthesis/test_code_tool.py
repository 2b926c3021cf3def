"""The local code tool says what Python would say, sees the training examples, and nothing else."""

import time

import pytest

from llm_erm.sandbox import Limits, Sandbox
from llm_erm.synthesis.code_tool import CALLS, NAME, OUTPUT_BYTES, code_tool
from llm_erm.tasks.task import Dataset

TRAIN = Dataset(("0110", "1000", 'it\'s \\ "x" {y}'), (0, 1, 1))


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(sandbox):
    return code_tool(TRAIN, sandbox, Limits()).run


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 + 1", "2\n"),
        ("x = 2\nx * 3", "6\n"),
        ("print('a', end='')\nprint('b')\n'c'", "ab\n'c'\n"),
        ("print('only this')", "only this\n"),
        ("None", "(no output; print what you want to see)"),
        ("x = 5", "(no output; print what you want to see)"),
        ("", "(no output; print what you want to see)"),
        ("examples[0]", "('0110', 0)\n"),
        ("examples[2]", repr((TRAIN.inputs[2], 1)) + "\n"),
        ("type(examples).__name__, len(examples)", "('list', 3)\n"),
        ("def g(n):\n    return n and n + g(n - 1)\n\ng(4)", "10\n"),
        ("[g for g in (lambda: 1,)][0]()", "1\n"),
        ("import sys\nprint('err', file=sys.stderr)\n1", "err\n1\n"),
        ("if __name__ == '__main__':\n    print('main')", "main\n"),
        ("'{}'.format(1) + '%s' % 2", "'12'\n"),
        ("'é✓😀'", "'é✓😀'\n"),
        ("f = 3\nf", "3\n"),
        ("examples[1]  # a comment\n# and more", "('1000', 1)\n"),
        ("len('''a\nb''')", "3\n"),
        ("import numpy as np\nnp.arange(3).sum().item()", "3\n"),
        ("from numpy.linalg import det\nround(det([[1, 2], [3, 4]]), 3).item()", "-2.0\n"),
        ("import sympy\nsympy.factorint(12)", "{2: 2, 3: 1}\n"),
        ("from collections import Counter\nCounter('aab')", "Counter({'a': 2, 'b': 1})\n"),
        ("import hashlib\nhashlib.sha256(b'1').hexdigest()[:4]", "'6b86'\n"),
    ],
)
def test_what_is_printed_and_the_value_of_the_last_line_come_back(run, code, said):
    assert run(code) == said


@pytest.mark.parametrize(
    ("code", "line", "last"),
    [
        ("x = 1\n1 / 0", "line 2", "ZeroDivisionError: division by zero"),
        ("def g():\n    raise KeyError('k')\n\nprint('before')\ng()", "in g", "KeyError: 'k'"),
        ("x = (", "line 1", "SyntaxError: '(' was never closed"),
        ("import torch_is_not_here", "line 1", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "line 1", "SystemExit: 3"),
        ("def g():\n    g()\n\ng()", "in g", "RecursionError"),
    ],
)
def test_an_error_comes_back_as_its_traceback_without_the_tools_own_lines(run, code, line, last):
    said = run(code)
    assert line in said
    assert last in said.splitlines()[-1]
    assert "_run" not in said
    assert "exec(" not in said
    assert ("before" in said) == ("before" in code)


def test_every_use_starts_afresh(run):
    assert run("import sys\nkept = 1\nsys.kept = 2\nexamples.clear()\nkept") == "1\n"
    assert run("import sys\nhasattr(sys, 'kept'), 'kept' in globals()") == "(False, False)\n"
    assert run("len(examples)") == "3\n"


def test_output_beyond_the_limit_is_cut_and_that_is_said(run):
    exact = run(f"print('x' * {OUTPUT_BYTES - 1})")
    assert exact == "x" * (OUTPUT_BYTES - 1) + "\n"
    said = run("for i in range(10**6):\n    print('é' * 100)")
    assert said.endswith(f"(cut here: {OUTPUT_BYTES} bytes of output are the most)")
    assert len(said.encode()) < OUTPUT_BYTES + 100
    assert said.startswith("é" * 100 + "\n")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = []\nwhile True:\n    x.append(bytes(10**7))", "MemoryError"),
        ("bytes(10**10)", "MemoryError"),
        ("import faulthandler\nfaulthandler._read_null()", "ended: crash"),
        ("import os\nos._exit(0)", "crash"),
    ],
)
def test_code_that_takes_too_much_is_ended_and_that_is_said(run, code, said):
    began = time.monotonic()
    assert said in run(code)
    assert time.monotonic() - began < 40


def test_code_without_end_is_refused_before_it_is_looked_at(run):
    began = time.process_time()
    assert "200,000 are the most" in run("x = 1\n" * 10**6)
    assert run("x = 1\n" * 10_000 + "x") == "1\n"
    assert time.process_time() - began < 5  # to parse the first alone takes three times as long


@pytest.mark.parametrize("code", ["while True:\n    pass", "import time\ntime.sleep(60)"])
def test_code_that_never_ends_is_ended_by_its_time_limit(sandbox, monkeypatch, code):
    monkeypatch.setattr("llm_erm.synthesis.code_tool.SECONDS", 1.0)
    assert "ended: timeout" in code_tool(TRAIN, sandbox, Limits()).run(code)


def test_the_output_of_slow_code_is_that_of_one_execution(run):
    """A slow program may be spread over processes; what it says must not be mixed up."""
    said = run(
        "import time, os\nend = time.process_time() + 1.5\n"
        "while time.process_time() < end:\n    pass\nprint(os.urandom(2000).hex())"
    )
    assert len(said) == 4001
    assert said[:-1].isalnum()


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('/tmp/x', 'w')",
        "import os\nos.listdir('/')",
        "import os\nos.environ['HOME']",
        "import subprocess\nsubprocess.run(['ls'])",
        "import socket\nsocket.create_connection(('127.0.0.1', 80))",
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1')",
        "from llm_erm.tasks.suite import SUITE\nSUITE['fn_a'].rule('1')",
    ],
)
def test_there_are_no_files_no_processes_no_network_and_no_rules(run, code):
    said = run(code)
    assert "Error" in said or "ended: forbidden" in said
    assert "root:" not in said


def test_the_code_sees_no_data_but_the_training_examples(sandbox):
    """It looks through every object, frame and file that it can reach."""
    train = Dataset(("1010101",), (1,))
    search = """
import gc, sys
found = []
seen = set()
stack = [sys.modules, globals()]
frame = sys._getframe()
while frame is not None:
    stack += [frame.f_locals, frame.f_globals]
    frame = frame.f_back
for name in ("get_objects", "get_referrers"):
    if hasattr(gc, name):
        stack += getattr(gc, name)() if name == "get_objects" else getattr(gc, name)(gc)
while stack and len(seen) < 300_000:
    item = stack.pop()
    if id(item) in seen:
        continue
    seen.add(id(item))
    if isinstance(item, (str, bytes)):
        text = item if isinstance(item, str) else item.decode("latin-1")
        if format(85, "07b") in text:
            found.append("own")
        if format(42, "07b") in text:
            found.append("others")
    elif isinstance(item, dict):
        stack += list(item.values()) + list(item)
    elif isinstance(item, (list, tuple, set)):
        stack += list(item)
    elif hasattr(item, "__dict__"):
        stack.append(vars(item))
print(sorted(set(found)), len(seen) > 1000)
"""
    others = Dataset(("0101010",), (0,))
    assert code_tool(train, sandbox, Limits()).run(search) == "['own'] True\n"
    assert code_tool(others, sandbox, Limits()).run(search) == "['others'] True\n"


def test_the_model_is_told_what_there_is(sandbox):
    tool = code_tool(TRAIN, sandbox, Limits())
    assert (tool.name, tool.calls) == (NAME, CALLS)
    assert "`examples` is the list of the 3 labelled examples" in tool.description
    assert str(OUTPUT_BYTES) in tool.description
