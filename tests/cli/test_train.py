"""`llm-erm train` and `python finetuning/main.py` as a person uses them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")

from llm_erm.cli.main import main

ROOT = Path(__file__).parents[2]
TINY = (
    *("--n_layer", 1, "--n_head", 2, "--n_embd", 16, "--n_epochs", 2, "--lr", 1e-3),
    *("--test_set_size", 40, "--precision", "fp32", "--device", "cpu"),
)
ALONE = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    """Runs `llm-erm train` in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["train", *map(str, arguments)])
        return stopped.value.code, *capsys.readouterr()

    return run


def test_the_published_command_runs_as_printed(tmp_path):
    """But for its size: the arguments, and the artifacts where they are said to be."""
    script = tmp_path / "finetuning" / "main.py"
    script.parent.mkdir()
    shutil.copy(ROOT / "finetuning" / "main.py", script)
    published = (
        *("--results-path", "./results_new/0/0", "--model", "qwen1.7B", "--target_func", "fn_a"),
        *("--sequence_length", 50, "--train_set_size", 200, "--test_set_size", 10000),
        *("--batch_size", 20, "--n_epochs", 200, "--lr", "1e-5", "--eta_min", "1e-6"),
        *("--precision", "bf16", "--device", "cpu"),
    )
    done = subprocess.run(
        [sys.executable, str(script), *map(str, (*published, *TINY, "--train_set_size", 20))],
        cwd=tmp_path,
        env=ALONE,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results_new" / "0" / "0"
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "logs.log", "metrics.py", "metrics.jsonl", "curves.png"),
        *(".lock", "settings.json", "results.jsonl"),
    }
    config = json.loads((folder / "config.json").read_text())
    assert (config["target_func"], config["sequence_length"], config["seed"]) == ("fn_a", 50, 42)
    assert (config["model"], config["lr"], config["batch_size"]) == ("qwen1.7B", 1e-3, 20)
    lists = {}
    exec((folder / "metrics.py").read_text(), lists)  # what the published plots do with it
    names = ("train_losses", "test_losses", "train_accuracies", "test_accuracies")
    assert [len(lists[name]) for name in names] == [2, 2, 2, 2]
    points = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [point["epoch"] for point in points] == [0, 2]
    assert [point["test_accuracy"] for point in points] == lists["test_accuracies"]
    assert "Epoch 0002 | Train Acc: " in (folder / "logs.log").read_text()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (script.parent / "datasets" / "parity_all+published-erm" / "L50").is_dir()
    assert "100.0%" in done.stdout or "fn_a" in done.stdout


def test_the_published_defaults(monkeypatch):
    from llm_erm.cli import published

    seen = []
    monkeypatch.setattr("llm_erm.cli.train.train", lambda options: seen.append(options) or 0)
    with pytest.raises(SystemExit):
        published.training(str(ROOT / "finetuning" / "main.py"), ["--results-path", "x"])
    (options,) = seen
    assert (options.train_set_size, options.batch_size, options.n_epochs) == (
        (100_000,),
        1000,
        1000,
    )
    assert (options.test_set_size, options.seed, options.precision) == (10_000, 42, "bf16")
    assert (options.lr, options.weight_decay, options.eta_min) == (1e-5, 1e-5, 1e-6)


def test_sizes_and_lengths_in_one_command(train):
    code, out, _ = train(
        *TINY,
        *("--target_func", "fn_a", "--sequence_length", 12, "--train_set_size", 10, 20),
        *("--test_sequence_length", 8, 12, 20, "--results_path", "runs/curves", "--json"),
    )
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["facts"]["train_size"] for row in rows] == [10, 20]
    assert [row["variant"] for row in rows] == ["n=10", "n=20"]
    for row in rows:
        assert row["method"] == "training"
        assert row["certificate"]["validation"] is None  # nothing was held out of training
        assert row["certificate"]["test"]["examples"] == 40
        assert set(row["facts"]["accuracy_at_length"]) == {"8", "20"}
    assert {path.name for path in Path("runs/curves").iterdir()} == {
        *("fn_a-L12-n10", "fn_a-L12-n20", "sizes.png", "lengths.png"),
        *(".lock", "settings.json", "results.jsonl"),
    }
    _, table, _ = train(
        *TINY,
        *("--target_func", "fn_a", "--sequence_length", 12, "--train_set_size", 10, 20),
        *("--test_sequence_length", 8, 12, 20, "--results_path", "runs/curves"),
    )
    assert "L = 8" in table
    assert "L = 12" not in table
    assert "contrast set" in table


