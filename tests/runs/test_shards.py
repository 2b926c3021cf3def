"""Shards of a grid run apart; merged, they are the run of the whole grid."""

import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fake_method import Fake
from llm_erm import (
    Baselines,
    DataGrid,
    Enumeration,
    EnumerationSettings,
    Synthesis,
    SynthesisSettings,
    Training,
    merge,
)
from llm_erm.api import model, run
from llm_erm.cli.repeat import repeat
from llm_erm.errors import InputError
from llm_erm.records import Result
from llm_erm.reports.planned import planned_jobs
from llm_erm.runs.checksum import opened_settings, sealed_settings
from llm_erm.runs.fingerprint import read_fingerprint
from llm_erm.runs.jobs import Job, Method
from llm_erm.runs.journal import lock
from llm_erm.runs.run import plan
from llm_erm.runs.shards import Shard
from llm_erm.tasks.spec import DataSpec
from run_folders import reseal
from small_training import SMALL
from timeless import files, timeless

SIZES = {"train_size": 20, "val_size": 20, "test_size": 40}
QUICK = Enumeration(settings=EnumerationSettings(max_programs=400))


def grid(folder: Path, **more) -> DataGrid:
    return DataGrid(
        **{"functions": ("fn_a", "fn_b"), "lengths": (12, 14), **SIZES, **more}, dataset_dir=folder
    )


def in_shards(method: Method, data: DataGrid, root: Path, count: int) -> list[Path]:
    """Runs the shards of a grid, as on machines that share no data, the last one first."""
    folders = [root / f"part-{number}" for number in range(1, count + 1)]
    for number in range(count, 0, -1):
        own = DataGrid(**{**vars(data), "dataset_dir": root / f"data-{number}"})
        run(method, own, folders[number - 1], shard=f"{number}/{count}")
    return folders


def test_sixteen_shards_merged_are_one_run(tmp_path):
    data = grid(tmp_path / "data", num_trials=5)
    whole = run(QUICK, data, tmp_path / "whole")
    folders = in_shards(QUICK, data, tmp_path, 16)
    merged = merge(folders[::-1], tmp_path / "merged")
    assert len(merged) == 20
    assert files(tmp_path / "merged") == files(tmp_path / "whole")
    assert [one.data for one in merged] == [one.data for one in whole]
    # Nothing is left to do, and every checksum fits.
    before = {path: path.read_bytes() for path in (tmp_path / "merged").rglob("*.json*")}
    assert run(QUICK, data, tmp_path / "merged") == merged
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "merged.merging").exists()


def test_jobs_on_the_same_data_keep_their_order(tmp_path):
    method, data = Baselines(learners=("knn", "svm")), grid(tmp_path / "data")
    run(method, data, tmp_path / "whole")
    merge(in_shards(method, data, tmp_path, 3), tmp_path / "merged")
    assert files(tmp_path / "merged") == files(tmp_path / "whole")


def test_published_files_of_trainings_are_merged(tmp_path):
    pytest.importorskip("torch")
    method, data = (
        Training(settings=replace(SMALL, n_layer=1)),
        grid(tmp_path / "data", functions=("fn_a",)),
    )
    run(method, data, tmp_path / "whole")
    parts = in_shards(method, data, tmp_path, 2)
    (trained,) = parts[0].glob("fn_a-L*-n40")
    (trained / "checkpoint.pt").write_text("kept for a training that goes on")
    for part in parts:  # files of the user's own, which are no part of the run
        (part / "my-L-notes").mkdir()
        (part / "my-L-notes/notes.txt").write_text("mine")
        (part / "config.json").write_text("mine")
    merge(parts, tmp_path / "merged")
    merged, whole = files(tmp_path / "merged"), files(tmp_path / "whole")
    assert merged.keys() == whole.keys()
    names = [name for name in whole if name.endswith((".jsonl", ".py", ".json"))]
    assert len(names) == 2 + 2 * 3
    assert {name: merged[name] for name in names} == {name: whole[name] for name in names}


