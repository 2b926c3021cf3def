"""`--provider replay --from FOLDER` does a run again from its journal, without a key or a call."""

import json
import shutil
from pathlib import Path

import pytest

from api_server import Api, Call, Reply, serving
from canary import CANARY
from llm_erm import DataSpec, Enumeration, EnumerationSettings, run
from responses_server import response, text

SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40)
PROGRAMS = ["1", "int(x[0])", "int(x[1])", "1", "x.count('1') % 2", "int(x[2])", "1", "0"]


def sample(number: int) -> str:
    return json.dumps({"code": f"def f(x):\n    return {PROGRAMS[number]}"})


@pytest.fixture
def api():
    seen: dict[str, int] = {}

    def answer(call: Call) -> Reply:
        prompt = call.body["input"][0]["content"]
        number = seen[prompt] = seen.get(prompt, 0) + 1
        if number == 3:
            return Reply(b"busy")
        # The later ones of three that are in flight together come first.
        return Reply(response([text(sample((number - 1) % 8))]), after=0.2 - 0.06 * (number % 3))

    with serving(answer) as serving_api:
        yield serving_api


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def timeless(value):
    """A JSON value without times, which no replay reproduces."""
    if isinstance(value, dict):
        times = ("seconds", "cpu_seconds", "seconds_to_selected")
        times += ("sha256", "lines_sha256", "answer_sha256")  # checksums of lines with times
        return {key: timeless(part) for key, part in value.items() if key not in times}
    return [timeless(part) for part in value] if isinstance(value, list) else value


@pytest.fixture
def remote(invoke, api: Api):
    """Makes a run of two searches with six attempts."""

    def run(*arguments: object):
        done = invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1"),
            *("--functions", "fn_a", "fn_g", "--lengths", 20, *SMALL),
            *("--attempts", 6, "--out-dir", "first", *arguments),
            OPENAI_API_KEY=CANARY,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


REPLAY = ("synthesize", "--provider", "replay", "--from", "first")


@pytest.mark.parametrize(
    "arguments", [(), ("--speculative", 3), ("--no-early-stop", "--speculative", 2)]
)
def test_a_replay_reproduces_the_results_to_the_bit_without_a_key_or_a_call(
    invoke, remote, api, tmp_path, arguments
):
    remote(*arguments, "--out-csv", "first.csv")
    calls = len(api.calls)
    done = invoke(*REPLAY, "--out-dir", "again", "--out-csv", "again.csv")
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == calls
    first, again = (lines(tmp_path / name / "results.jsonl") for name in ("first", "again"))
    order = [one["data"] for one in again]
    first.sort(key=lambda one: order.index(one["data"]))
    assert json.dumps(timeless(again)) == json.dumps(timeless(first))
    assert len(first) == 2
    assert first[0]["model"] == "openai:gpt-5"
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "first.csv").read_text()
    programs = [
        {path.name: path.read_text() for path in (tmp_path / name / "programs").iterdir()}
        for name in ("first", "again")
    ]
    assert programs[0] == programs[1]


