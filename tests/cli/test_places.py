"""Result files go where flags say, and take the place of nothing that is worth more."""

import json
import os
import stat

import pytest

from llm_erm.cli.log import open_log

RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})


@pytest.fixture
def synthesize(invoke, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([RIGHT]))

    def run(*arguments):
        return invoke(
            *("synthesize", "--functions", "fn_a", "--lengths", 20, "--answers", "a.json"),
            *("--train-size", 20, "--val-size", 20, "--test-size", 40, *arguments),
        )

    return run


def test_a_pipe_or_a_device_is_written_to_and_stays(synthesize, tmp_path):
    """As root, a file in the place of /dev/null would break the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = synthesize("--out-csv", "pipe")
        assert done.returncode == 0, done.stderr
        assert os.read(reader, 9) == b"fn,length"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_and_the_file_it_names_is_written(synthesize, tmp_path):
    (tmp_path / "link.csv").symlink_to("real.csv")
    done = synthesize("--out-csv", "link.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("fn,length")


@pytest.mark.parametrize(
    ("before", "left"),
    [
        ("mine\nmy last line", "mine\nmy last line\n"),
        ('{"whole": 1}', '{"whole": 1}\n'),
        ('mine\n{"half": ', "mine\n"),
        ("mine\n", "mine\n"),
        ("", ""),
    ],
)
def test_a_log_goes_on_after_what_its_file_holds(tmp_path, before, left):
    path = tmp_path / "log"
    path.write_text(before)
    with open_log(None, path, "INFO") as log:
        log.exported()
    text = path.read_text()
    assert text.startswith(left)
    assert json.loads(text[len(left) :])["msg"] == "artifacts_written"


@pytest.mark.parametrize("flag", ["--out-jsonl", "--out-csv", "--log-file"])
@pytest.mark.parametrize("name", ["answers", "attempts", "prompts", "results"])
def test_no_result_file_takes_the_place_of_paid_answers(synthesize, tmp_path, flag, name):
    refused = synthesize("--out-dir", "run", flag, f"run/{name}.jsonl")
    assert refused.returncode == 2
    assert f"{flag} is run/{name}.jsonl, which a run needs to resume" in refused.stderr
    assert synthesize("--out-dir", "run").returncode == 0
    kept = (tmp_path / f"run/{name}.jsonl").read_bytes()
    assert synthesize("--out-dir", "other", flag, f"run/{name}.jsonl").returncode == 2
    assert (tmp_path / f"run/{name}.jsonl").read_bytes() == kept
    assert synthesize("--out-dir", "other", flag, f"{name}.jsonl").returncode == 0


@pytest.mark.parametrize("flag", ["--out-csv", "--out-jsonl"])
def test_what_the_process_prints_to_is_no_result_file(synthesize, flag):
    done = synthesize(flag, "/dev/stdout")
    assert done.returncode == 2
    assert f"{flag} is /dev/stdout, which other output goes to; name a file" in done.stderr


def test_a_folder_with_other_settings_is_no_run(synthesize, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    done = synthesize("--out-dir", "run", "--out-jsonl", "results.jsonl", "--out-csv", "/dev/null")
    assert done.returncode == 0, done.stderr


def test_results_that_nobody_wants_have_one_place(synthesize):
    assert synthesize("--out-csv", "/dev/null", "--out-jsonl", "/dev/null").returncode == 0
    assert synthesize("--out-csv", "a", "--out-jsonl", "a").returncode == 2