def test_published_files_of_the_only_training_are_merged(tmp_path):
    pytest.importorskip("torch")
    method = Training(settings=replace(SMALL, n_layer=1))
    data = grid(tmp_path / "data-1", functions=("fn_a",), lengths=(12,))
    (part,) = in_shards(method, data, tmp_path, 1)
    merge([part], tmp_path / "merged")
    assert files(tmp_path / "merged").keys() == files(part).keys() >= {"config.json", "metrics.py"}
    (part / "curves.png").unlink()
    os.mkfifo(part / "curves.png")
    with pytest.raises(InputError, match=r"curves.png is neither a file nor a folder"):
        merge([part], tmp_path / "again")


class BySize(Fake):
    """Names jobs by the number of examples, as trainings do."""

    def jobs(self, specs: Sequence[DataSpec]) -> list[Job]:
        return [Job(spec, f"n={spec.train_size + spec.val_size}") for spec in specs]


def sizes(*train: int) -> list[DataSpec]:
    more = {"val_size": 20, "test_size": 20}
    return [DataSpec(function="fn_a", length=12, train_size=size, **more) for size in train]


def test_results_that_differ_in_the_number_of_examples_keep_their_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    method = BySize(variants=(), notes=tmp_path)
    whole = run(method, sizes(20, 30, 40), tmp_path / "whole")
    parts = [tmp_path / f"part-{number}" for number in (1, 2)]
    for number, part in enumerate(parts, start=1):
        run(method, sizes(20, 30, 40), part, shard=f"{number}/2")
    merged = merge(parts, tmp_path / "merged")
    assert [one.variant for one in merged] == [one.variant for one in whole]
    assert [one.variant for one in whole] == ["n=40", "n=50", "n=60"]


def test_trainings_of_a_shard_are_planned_by_the_names_that_the_whole_grid_gives_them(tmp_path):
    pytest.importorskip("torch")
    training = Training(settings=replace(SMALL, n_layer=1))
    for specs in (sizes(20, 30, 40), grid(tmp_path).specs()):
        for number in ("1/2", "2/2"):
            part = plan(training, specs, dataset_dir=tmp_path / "data", shard=number)
            assert list(planned_jobs(part.fingerprint, tmp_path)) == [job.key for job in part.jobs]


def test_a_shard_has_no_command_that_repeats_it(shards):
    known = read_fingerprint(shards[0])
    assert repeat(known, shards[0]) == ""
    assert repeat(replace(known, shard=None), shards[0]).startswith("llm-erm enumerate")


def test_a_shard_has_every_nth_data_set_and_all_jobs_on_it(tmp_path):
    method = Fake(variants=("a", "b"), notes=tmp_path)
    specs = grid(tmp_path).specs()
    parts = [plan(method, specs, dataset_dir=tmp_path, shard=f"{number}/3") for number in (1, 2, 3)]
    assert [part.specs for part in parts] == [(specs[0], specs[3]), (specs[1],), (specs[2],)]
    assert [job.variant for job in parts[0].jobs] == ["a", "b", "a", "b"]
    assert len({part.fingerprint.sha256 for part in parts}) == 3


ANSWERS = ["def f(x):\n    return x.count('1') % 2", "no idea", "def f(x):\n    return 1"]


def scripted(tmp_path: Path) -> Synthesis:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(ANSWERS))
    settings = SynthesisSettings(attempts=3, early_stop=False)
    return Synthesis(llm=model(f"scripted:{path}"), settings=settings)


