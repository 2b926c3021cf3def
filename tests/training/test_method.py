"""Training as a run: which jobs it has, what it keeps, and that no job changes another."""

import json
import shutil
from dataclasses import asdict, replace

import pytest
import torch

from llm_erm.errors import InputError
from llm_erm.runs.events import Advanced
from llm_erm.runs.fingerprint import fingerprint
from llm_erm.runs.run import opened, plan, results_in, run, run_in
from llm_erm.tasks.spec import DataSpec
from llm_erm.training.method import Training
from small_training import SMALL

SPEC = DataSpec(function="fn_a", length=12, train_size=20, val_size=0, test_size=40)
SIZES = (SPEC, replace(SPEC, train_size=10))
ONE_EPOCH = replace(SMALL, n_layer=1, n_epochs=1)
PUBLISHED = ("config.json", "logs.log", "metrics.py", "metrics.jsonl", "curves.png")


def test_jobs_are_told_apart_by_size_only_where_there_are_several_sizes():
    method = Training(settings=SMALL)
    (alone,) = method.jobs([SPEC])
    assert (alone.key.variant, alone.label) == ("", "fn_a-L12-n20")
    jobs = method.jobs([*SIZES, replace(SPEC, length=20, val_size=10)])
    assert [job.key.variant for job in jobs] == ["n=20", "n=10", ""]
    assert [job.label for job in jobs] == ["fn_a-L12-n20", "fn_a-L12-n10", "fn_a-L20-n30"]


def test_one_training_has_the_runs_folder_and_several_have_folders_inside(tmp_path):
    method = Training(settings=SMALL)
    assert [job.folder(tmp_path) for job in method.jobs([SPEC])] == [tmp_path]
    assert [job.folder(tmp_path) for job in method.jobs(SIZES)] == [
        tmp_path / "fn_a-L12-n20",
        tmp_path / "fn_a-L12-n10",
    ]


@pytest.mark.parametrize(
    ("settings", "specs", "message"),
    [
        ({}, [SPEC, replace(SPEC, negatives="random")], "would be called fn_a-L12-n20"),
        ({}, [replace(SPEC, train_size=7)], "The training size 7 is odd"),
        ({"n_head": 3}, [SPEC], "qwen1.7B would have a width of 32"),
        ({"device": "gpu"}, [SPEC], "The device gpu is not available"),
    ],
)
def test_what_cannot_start_is_refused_without_data(settings, specs, message):
    with pytest.raises(InputError, match=message):
        Training(settings=replace(SMALL, **settings)).jobs(specs)


def test_a_length_that_the_rule_does_not_reach_is_refused():
    with pytest.raises(InputError, match="fn_c has no test inputs of length 3"):
        Training(settings=SMALL, test_lengths=(3,)).jobs([replace(SPEC, function="fn_c")])


def test_only_settings_that_shape_results_are_in_the_fingerprint():
    operational = {"device": "cpu", "engine": "eager", "eval_batch_size": 7}
    operational |= {"checkpoint_every": 1, "report_to": ("tensorboard",), "save_model": True}

    def of(method):
        return fingerprint("1", method, [], []).text

    first = of(Training(settings=SMALL))
    assert of(Training(settings=replace(SMALL, **operational))) == first
    assert of(Training(settings=replace(SMALL, lr=0.5))) != first
    assert of(Training(settings=SMALL, test_lengths=(8,))) != first


def start(folder, method, tmp_path, specs=(SPEC,), stop=None, **options):
    """Runs trainings, and stops after an epoch of one of them."""

    def stopping(job, event) -> None:
        if stop is not None and event == Advanced(stop):
            raise KeyboardInterrupt

    planned = plan(method, specs, folder, dataset_dir=tmp_path / "data")
    return run(planned, observers=[stopping], **options)


def figures(result):
    """Everything but times, and the number of results before it on the same data."""
    curve = tuple(replace(point, seconds=0.0) for point in result.facts.curve)
    certificate = result.certificate and replace(result.certificate, all_looks=None)
    facts = replace(result.facts, curve=curve)
    return replace(result, seconds=0.0, facts=facts, certificate=certificate)


def test_a_job_has_the_same_result_alone_and_after_others_in_its_process(tmp_path):
    """Bit for bit: no seed, random state or thread of one job reaches another."""
    others = [replace(SPEC, function="fn_g"), SPEC, replace(SPEC, length=20)]
    torch.manual_seed(1)
    alone = start(None, Training(settings=ONE_EPOCH, test_lengths=(8,)), tmp_path)
    torch.rand(3)
    threads = torch.get_num_threads()
    shared = start(None, Training(settings=ONE_EPOCH, test_lengths=(8,)), tmp_path, others)
    assert figures(shared[1]) == figures(alone[0])
    assert shared[1].facts.accuracy_at_length.keys() == {8}
    assert torch.get_num_threads() == threads