def test_each_trial_has_data_and_a_model_of_its_own(train):
    code, out, _ = train(
        *(*TINY, "--target_func", "fn_a", "--sequence_length", 12, "--train_set_size", 20),
        *("--num_trials", 2, "--results_path", "runs/trials", "--json"),
    )
    assert code == 0
    first, second = (json.loads(line)["data"] for line in out.splitlines())
    assert (first["trial"], second["trial"]) == (1, 2)
    assert first["sha256"] != second["sha256"]
    configs = [
        json.loads(Path(f"runs/trials/fn_a-L12-n20{end}/config.json").read_text())
        for end in ("", "-trial2")
    ]
    assert [config.get("trial") for config in configs] == [None, 2]
    assert all("num_trials" not in config for config in configs)


def test_a_finished_run_is_shown_and_another_is_not_mixed_with_it(train):
    asked = (*TINY, "--train_set_size", 20, "--sequence_length", 12, "--results_path", "run")
    assert train(*asked)[0] == 0
    before = Path("run/metrics.jsonl").stat().st_mtime_ns
    assert train(*asked)[0] == 0
    assert Path("run/metrics.jsonl").stat().st_mtime_ns == before
    code, _, error = train(*asked, "--seed", 7)
    assert code == 2
    assert "run holds a run with other settings (different: data, seed)" in error
    assert train(*asked, "--seed", 7, "--fresh")[0] == 0


def test_results_of_other_data_are_not_shown_for_these(train):
    rule = """
kind = "binary"
lengths = (12,)
def rule(x):
    return int(x[{place}])
def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length)))
"""
    asked = (*TINY, "--task_file", "own.py", "--train_set_size", 20, "--sequence_length", 12)
    asked = (*asked, "--results_path", "run", "--fresh_data")
    Path("own.py").write_text(rule.format(place=0))
    assert train(*asked)[0] == 0
    assert train(*asked)[0] == 0
    Path("own.py").write_text(rule.format(place=1))
    code, _, error = train(*asked)
    assert code == 2
    assert "run holds a run with other settings (different: data, task_file_sha256)" in error


def test_all_data_are_drawn_before_the_first_run_starts(train):
    asked = ("--target_func", "fn_g", "--sequence_length", 12, "--results_path", "run")
    code, _, error = train(*TINY, *asked, "--train_set_size", 20, 200)
    assert code == 2
    assert "fn_g has only 64 inputs of label 1 at length 12" in error
    assert not Path("run").exists()


def test_weights_that_were_not_kept_are_not_promised(train):
    asked = (*TINY, "--train_set_size", 20, "--sequence_length", 12, "--results_path", "run")
    assert train(*asked)[0] == 0
    code, _, error = train(*asked, "--save_model")
    assert code == 2
    assert "run holds a finished run that did not keep its weights; omit --save_model," in error
    assert train(*asked, "--save_model", "--fresh")[0] == 0
    assert Path("run/model/head.safetensors").exists()
    assert train(*asked, "--save_model")[0] == 0


@pytest.mark.parametrize(
    ("flags", "what"),
    [((), "Finished trainings"), (("--checkpoint_every", 1), "Finished trainings and checkpoints")],
)
def test_a_stopped_command_says_how_it_goes_on(train, monkeypatch, flags, what):
    from llm_erm.training.engine import TrainingEngine

    def stop(*_):
        raise KeyboardInterrupt

    asked = (*TINY, "--train_set_size", 20, "--sequence_length", 12, "--out-dir", "run", *flags)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingEngine, "step", stop)
        code, out, error = train(*asked)
    assert (code, out) == (130, "")
    assert f"Stopped. {what} are kept in run; run the same command to resume." in error
    code, _, error = train(*asked, "--seed", 7)
    assert code == 2  # its first evaluation is kept
    assert "run holds a run with other settings" in error
    assert train(*asked)[0] == 0


def test_a_folder_that_holds_no_run_is_left_as_it_is(train):
    """A model's folder has a config.json, too."""
    Path("model").mkdir()
    Path("model/config.json").write_text("{}")
    asked = (*TINY, "--train_set_size", 20, "--sequence_length", 12, "--results_path", "model")
    for flags in ((), ("--fresh",)):
        code, _, error = train(*asked, *flags)
        assert code == 2
        assert "config.json but no logs.log, so it is not a run; name another folder" in error
        assert [path.name for path in Path("model").iterdir()] == ["config.json"]


def test_several_processes_need_accelerate(train, monkeypatch):
    from llm_erm.training import build

    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "accelerate" else name)
    code, _, error = train(*TINY)
    assert code == 2
    assert "Training needs accelerate, which is not installed; run: pip install" in error


