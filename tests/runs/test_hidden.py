"""Hidden data: drawn by chance, in no file while a method runs, written when it has stopped."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_erm import DataGrid, Synthesis
from llm_erm.api import run
from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.runs.events import Attempted
from llm_erm.runs.executors import Processes
from llm_erm.runs.hidden import in_memory_alone
from llm_erm.runs.run import plan
from llm_erm.synthesis.settings import SynthesisSettings
from llm_erm.tasks.files import DATA_FILES
from llm_erm.tasks.splits import HIDDEN, HIDDEN_WHILE_ASKED, hide, kept, load

GRID = DataGrid(functions=("fn_a", "fn_c"), lengths=(20,), train_size=20, val_size=20, test_size=40)
SPEC = GRID.specs()[0]
WRONG = "```python\ndef f(x):\n    return 1\n```"


def method(llm: ScriptedLLM | None = None) -> Synthesis:
    return Synthesis(
        llm=llm or ScriptedLLM([WRONG]),
        settings=SynthesisSettings(2, "free-block"),
    )


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.name in DATA_FILES}


def test_they_are_not_those_that_anyone_can_draw(tmp_path: Path) -> None:
    first, _ = hide(SPEC, tmp_path)
    second, _ = hide(SPEC, tmp_path)
    known = load(SPEC, tmp_path / "known")
    inputs = [set(one.train.inputs + one.validation.inputs) for one in (first, second, known)]
    # 40 of 2 ** 20 inputs: two draws share one with a probability below 1 in 600
    assert len(inputs[0] & inputs[1]) + len(inputs[0] & inputs[2]) <= 2
    tests = {one.reveal().test.inputs for one in (first, second, known)}
    assert len(tests) == 3
    assert (first.key.seed, first.independent, first.hidden) == (42, True, True)
    assert first.key.sha256 != second.key.sha256


def test_they_are_balanced_disjoint_and_rightly_labelled(tmp_path: Path) -> None:
    splits, _ = hide(SPEC, tmp_path)
    parts = (splits.train, splits.validation, splits.reveal().test)
    assert [len(part) for part in parts] == [20, 20, 40]
    assert all(2 * sum(part.labels) == len(part) for part in parts)
    assert len({x for part in parts for x in part.inputs}) == 80
    assert all(
        x.count("1") % 2 == y for part in parts for x, y in zip(*vars(part).values(), strict=True)
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    splits, data = hide(SPEC, tmp_path)
    assert not any(tmp_path.iterdir())
    assert kept(SPEC, tmp_path) is None
    data.write()
    again, other = kept(SPEC, tmp_path)
    for name in ("key", "train", "validation", "independent", "hidden", "folder"):
        assert getattr(again, name) == getattr(splits, name), name
    assert splits.warnings == (HIDDEN,)
    assert again.warnings == (HIDDEN_WHILE_ASKED,)
    assert again.reveal() == splits.reveal()
    other.remove()
    assert files(tmp_path) == set()
    assert again.reveal() == splits.reveal()
    assert other.parts == data.parts


def test_files_that_were_changed_are_no_hidden_data(tmp_path: Path) -> None:
    _, data = hide(SPEC, tmp_path)
    data.write()
    (path,) = tmp_path.rglob("test.txt")
    path.write_text(path.read_text().replace("0 -> 0", "1 -> 0"))
    assert kept(SPEC, tmp_path) is None


@pytest.mark.parametrize("executor", [None, Processes(2)])
def test_no_file_holds_them_while_a_model_is_asked(tmp_path: Path, executor) -> None:
    seen: list[set[str]] = []

    def watch(job: object, event: object) -> None:
        if isinstance(event, Attempted):
            seen.append(files(tmp_path))

    grid = replace(GRID, dataset_dir=tmp_path / "datasets")
    how = {} if executor is None else {"executor": executor}
    results = run(method(), grid, tmp_path / "run", hide_data=True, observers=[watch], **how)
    assert [len(found) for found in seen] == [0] * 4
    assert files(tmp_path / "run") == set(DATA_FILES)
    assert not (tmp_path / "datasets").exists()
    assert all(one.certificate.all_looks.number == 1 for one in results)
    assert run(method(), grid, tmp_path / "run", hide_data=True) == results


def test_they_are_written_if_a_run_fails(tmp_path: Path) -> None:
    class Broken(ScriptedLLM):
        async def complete(self, request: Request):
            raise InputError("It broke.")
            yield Completion(1, "")

    with pytest.raises(InputError, match="It broke"):
        run(method(Broken([WRONG])), GRID, tmp_path / "run", hide_data=True)
    assert files(tmp_path / "run") == set(DATA_FILES)
    results = run(method(), GRID, tmp_path / "run", hide_data=True)
    assert [HIDDEN_WHILE_ASKED in one.notices for one in results] == [True, True]
    assert not any(HIDDEN in one.notices for one in results)


def test_files_that_cannot_be_written_cost_no_others(tmp_path: Path) -> None:
    broken = hide(SPEC, tmp_path / "first")[1]
    whole = hide(SPEC, tmp_path / "second")[1]
    with pytest.raises(InputError, match="Cannot write"), in_memory_alone([broken, whole]):
        (tmp_path / "first").write_text("a file in place of the folder")
    assert files(tmp_path / "second") == set(DATA_FILES)


def test_files_that_cannot_be_written_replace_no_error(tmp_path: Path) -> None:
    broken = hide(SPEC, tmp_path / "first")[1]
    whole = hide(SPEC, tmp_path / "second")[1]
    with pytest.raises(KeyboardInterrupt) as stopped, in_memory_alone([broken, whole]):
        (tmp_path / "first").write_text("a file in place of the folder")
        raise KeyboardInterrupt
    assert "Cannot write" in str(stopped.value.__cause__)
    assert files(tmp_path / "second") == set(DATA_FILES)


def test_a_run_that_lost_them_does_not_go_on_with_others(tmp_path: Path) -> None:
    before = run(method(), GRID, tmp_path / "run", hide_data=True)
    for path in (tmp_path / "run/data").rglob("*.txt"):
        path.unlink()
    with pytest.raises(InputError, match="lost and it cannot go on; its answers") as refused:
        run(method(), GRID, tmp_path / "run", hide_data=True)
    assert refused.value.setting == "out_dir or fresh"
    after = run(method(), GRID, tmp_path / "run", hide_data=True, fresh=True)
    assert [one.data.sha256 for one in after] != [one.data.sha256 for one in before]


def test_a_run_that_did_not_hide_its_data_is_another_one(tmp_path: Path) -> None:
    grid = replace(GRID, dataset_dir=tmp_path / "datasets")
    run(method(), grid, tmp_path / "run")
    with pytest.raises(InputError, match="can only go on without hiding") as refused:
        run(method(), grid, tmp_path / "run", hide_data=True)
    assert refused.value.setting == "hide_data or out_dir or fresh"
    run(method(), grid, tmp_path / "hidden", hide_data=True)
    with pytest.raises(InputError, match="different: .*data_hidden"):
        run(method(), grid, tmp_path / "hidden")


def test_they_need_a_folder_and_no_shard(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="written into the run's folder") as refused:
        plan(method(), GRID, hide_data=True)
    assert refused.value.setting == "out_dir"
    with pytest.raises(InputError, match="The data of a shard cannot be hidden"):
        plan(method(), GRID, tmp_path, hide_data=True, shard="1/2")


def test_a_link_in_place_of_them_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run/data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="link"):
        run(method(), GRID, tmp_path / "run", hide_data=True)
    assert not any((tmp_path / "elsewhere").iterdir())
