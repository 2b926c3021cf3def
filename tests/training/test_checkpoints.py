"""Checkpoints that are written while training goes on."""

import os
import threading
from dataclasses import replace

import pytest
import torch

from llm_erm.errors import InputError
from llm_erm.runs.events import Advanced, Noticed, Started
from llm_erm.training.checkpoints import CheckpointWriter, load_checkpoint, save_checkpoint
from llm_erm.training.learn import learn
from small_training import SMALL

SETTINGS = replace(SMALL, n_epochs=8, eval_every=2, checkpoint_every=1)
PATIENCE_SECONDS = 60
"""How long a write waits for training; if training waited for the write, both would wait."""


def losses(result) -> list:
    return [(point.epoch, point.train_loss, point.test_loss) for point in result.facts.curve]


@pytest.fixture
def slow_disk(monkeypatch):
    """A disk that writes nothing until the event is set."""
    free, write = threading.Event(), torch.save

    def save(*arguments):
        assert free.wait(PATIENCE_SECONDS), "training waits for the disk"
        write(*arguments)

    monkeypatch.setattr(torch, "save", save)
    return free


def test_training_goes_on_while_a_checkpoint_is_written(parity, tmp_path, slow_disk):
    """What is written is the state at the time of the checkpoint, not at that of the write."""

    def stop(event):
        if isinstance(event, Advanced) and event.done == 5:
            slow_disk.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(parity, SETTINGS, folder=tmp_path, observe=stop)
    state, damaged = load_checkpoint(tmp_path)
    assert (state["epoch"], damaged) == (1, ())
    events = []
    resumed = learn(parity, SETTINGS, folder=tmp_path, observe=events.append)
    assert [event.done for event in events if isinstance(event, Started)] == [1]
    assert losses(resumed) == losses(learn(parity, SETTINGS))


def test_the_last_two_are_kept_and_the_one_before_replaces_a_damaged_one(tmp_path):
    for epoch in (1, 2, 3):
        save_checkpoint(tmp_path, {"epoch": epoch}, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.previous",
        "checkpoint.pt",
    ]
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-1])
    assert load_checkpoint(tmp_path, "a") == ({"epoch": 2}, (path,))
    assert load_checkpoint(tmp_path, "b") == (None, (path, tmp_path / "checkpoint.previous"))


def test_a_run_continues_from_the_checkpoint_before_a_damaged_one(parity, tmp_path):
    def stop(event):
        if isinstance(event, Advanced) and event.done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(parity, replace(SETTINGS, checkpoint_every=3), folder=tmp_path, observe=stop)
    if not (tmp_path / "checkpoint.previous").exists():  # the second was left out
        save_checkpoint(tmp_path, load_checkpoint(tmp_path)[0])
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"cut off")
    events = []
    resumed = learn(parity, SETTINGS, folder=tmp_path, observe=events.append)
    said = [event.text for event in events if isinstance(event, Noticed)]
    assert said == [
        f"{path} is damaged or of another run, so training starts from the checkpoint before it."
    ]
    assert [event.done for event in events if isinstance(event, Started)] == [3]
    assert losses(resumed) == losses(learn(parity, SETTINGS))


@pytest.mark.parametrize("moment", ["write", "first rename", "second rename"])
def test_a_kill_while_writing_leaves_a_whole_checkpoint(tmp_path, moment):
    """A child of this process writes the second checkpoint and dies on the way."""
    save_checkpoint(tmp_path, {"epoch": 1, "weights": torch.ones(50_000)})
    if (child := os.fork()) == 0:
        steps = {"first rename": 0, "second rename": 1}
        if moment == "write":
            os.fsync = lambda _: os._exit(9)
        else:
            _die_at_rename(steps[moment])
        save_checkpoint(tmp_path, {"epoch": 2, "weights": torch.ones(50_000)})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    state, damaged = load_checkpoint(tmp_path)
    assert (state["epoch"], damaged) == (1, ())
    save_checkpoint(tmp_path, {"epoch": 3})
    assert load_checkpoint(tmp_path) == ({"epoch": 3}, ())


def _die_at_rename(which: int) -> None:
    from pathlib import Path

    renames, rename = [], Path.replace

    def counted(path, target):
        if len(renames) == which:
            os._exit(9)
        renames.append(path)
        return rename(path, target)

    Path.replace = counted


@pytest.mark.parametrize("later", [True, False])
def test_a_full_disk_ends_the_run_with_a_sentence(tmp_path, monkeypatch, later):
    """At the next checkpoint, or at the end if there is none."""

    def full(*_):
        raise RuntimeError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with (
        pytest.raises(InputError, match="No space left on device; free some space there"),
        CheckpointWriter(tmp_path) as writer,
    ):
        assert writer.save({"weight": torch.ones(2)}, {"epoch": 1})
        if later:
            while not writer.save({"weight": torch.ones(2)}, {"epoch": 2}):
                pass
            pytest.fail("the second save did not report the first")


def test_an_error_of_training_is_not_hidden_by_one_of_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "save", lambda *_: (_ for _ in ()).throw(RuntimeError("full")))
    with pytest.raises(KeyboardInterrupt), CheckpointWriter(tmp_path) as writer:
        writer.save({"weight": torch.ones(2)}, {"epoch": 1})
        raise KeyboardInterrupt