def test_a_loss_that_is_no_number_is_said(train):
    asked = (*TINY, "--train_set_size", 20, "--sequence_length", 12)
    code, out, error = train(*asked, "--lr", 1e30, "--json")
    assert code == 0
    assert "NaN" not in out
    assert json.loads(out)["facts"]["test_loss"] is None
    assert "fn_a L=12: The loss was not finite at epoch 2" in error


def test_decimals_and_graphs_train(train):
    code, out, _ = train(
        *TINY,
        *("--target_func", "fn_i", "fn_aa", "--sequence_length", 36, "--train_set_size", 20),
        *("--test_set_size", 60, "--json"),
    )
    assert code == 0
    assert [json.loads(line)["test"]["total"] for line in out.splitlines()] == [60, 60]
    assert [json.loads(line)["facts"]["vocabulary"] for line in out.splitlines()] == [11, 13]


def test_online_training_from_the_command_line(train):
    code, out, _ = train(
        *TINY, "--online", "--sequence_length", 12, "--train_set_size", 30, "--json"
    )
    assert code == 0
    assert json.loads(out)["facts"]["samples"] == 60


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--target_func", "fn_z"), "There is no task 'fn_z'"),
        (("--target_func", "fn_i", "--BOS_TOKEN", 2), "BOS_TOKEN is 2, but decimal inputs use"),
        (("--target_func", "fn_i", "--vocab_size", 3), "need 11 or more"),
        (("--test_sequence_length", 3, "--target_func", "fn_c"), "fn_c has no test inputs of len"),
        (
            ("--target_func", "fn_e", "--test_sequence_length", 20),
            "a rule learned at length 50 does not determine labels at that length",
        ),
        (("--model", "gpt2"), "There is no model 'gpt2'"),
        (("--device", "cuda:7"), "The device cuda:7 is not available; choose from"),
        (("--n_epochs", 0), "n_epochs is 0; give 1 or more (--n-epochs)"),
        (("--report_to", "mlflow"), "report_to names mlflow, which is not installed; run: pip"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(train, flags, message):
    code, out, error = train(*TINY, "--train_set_size", 20, *flags)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1


def test_tensorboard_gets_the_metrics(train):
    pytest.importorskip("tensorboard")
    asked = ("--train_set_size", 20, "--sequence_length", 12, "--results_path", "run")
    code, _, error = train(*TINY, *asked, "--report_to", "tensorboard")
    assert code == 0, error
    assert list(Path("run").rglob("events.out.tfevents*"))


# A thread of the connection that outlives its process aborts it, in one run of twelve.
LEAVES_NO_THREADS = """
import sys
from pathlib import Path
from llm_erm.cli.main import main
try:
    main(sys.argv[1:])
finally:
    threads = [place.joinpath("comm").read_text() for place in Path("/proc/self/task").iterdir()]
    assert not [name for name in threads if "gloo" in name], threads
"""


def test_two_processes_train_the_same_model_as_one(train, tmp_path):
    """torchrun on this machine, over its loopback interface."""
    pytest.importorskip("tensorboard")
    # The last batch of an epoch has one example: fewer than processes. The second model, and the
    # predictions after a run was reported, need the processes still connected.
    script = tmp_path / "train.py"
    script.write_text(LEAVES_NO_THREADS)
    asked = [*map(str, TINY), "--train_set_size", "22", "16", "--batch_size", "7"]
    asked += ["--sequence_length", "12", "--report_to", "tensorboard", "--json", "--results_path"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    launch += ["--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, str(script), "train", *asked, "2"],
        cwd=tmp_path,
        env=ALONE | {"GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    code, out, said = train(*asked, "1")
    assert code == 0, said
    results = [
        [json.loads(line) for line in printed.splitlines()[-2:]] for printed in (out, done.stdout)
    ]
    for count in ("1", "2"):
        for size in (22, 16):  # one of the processes writes
            log = (tmp_path / count / f"fn_a-L12-n{size}" / "logs.log").read_text()
            assert (log.count("Model: "), log.count("Epoch 0002")) == (1, 1)
    for alone, together in zip(*results, strict=True):
        for point, same in zip(*(row["facts"]["curve"] for row in (alone, together)), strict=True):
            assert same["train_loss"] == pytest.approx(point["train_loss"], abs=1e-4)
            assert same["test_loss"] == pytest.approx(point["test_loss"], abs=1e-4)


def test_the_package_and_its_other_commands_load_no_torch():
    code = (
        "import sys, llm_erm, llm_erm.cli.main, llm_erm.cli.published; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
