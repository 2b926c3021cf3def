"""The folder of a run: it is one run's, whole, and nobody else's."""

import json

import pytest

from llm_erm.errors import InputError
from llm_erm.training.artifacts import Artifacts


def finish(folder, config: dict, **options) -> None:
    with Artifacts(folder, config, **options) as artifacts:
        artifacts.finish({"accuracy": 1.0}, [], "a run")


def test_every_process_knows_that_a_run_is_finished(tmp_path):
    """One that did not would wait for the others for ever."""
    finish(tmp_path, {"seed": 1})
    for writer in (True, False):
        with Artifacts(tmp_path, {"seed": 1}, writer=writer) as artifacts:
            assert artifacts.result == {"accuracy": 1.0}
    with Artifacts(tmp_path, {"seed": 1}, fresh=True, writer=False) as artifacts:
        assert artifacts.result is None


def test_one_process_writes_at_a_time(tmp_path):
    with Artifacts(tmp_path, {}), pytest.raises(InputError, match="Another process is writing"):
        Artifacts(tmp_path, {})
    finish(tmp_path, {})


def test_a_damaged_config_is_no_config_like_this_one(tmp_path):
    finish(tmp_path, {"seed": 1})
    for text in ("{", "[1]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(InputError, match="different: config.json is damaged"):
            Artifacts(tmp_path, {"seed": 1})


def test_fresh_deletes_what_a_run_left_and_nothing_else(tmp_path):
    finish(tmp_path, {"seed": 1})
    (tmp_path / "checkpoint.part").write_bytes(b"cut off by a kill")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "head.safetensors").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    with Artifacts(tmp_path, {"seed": 2}, fresh=True) as artifacts:
        assert artifacts.result is None
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"config.json", "logs.log", "curves.png", "notes.txt"}
    assert json.loads((tmp_path / "config.json").read_text()) == {"seed": 2}


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_holds_no_run_is_left_as_it_is(tmp_path, fresh):
    """A model's folder has a config.json, too."""
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(InputError, match="config.json but no logs.log, so it is no run"):
        Artifacts(tmp_path, {"seed": 1}, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_that_is_a_file_is_one_sentence_with_the_flag_that_train_has(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="another place with --results-path"):
        Artifacts(tmp_path / "file", {})