def test_a_checkpoint_goes_when_its_result_is_kept(tmp_path):
    method = Training(settings=replace(ONE_EPOCH, n_epochs=3, checkpoint_every=1))
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start(folder, method, tmp_path, SIZES, stop=2)
    assert [path.parent.name for path in folder.rglob("checkpoint.pt")] == ["fn_a-L12-n20"]
    results = start(folder, method, tmp_path, SIZES)
    assert [result.variant for result in results] == ["n=20", "n=10"]
    assert [result.facts.train_size for result in results] == [20, 10]
    assert not list(folder.rglob("checkpoint.*"))
    assert start(folder, method, tmp_path, SIZES) == results


def test_a_folder_with_a_checkpoint_is_that_runs_alone(tmp_path):
    method = Training(settings=replace(ONE_EPOCH, n_epochs=3, checkpoint_every=1))
    other = Training(settings=replace(method.settings, lr=0.5))
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start(folder, method, tmp_path, stop=1)
    with pytest.raises(InputError, match="holds a run with other settings .different: lr."):
        start(folder, other, tmp_path)
    (folder / "checkpoint.part").write_bytes(b"cut off by a kill")
    (folder / "notes.txt").write_text("mine")
    (result,) = start(folder, other, tmp_path, fresh=True)
    assert figures(result) == figures(start(None, other, tmp_path)[0])  # nothing was resumed
    left = {path.name for path in folder.iterdir()}
    assert left == {".lock", "settings.json", "results.jsonl", "notes.txt", *PUBLISHED}
    assert "Epoch 0000" in (folder / "logs.log").read_text().split("Device: ", 1)[1]
    assert (folder / "logs.log").read_text().count("Model: ") == 1  # of the fresh run alone


def test_every_process_knows_what_is_done_and_one_writes(tmp_path):
    """One that did not know would wait for the others for ever."""
    method = Training(settings=ONE_EPOCH)
    planned = plan(method, [SPEC], tmp_path / "run", dataset_dir=tmp_path / "data")
    (result,) = run(planned)
    before = (tmp_path / "run" / "results.jsonl").read_bytes()
    with opened(planned) as folder:
        done = results_in(planned.folder, planned.fingerprint)
        assert list(folder.results.values()) == list(done.values()) == [result]
        assert run_in(None, planned, done=done) == [result]
        (again,) = run_in(None, planned)
        assert figures(again) == figures(result)
    assert (tmp_path / "run" / "results.jsonl").read_bytes() == before
    assert results_in(tmp_path / "new", planned.fingerprint) == {}
    assert not (tmp_path / "new").exists()


def test_a_run_has_the_published_files_whoever_starts_it(tmp_path):
    """Each training in its own folder, and with what config.json knows without a command line."""
    folder = tmp_path / "run"
    method = Training(settings=ONE_EPOCH, test_lengths=(8,))
    results = start(folder, method, tmp_path, SIZES)
    for result, size in zip(results, (20, 10), strict=True):
        place = folder / f"fn_a-L12-n{size}"
        assert {path.name for path in place.iterdir()} == set(PUBLISHED)
        config = json.loads((place / "config.json").read_text())
        assert (
            config.items()
            >= {
                "lr": 1e-3,
                "report_to": [],
                "target_func": "fn_a",
                "sequence_length": 12,
                "test_sequence_length": [8],
                "train_set_size": size,
                "test_set_size": 40,
                "data_sha256": result.data.sha256,
            }.items()
        )
        points = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
        assert points == [asdict(point) for point in result.facts.curve]


def test_a_finished_training_gets_back_the_files_that_it_lacks(tmp_path):
    """After a kill between its last epoch and the picture, say; nothing is trained again."""
    folder = tmp_path / "run"
    method = Training(settings=ONE_EPOCH)
    results = start(folder, method, tmp_path, SIZES)
    places = [folder / "fn_a-L12-n20", folder / "fn_a-L12-n10"]
    before = [{name: (place / name).read_bytes() for name in PUBLISHED} for place in places]
    (places[0] / "curves.png").unlink()
    shutil.rmtree(places[1])
    assert start(folder, method, tmp_path, SIZES) == results
    for place, files in zip(places, before, strict=True):
        for name in set(PUBLISHED) - {"logs.log"}:
            assert (place / name).read_bytes() == files[name]
    logs = [(place / "logs.log").read_bytes() for place in places]
    assert logs[0].startswith(before[0]["logs.log"])
    start(folder, method, tmp_path, SIZES)
    assert [(place / "logs.log").read_bytes() for place in places] == logs


def test_a_folder_of_somebody_elses_model_is_left_alone(tmp_path):
    model = tmp_path / "config.json"
    model.write_text('{"model_type": "llama"}')
    for fresh in (False, True):
        with pytest.raises(InputError, match="config.json but no logs.log, so it is not a run"):
            start(tmp_path, Training(settings=ONE_EPOCH), tmp_path, fresh=fresh)
        assert model.read_text() == '{"model_type": "llama"}'
