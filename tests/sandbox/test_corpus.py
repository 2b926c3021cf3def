"""Ordinary programs give exactly the same results in the sandbox as in plain CPython."""

import json
import random
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from llm_erm.sandbox import FLOAT, Limits

PROGRAMS = tomllib.loads((Path(__file__).parent / "corpus" / "programs.toml").read_text())[
    "programs"
]
INPUTS = ["".join(random.Random(i).choices("01", k=20 + i % 11)) for i in range(40)]
PATIENT = Limits(seconds_per_call=30, seconds_per_candidate=100)
PLAIN = """
import json, sys
programs, inputs = json.load(sys.stdin)
answers = {}
sys.stderr = open("/dev/null", "w")
limit = sys.getrecursionlimit()
for name, source in programs.items():
    module = type(sys)("program")
    sys.modules["program"] = module
    exec(compile(source, "program", "exec", dont_inherit=True), module.__dict__)
    answers[name] = []
    for x in inputs:
        try:
            answers[name].append(float(module.f(x)))
        except Exception:
            answers[name].append(None)
    sys.setrecursionlimit(limit)
with open(sys.argv[1], "w") as file:
    json.dump(answers, file)
"""


@pytest.fixture(scope="module")
def plain_answers(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "answers.json"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN, str(path)],
        input=json.dumps([PROGRAMS, INPUTS]),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return json.loads(path.read_text())


def test_the_corpus_is_large():
    assert len(PROGRAMS) >= 60


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_gives_what_plain_python_gives(name, sandbox, plain_answers):
    execution = sandbox.execute(PROGRAMS[name], INPUTS, PATIENT, FLOAT)
    expected = np.array(plain_answers[name], dtype=float)
    assert execution.status == "ok", execution.message
    assert np.array_equal(execution.predictions, expected, equal_nan=True), execution.message
    if name not in ("sometimes-raises", "too-deep-recursion"):
        assert np.isfinite(expected).all()
    again = sandbox.replay(PROGRAMS[name], INPUTS, execution, PATIENT, FLOAT, alone=2)
    assert again.status == "ok"