def by_job(folder: Path, name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in timeless(folder / f"{name}.jsonl").splitlines():
        found.setdefault(json.dumps(json.loads(line)["job"]), []).append(line)
    return found


def test_prompts_answers_and_attempts_of_searches_are_merged(tmp_path):
    """Searches run at the same time, so only the order of each one's lines is fixed."""
    method, data = scripted(tmp_path), grid(tmp_path / "data", functions=("fn_a",))
    whole = run(method, data, tmp_path / "whole")
    merged = merge(in_shards(method, data, tmp_path, 2), tmp_path / "merged")
    for name in ("prompts", "answers", "attempts"):
        assert by_job(tmp_path / "merged", name) == by_job(tmp_path / "whole", name)
    assert [(one.data, one.program, one.certificate) for one in merged] == [
        (one.data, one.program, one.certificate) for one in whole
    ]
    before = (tmp_path / "merged/answers.jsonl").read_bytes()
    assert run(method, data, tmp_path / "merged") == merged
    assert (tmp_path / "merged/answers.jsonl").read_bytes() == before


def test_the_run_of_the_whole_grid_finishes_what_a_shard_had_not(tmp_path):
    method, data = scripted(tmp_path), grid(tmp_path / "data", functions=("fn_a",))
    first, second = in_shards(method, data, tmp_path, 2)
    (first / "results.jsonl").write_text("")
    lines = (first / "attempts.jsonl").read_text().splitlines(keepends=True)
    (first / "attempts.jsonl").write_text("".join(lines[:1]))
    assert len(merge([first, second], tmp_path / "merged")) == 1
    answers = (tmp_path / "merged/answers.jsonl").read_bytes()
    results = run(method, data, tmp_path / "merged")
    assert [one.attempts for one in results] == [3, 3]
    assert (tmp_path / "merged/answers.jsonl").read_bytes() == answers  # none is asked for again


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> list[Path]:
    root = tmp_path_factory.mktemp("shards")
    return in_shards(QUICK, grid(root), root, 2)


def other(root: Path, **more) -> Path:
    """The second shard of a run that differs in something."""
    method = more.pop("method", QUICK)
    run(method, grid(root / "data", **more), root / "other", shard="2/2")
    return root / "other"


Pick = Callable[[list[Path], Path], Sequence[Path]]
REFUSED: dict[str, tuple[Pick, str]] = {
    "none": (lambda shards, root: [], "No shards given; name the folders of all shards"),
    "missing": (lambda shards, root: shards[:1], r"^Missing: shard 2/2; name the folders of all"),
    "several missing": (
        lambda shards, root: in_shards(QUICK, grid(root / "data"), root, 3)[:1],
        r"^Missing: shards 2/3, 3/3; name the folders of all shards\.",
    ),
    "twice": (
        lambda shards, root: [*shards, shards[1]],
        "are both shard 2/2; name each shard once",
    ),
    "settings": (
        lambda shards, root: [
            shards[0],
            other(root, method=Enumeration(settings=EnumerationSettings(max_programs=401))),
        ],
        r"has other settings than .* \(different: max_programs\), so they are not parts",
    ),
    "seed": (lambda shards, root: [shards[0], other(root, seed=1)], "of another grid"),
    "tasks": (
        lambda shards, root: [shards[0], other(root, functions=("fn_a", "fn_d"))],
        "of another grid than that of",
    ),
    "number of shards": (
        lambda shards, root: [*in_shards(QUICK, grid(root / "data"), root, 4)[:3], shards[1]],
        "part-2 is shard 2/2 of another grid",
    ),
    "not a run": (lambda shards, root: [shards[0], root], "holds no run; name the folder of a run"),
}


@pytest.mark.parametrize(("pick", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_all_shards_of_one_run_is_refused(shards, tmp_path, pick, message):
    with pytest.raises(InputError, match=message):
        merge(pick(shards, tmp_path), tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_run_that_is_no_shard_is_refused(shards, tmp_path):
    run(QUICK, grid(tmp_path), tmp_path / "whole")
    with pytest.raises(InputError, match="whole is no shard: its run had no --shard"):
        merge([tmp_path / "whole", *shards], tmp_path / "merged")


def test_a_damaged_or_foreign_line_is_refused(shards, tmp_path):
    for part in shards:
        shutil.copytree(part, tmp_path / part.name)
    first, second = (tmp_path / part.name for part in shards)
    path = first / "attempts.jsonl"
    path.write_text(path.read_text().replace('"correct": 2', '"correct": 1', 1))
    with pytest.raises(InputError, match=r"attempts.jsonl, line 1: damaged, edited or of another"):
        merge([first, second], tmp_path / "merged")
    shutil.copy(shards[0] / "attempts.jsonl", path)
    reseal(path, lambda line: line["job"].update(function="fn_d"))
    reseal(first / "results.jsonl", lambda line: line.pop("lines_sha256"))
    with pytest.raises(InputError, match="holds a job on none of its data: fn_d L=12"):
        merge([first, second], tmp_path / "merged")


def test_nothing_that_is_there_is_replaced(shards, tmp_path, monkeypatch):
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged/notes.txt").write_text("mine")
    with pytest.raises(InputError, match="merged exists already; name a folder that does not"):
        merge(shards, tmp_path / "merged")
    (tmp_path / "merged/notes.txt").unlink()
    shutil.copytree(shards[0], tmp_path / "merged.merging")  # a run of the user's own
    before = files(tmp_path / "merged.merging")
    assert len(merge(shards, tmp_path / "merged")) == 4
    assert files(tmp_path / "merged.merging") == before
    usual = tmp_path / "usual"
    usual.mkdir()
    assert (tmp_path / "merged").stat().st_mode == usual.stat().st_mode
    monkeypatch.chdir(usual)  # a shell in a folder that is replaced would see nothing of it
    with pytest.raises(InputError, match="^. exists already; name a folder that does not"):
        merge(shards, Path())


def copied(shards: list[Path], root: Path) -> list[Path]:
    return [Path(shutil.copytree(part, root / part.name)) for part in shards]


def test_a_merge_that_is_stopped_or_refused_leaves_nothing_and_can_be_repeated(
    shards, tmp_path, monkeypatch
):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("llm_erm.runs.merge._move_job", stop)
        merge(shards, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []
    first, second = copied(shards, tmp_path)
    reseal(first / "attempts.jsonl", lambda line: line["job"].update(function="fn_d"))
    reseal(first / "results.jsonl", lambda line: line.pop("lines_sha256"))
    with pytest.raises(InputError, match="holds a job on none of its data"):
        merge([first, second], tmp_path / "merged")
    assert sorted(tmp_path.iterdir()) == [first, second]
    assert len(merge(shards, tmp_path / "merged")) == 4


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the settings in a folder, and their checksum with them."""
    path = folder / "settings.json"
    settings = json.loads(opened_settings(path.read_text()) or "")
    change(settings)
    path.write_text(sealed_settings(json.dumps(settings, indent=2, sort_keys=True) + "\n"))


def test_shards_for_which_a_file_defined_a_task_differently_are_refused(tmp_path):
    parts = in_shards(QUICK, grid(tmp_path / "data"), tmp_path, 4)  # the last two are of fn_b
    edit(parts[3], lambda known: known["data"][0].update(task_file_sha256="0" * 64))
    with pytest.raises(InputError, match=r"part-4 and .*part-3 are of different .* defines fn_b"):
        merge(parts, tmp_path / "merged")


@pytest.mark.parametrize(
    "change",
    [
        lambda known: known["shard"].update(grid_sha256="0" * 64),
        lambda known: known["data"].pop(),
        lambda known: known["data"].reverse(),
        lambda known: known["data"][0]["spec"].update(trial=2),
    ],
    ids=["digest", "fewer", "order", "data"],
)
def test_shards_that_do_not_hold_the_data_sets_of_their_grid_are_refused(shards, tmp_path, change):
    parts = copied(shards, tmp_path)
    for part in parts:
        edit(part, change)
    with pytest.raises(InputError, match=r"do not hold the data sets of their grid, so the sett"):
        merge(parts, tmp_path / "merged")


@pytest.mark.parametrize("value", [{"count": 30_000_000}, {"number": 0}, {"number": 3}])
def test_settings_of_a_shard_that_cannot_be_are_refused(shards, tmp_path, value):
    parts = copied(shards, tmp_path)
    edit(parts[0], lambda known: known["shard"].update(value))
    with pytest.raises(InputError, match=r"settings.json \(shard: .*there is no shard"):
        merge(parts, tmp_path / "merged")


def test_a_shard_that_holds_a_link_is_refused(shards, tmp_path):
    parts = copied(shards, tmp_path)
    (parts[0] / "attempts.jsonl").unlink()
    (parts[0] / "attempts.jsonl").symlink_to(shards[0] / "attempts.jsonl")
    with pytest.raises(InputError, match=r"attempts.jsonl is a link"):
        merge(parts, tmp_path / "merged")


def test_a_shard_that_is_still_running_is_refused(shards, tmp_path):
    parts = copied(shards, tmp_path)
    with (
        closing(lock(parts[1])),
        pytest.raises(InputError, match=f"^{parts[1]} is still running; merge the shards when"),
    ):
        merge(parts, tmp_path / "merged")
    for part in parts:
        (part / ".lock").unlink()
    assert len(merge(parts, tmp_path / "merged")) == 4
    assert not any((part / ".lock").exists() for part in parts)


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", "01/2"])
def test_a_shard_that_cannot_be_is_refused(text, tmp_path):
    with pytest.raises(InputError, match=re.escape(f"The shard is {text!r}; write it as")):
        Shard.of(text, grid(tmp_path).specs())


def test_more_shards_than_data_sets_are_refused(tmp_path):
    specs: list[DataSpec] = grid(tmp_path).specs()
    with pytest.raises(InputError, match="There are 5 shards, but only 4 data sets"):
        Shard.of("1/5", specs)
    with pytest.raises(InputError, match="only 1 data set; give at most as many shards as data"):
        Shard.of("1/2", specs[:1])


def test_the_commands_run_and_merge_shards(invoke):
    words = ["enumerate", "--functions", "fn_a", "--lengths", "12", "14", "--max-programs", "400"]
    words += ["--train-size", "20", "--val-size", "20", "--test-size", "40"]
    for number in (1, 2):
        assert (
            invoke(*words, "--shard", f"{number}/2", "--out-dir", f"part{number}").returncode == 0
        )
    for part in ("part1", "part2"):
        assert "1 of 1 result." in invoke("watch", part, "--once").stderr
        assert invoke("report", part, "--out", f"{part}.html").returncode == 0
    said = invoke("merge", "part1", "part2", "--out-dir", "whole")
    assert (said.returncode, said.stderr) == (0, "Merged 2 shards: 2 results in whole\n")
    said = invoke(*words, "--out-dir", "whole")
    assert "Already finished, in whole" in said.stderr
    assert said.stdout.count("fn_a\t") == 2
    said = invoke("merge", "part1", "part2")
    assert said.returncode == 2
    assert "No folder to write is given; name a new one with --out-dir." in said.stderr


def test_an_unfinished_run_says_how_to_finish_it(shards, tmp_path, invoke):
    for part in shards:
        shutil.copytree(part, tmp_path / part.name)
    results = tmp_path / shards[0].name / "results.jsonl"
    results.write_text(results.read_text().splitlines(keepends=True)[0])
    words = [str(tmp_path / part.name) for part in shards]
    said = invoke("merge", *words, "--out-dir", "whole").stderr
    assert f"whole holds 3 of 4 results. Unfinished: {words[0]}. To finish, run" in said


def test_results_keep_their_place(tmp_path):
    """The order is that of the grid, not that in which shards were named."""
    data = grid(tmp_path / "data", functions=("fn_a",), lengths=(12, 14, 16, 18, 20))
    found: list[Result] = merge(in_shards(QUICK, data, tmp_path, 3)[::-1], tmp_path / "merged")
    assert [one.data.length for one in found] == [12, 14, 16, 18, 20]