def test_a_replay_of_the_local_model_reproduces_its_results_without_the_model(
    invoke, tmp_path, monkeypatch
):
    done = invoke(
        *("synthesize", "--provider", "local", "--threads", 1, "--functions", "fn_g"),
        *("--lengths", 20, *SMALL, "--attempts", 40, "--out-dir", "first"),
        *("--max-output-tokens", 1000),  # eight samples at once fit in the context
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr("llm_erm.llms.local.LocalLLM.__init__", lambda *_: 1 / 0)
    done = invoke(*REPLAY, "--out-dir", "again")
    assert done.returncode == 0, done.stderr
    first, again = (lines(tmp_path / name / "results.jsonl") for name in ("first", "again"))
    assert json.dumps(timeless(again)) == json.dumps(timeless(first))
    assert [one["attempts"] for one in first] == [8], "stopped early, after a whole batch"


def test_a_replay_can_have_other_limits_and_does_verify_again(invoke, remote, tmp_path):
    remote("--no-early-stop")
    done = invoke(*REPLAY, "--out-dir", "again", "--seconds-per-candidate", 1e-6)
    assert done.returncode == 0, done.stderr
    assert {one["program"] for one in lines(tmp_path / "again/results.jsonl")} == {None}
    attempts = [one["attempt"] for one in lines(tmp_path / "again/attempts.jsonl")]
    statuses = {attempt["validation"]["status"] for attempt in attempts}
    assert statuses == {"timeout", "no_code"}


def test_other_data_are_refused(invoke, remote, tmp_path):
    remote()
    path = min(tmp_path.glob("datasets/*/L20/*/val.txt"))
    rows = path.read_text().splitlines()
    other = rows[0][:-1] + str(1 - int(rows[0][-1]))
    path.write_text("\n".join([other, *rows[1:]]) + "\n")
    done = invoke(*REPLAY, "--out-dir", "again")
    assert done.returncode == 2
    assert "differ from those of the run to replay" in done.stderr
    assert not (tmp_path / "again").exists()


def of(line, answer):
    """Whether a line of a journal is the attempt or the result of an answer."""
    one = json.loads(line)
    if "attempt" in one:
        return (one["job"], one["attempt"]["index"]) == (answer["job"], answer["answer"]["index"])
    return one["data"].items() >= {k: v for k, v in answer["job"].items() if k != "variant"}.items()


def test_a_torn_journal_is_replayed_as_far_as_it_goes(invoke, remote, tmp_path):
    remote("--no-early-stop")
    path = tmp_path / "first/answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    # A kill while the last answer is written leaves no attempt and no result of it.
    last = json.loads(whole.splitlines()[-1])
    for name in ("attempts", "results"):
        file = tmp_path / f"first/{name}.jsonl"
        kept = [line for line in file.read_text().splitlines(keepends=True) if not of(line, last)]
        file.write_text("".join(kept))
    done = invoke(*REPLAY, "--out-dir", "again")
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == whole[:-30]
    attempts = sorted(one["attempts"] for one in lines(tmp_path / "again/results.jsonl"))
    assert attempts == [5, 6]
    assert "5 of 6" in done.stderr


def of_another_method(folder: Path) -> None:
    """As if another method had run there."""
    shutil.rmtree(folder)
    enumeration = Enumeration(
        settings=EnumerationSettings(max_programs=100, max_memory_bytes=8 * 2**30)
    )
    run(
        enumeration,
        [DataSpec(function="fn_a", length=8, train_size=10, val_size=10, test_size=10)],
        folder,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: shutil.rmtree(folder),
            "first is not there; name the folder of a run (--from).",
        ),
        (lambda folder: (folder / "settings.json").unlink(), "Cannot read"),
        (lambda folder: (folder / "settings.json").write_text("{"), "settings.json has changed"),
        (lambda folder: (folder / "settings.json").write_text("[1]"), "settings.json has changed"),
        (lambda folder: (folder / "settings.json").write_text("{}"), "settings.json has changed"),
        (of_another_method, "is not that of a run of `llm-erm synthesize`"),
        (
            lambda folder: (folder / "answers.jsonl").write_text("no\n"),
            "line 1: damaged, edited or of another run",
        ),
        (lambda folder: (folder / "answers.jsonl").write_text('{"a": 1}\n'), "line 1: damaged"),
        (lambda folder: (folder / "answers.jsonl").unlink(), "lacks the answer to attempt 1"),
    ],
)
def test_a_folder_that_is_no_run_is_one_sentence(invoke, tmp_path, change, said):
    (tmp_path / "answers.json").write_text(json.dumps([sample(0)]))
    invoke(
        *("synthesize", "--provider", "scripted", "--answers", "answers.json", "--attempts", 1),
        *("--functions", "fn_a", "--lengths", 20, *SMALL, "--out-dir", "first"),
    )
    change(tmp_path / "first")
    done = invoke(*REPLAY, "--out-dir", "again")
    assert done.returncode == 2
    assert said in done.stderr
    assert "--fresh" not in done.stderr
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("synthesize", "--provider", "replay"), "--from"),
        (("synthesize", "--model", "replay:first"), "--provider replay --from"),
        (("synthesize", "--provider", "openai", "--from", "first"), "--provider replay"),
        ((*REPLAY, "--attempts", 9), "--attempts"),
        ((*REPLAY, "--functions", "fn_b"), "--functions"),
        ((*REPLAY, "--model", "gpt-5"), "--model"),
        ((*REPLAY, "--seed", 1), "--seed"),
        ((*REPLAY, "--no-early-stop"), "--no-early-stop"),
    ],
)
def test_what_a_replay_cannot_change_is_refused(invoke, tmp_path, arguments, said):
    (tmp_path / "answers.json").write_text(json.dumps([sample(0)]))
    invoke(
        *("synthesize", "--provider", "scripted", "--answers", "answers.json", "--attempts", 1),
        *("--functions", "fn_a", "--lengths", 20, *SMALL, "--out-dir", "first"),
    )
    done = invoke(*arguments, "--out-dir", "again")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "again").exists()


def test_a_run_of_a_task_of_its_own_is_replayed_and_reported(invoke, tmp_path):
    (tmp_path / "mine.py").write_text(
        "kind = 'binary'\nlengths = (20,)\ndef rule(x):\n    return int(x[0])\n"
        "def sample(rng, length):\n    return ''.join(rng.choice(['0', '1'], size=length))\n"
    )
    (tmp_path / "answers.json").write_text(json.dumps(["def f(x):\n    return int(x[0])"]))
    task = ("--task-file", "mine.py")
    done = invoke(*("synthesize", "--answers", "answers.json", *task, *SMALL, "--out-dir", "first"))
    assert done.returncode == 0, done.stderr
    done = invoke(*REPLAY, *task, "--out-dir", "again")
    assert done.returncode == 0, done.stderr
    assert "return int(x[0])" in (tmp_path / "again/results.jsonl").read_text()
    done = invoke(*REPLAY, "--out-dir", "third")
    assert "name that file (--task-file)" in done.stderr
    pytest.importorskip("jinja2", reason="reports need Jinja2")
    (tmp_path / "mine.py").unlink()
    done = invoke("report", "first")
    assert done.returncode == 0, done.stderr
    assert "(1 result)" in done.stderr
