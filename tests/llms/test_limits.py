"""A limit that nothing can keep is refused by every model, whether or not the model takes it."""

import pytest

from llm_erm import InputError
from llm_erm.incontext.local import LocalEngine
from llm_erm.incontext.server import ServerEngine

FLAGS = [
    ("--timeout", "0"),
    ("--timeout", "-1"),
    ("--timeout", "nan"),
    ("--timeout", "inf"),
    ("--retries", "-1"),
    ("--concurrency", "0"),
    ("--concurrency", "1001"),
    ("--threads", "0"),
    ("--context-tokens", "-5"),
    ("--max-output-tokens", "0"),
]


@pytest.mark.parametrize(("flag", "value"), FLAGS)
@pytest.mark.parametrize(
    "words",
    [
        ("synthesize", "--provider", "local"),
        ("synthesize", "--provider", "scripted", "--answers", "a.json"),
        ("incontext", "--max-output-tokens", 1024),
    ],
)
def test_an_impossible_limit_is_refused_before_anything_is_made(
    invoke, tmp_path, words, flag, value
):
    (tmp_path / "a.json").write_text('["def f(x): return 1"]')
    done = invoke(*words, "--functions", "fn_a", "--lengths", 20, flag, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert " give " in done.stderr
    assert flag in done.stderr.replace("max-model-len", "context-tokens").replace(
        "max-new-tokens", "max-output-tokens"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_engines_made_from_python_refuse_them_too():
    with pytest.raises(InputError, match="threads is 0; give 1 or more."):
        LocalEngine(threads=0)
    with pytest.raises(InputError, match="timeout_seconds is 0; give a number above 0"):
        ServerEngine("m", "http://localhost/v1", "key", timeout_seconds=0)
