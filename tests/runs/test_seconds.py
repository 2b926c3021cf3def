"""The seconds of a result are those of all parts of its run, whichever method it is of."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fake_method import SPEC, Fake
from incontext.engines import ScriptedEngine
from llm_erm.enumeration.method import Enumeration
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.errors import InputError
from llm_erm.incontext.method import InContext
from llm_erm.runs import folder as run_folder
from llm_erm.runs.events import Advanced, Answered, Attempted, Finished
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.run import plan, run
from llm_erm.synthesis.method import Synthesis
from llm_erm.training.checkpoints import load_checkpoint, save_checkpoint
from llm_erm.training.method import Training
from run_folders import reseal, settings_of
from small_training import SMALL

LONG = 1000.0
"""Seconds that an earlier part is made to have taken."""


def synthesis(tmp_path: Path) -> Synthesis:
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([f"def f(x):\n    return x.count('{i}') % 2" for i in "01"]))
    return Synthesis.of(f"scripted:{answers}", attempts=3)


def enumeration(tmp_path: Path) -> Enumeration:
    pytest.importorskip("numba", reason="enumeration needs numba")
    return Enumeration(settings=EnumerationSettings(max_memory_bytes=8 * 2**30, max_programs=2000))


def incontext(tmp_path: Path) -> InContext:
    return InContext(engine=ScriptedEngine(lambda prompt: "0"), shots=(4,), queries=4)


def training(tmp_path: Path) -> Training:
    pytest.importorskip("torch", reason="training needs torch")
    return Training(settings=replace(SMALL, n_layer=1, n_epochs=3, checkpoint_every=1))


def lengthen(folder: Path) -> None:
    """Makes what is journaled say that it took long."""
    if (folder / "checkpoint.pt").exists():
        job = f"{settings_of(folder)} fn_a-L8-n20"
        state, _ = load_checkpoint(folder, job)
        assert state is not None
        save_checkpoint(folder, state | {"seconds": LONG}, job)
        return
    for name in ("answers", "attempts"):
        if (path := folder / f"{name}.jsonl").exists():
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            assert all(0 <= line["seconds"] < LONG for line in lines)
            reseal(path, lambda line: line.update(seconds=LONG))


@pytest.mark.parametrize("make", [synthesis, enumeration, incontext, training])
def test_a_result_has_the_seconds_of_the_part_that_was_interrupted(make, tmp_path):
    method = make(tmp_path)
    started: list[object] = []

    def stop(job, event):
        if isinstance(event, Attempted | Answered | Advanced) and not started:
            started.append(event)
        elif started:
            raise InputError("stopped")

    planned = plan(method, [SPEC], tmp_path / "run", dataset_dir=tmp_path / "data")
    with pytest.raises(InputError, match="stopped"):
        run(planned, observers=[stop])
    lengthen(tmp_path / "run")
    (result,) = run(planned)
    assert LONG <= result.seconds < LONG + 60
    assert run(planned) == [result]


@pytest.mark.parametrize("executor", [InProcess(), Processes(1)], ids=["in-process", "processes"])
def test_every_part_adds_up_until_its_last_line(tmp_path, monkeypatch, executor):
    """Three parts of which each journals an attempt and takes ten seconds until then."""
    now = [0.0]
    monkeypatch.setattr(run_folder, "monotonic", lambda: now[0])
    (tmp_path / "notes").mkdir()
    method = Fake(variants=("a",), notes=tmp_path / "notes")
    planned = plan(method, [SPEC], tmp_path / "run", dataset_dir=tmp_path / "data")

    def part(job, event):
        now[0] += 10
        if isinstance(event, Attempted) and event.attempt.index < 3:
            raise InputError("stopped")
        if isinstance(event, Finished):
            results.append(event.result)

    results = []
    for _ in range(2):
        with pytest.raises(InputError, match="stopped"):
            run(planned, observers=[part], executor=executor)
        now[0] += 1000  # nobody works
    assert run(planned, observers=[part], executor=executor) == results
    assert [result.seconds for result in results] == [20.0]
    lines = (tmp_path / "run/attempts.jsonl").read_text().splitlines()
    assert [json.loads(line)["seconds"] for line in lines] == [10.0, 20.0, 30.0]
