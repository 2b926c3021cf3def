"""`llm-erm sweep` and `python finetuning/sweep.py` as a person uses them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api_server import Reply, serving
from canary import CANARY
from llm_erm.cli.commands import METHODS
from llm_erm.cli.main import main
from responses_server import response, text

ROOT = Path(__file__).parents[2]

SYNTHESES = """
experiment_name: searches
results_root: results
command: synthesize
base_args: {provider: scripted, answers: answers.json, lengths: [20], train_size: 20, val_size: 20,
            test_size: 40, attempts: 1}
grid:
  functions: [fn_a, fn_g]
"""
TRAININGS = """
experiment_name: trainings
results_root: results
base_args: {n_layer: 1, n_head: 2, n_embd: 16, n_epochs: 1, train_set_size: 20, test_set_size: 40,
            lr: 1e-4, precision: fp32, device: cpu, batch_size: 20, sequence_length: 12}
grid:
  target_func: [fn_a]
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Writes a file and runs `llm-erm sweep` on it in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(text: str, *flags: str) -> tuple[int, str, str]:
        Path("grid.yaml").write_text(text)
        with pytest.raises(SystemExit) as stopped:
            main(["sweep", "grid.yaml", *flags])
        return stopped.value.code, *capsys.readouterr()

    return run


def test_another_track_is_swept_and_one_failure_is_status_1(sweep):
    Path("answers.json").write_text(json.dumps(["def f(x):\n    return x.count('1') % 2"]))
    code, out, _ = sweep(SYNTHESES, "--jobs", "2")
    assert code == 0
    assert "fn_a" in out
    assert "100.0%" in out
    assert Path("results/searches/0/programs").is_dir()
    code, out, _ = sweep(SYNTHESES, "--json")
    first, second = map(json.loads, out.splitlines())
    assert (code, first["skipped"], second["skipped"]) == (0, True, True)
    assert first["values"] == {"functions": "fn_a"}
    assert first["results"][0]["test"]["accuracy"] == 1.0
    # A job that only fails once it runs: nobody listens there.
    away = "model: 'chat:m', base_url: 'http://127.0.0.1:9/v1', retries: 0"
    others = SYNTHESES.replace("searches", "others")
    code, out, _ = sweep(others.replace("provider: scripted, answers: answers.json", away))
    assert code == 1
    assert "failed (2); see results/others/0/stderr.log" in out
    assert "cannot be reached" in Path("results/others/1/stderr.log").read_text()
    # One that cannot start is refused with all others.
    Path("answers.json").write_text("[]")
    code, out, error = sweep(SYNTHESES.replace("searches", "more"))
    assert (code, out) == (2, "")
    assert "Job 0 cannot start: The list of answers in answers.json is empty" in error
    assert not Path("results/more").exists()


def test_a_job_whose_task_or_results_changed_is_not_taken_for_done(sweep):
    rule = """
kind = "binary"
lengths = (10,)
def rule(x):
    return int(x[{place}])
def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length)))
"""
    grid = SYNTHESES.replace("[fn_a, fn_g]", "[own]").replace("lengths: [20]", "lengths: [10]")
    grid = grid.replace("attempts: 1", "attempts: 1, task_file: own.py")
    Path("answers.json").write_text(json.dumps(["def f(x):\n    return int(x[0])"]))
    Path("own.py").write_text(rule.format(place=0))
    assert sweep(grid)[0] == 0
    Path("own.py").write_text(rule.format(place=1))
    code, out, _ = sweep(grid, "--json")
    assert (code, json.loads(out)["skipped"], json.loads(out)["status"]) == (1, False, 2)
    log = Path("results/searches/0/stderr.log").read_text()
    assert "The rule in own.py now contradicts" in log
    Path("own.py").write_text(rule.format(place=0))
    results = Path("results/searches/0/results.jsonl")
    before = results.read_text()
    results.unlink()
    code, out, _ = sweep(grid, "--json")
    assert (code, json.loads(out)["skipped"]) == (0, False)
    assert results.exists()
    assert json.loads(before)["program"] == json.loads(out)["results"][0]["program"]
    assert json.loads(sweep(grid, "--json")[1])["skipped"]


SMALL_DATA = "functions: [fn_a], lengths: [10], train_size: 10, val_size: 10, test_size: 20"
SMALL = {
    "synthesize": f"{SMALL_DATA}, provider: scripted, answers: answers.json, attempts: 1",
    "enumerate": f"{SMALL_DATA}, max_programs: 2000",
    "baselines": f"{SMALL_DATA}, learners: [decision-tree], workers: 1",
    "incontext": "functions: [fn_a], lengths: [10], train_size: 10, answer: score, shots: [2], "
    "test_size: 2, test_split_size: 20, threads: 1",
    "train": "target_func: fn_a, n_layer: 1, n_head: 2, n_embd: 16, n_epochs: 1, device: cpu, "
    "train_set_size: 20, test_set_size: 20, precision: fp32, sequence_length: 10",
}
"""Flags with which each command that can be swept takes seconds."""
NEEDS = {"train": "torch", "enumerate": "numba", "baselines": "sklearn", "incontext": "xllamacpp"}


@pytest.mark.parametrize("command", METHODS)
def test_every_command_that_can_be_swept_is(sweep, command):
    if command in NEEDS:
        pytest.importorskip(NEEDS[command])
    Path("answers.json").write_text(json.dumps(["def f(x):\n    return x.count('1') % 2"]))
    grid = f"experiment_name: {command}\nresults_root: results\ncommand: {command}\n"
    grid += f"base_args: {{{SMALL[command]}}}\ngrid: {{seed: [3]}}\n"
    code, out, error = sweep(grid, "--json")
    assert code == 0, error + Path(f"results/{command}/0/stderr.log").read_text()
    (result,) = json.loads(out)["results"]
    assert result["test"]["total"] > 0
    assert json.loads(sweep(grid, "--json")[1])["skipped"]
    wrong = grid.replace("fn_a", "fn_zz").replace(f"name: {command}", "name: wrong")
    code, _, error = sweep(wrong)
    assert code == 2
    assert "Job 0 cannot start: " in error
    assert "fn_zz" in error
    assert not Path("results/wrong").exists()


@pytest.mark.parametrize("command", ["synthesize", "incontext"])
def test_a_dry_run_is_refused_before_a_model_is_paid(sweep, command):
    grid = f"experiment_name: dry\nresults_root: results\ncommand: {command}\n"
    grid += f"base_args: {{{SMALL[command]}, dry_run: true}}\ngrid: {{seed: [3]}}\n"
    code, _, error = sweep(grid)
    assert code == 2
    assert "Job 0 cannot start: A dry run has no results; omit --dry-run." in error
    assert not Path("results").exists()


def test_a_sweep_that_is_done_needs_no_key(sweep, monkeypatch):
    right = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
    with serving(lambda _: Reply(response([text(right)]))) as api:
        grid = "experiment_name: remote\nresults_root: results\ncommand: synthesize\n"
        grid += f"base_args: {{{SMALL_DATA}, provider: openai, base_url: '{api.url}/v1'}}\n"
        grid += "grid: {seed: [3, 4]}\n"
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        code, out, _ = sweep(grid, "--json")
        assert (code, len(api.calls)) == (0, 2)
    monkeypatch.delenv("OPENAI_API_KEY")
    code, again, _ = sweep(grid, "--json")
    assert code == 0
    for before, after in zip(out.splitlines(), again.splitlines(), strict=True):
        assert json.loads(after)["skipped"]
        assert json.loads(after)["results"] == json.loads(before)["results"]


def processes_in(folder: Path) -> list[str]:
    """Returns the command lines of the processes that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder:
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_sweep_that_is_stopped_stops_its_jobs(executable, tmp_path, sign):
    slow = "def f(x):\n    for _ in range(10**9):\n        pass"
    (tmp_path / "answers.json").write_text(json.dumps([slow]))
    (tmp_path / "grid.yaml").write_text(
        SYNTHESES.replace("attempts: 1", "attempts: 1, seconds_per_call: 100")
    )
    running = subprocess.Popen(
        [str(executable), "sweep", "grid.yaml", "--jobs", "2"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    folders = [tmp_path / "results/searches" / name for name in "01"]
    deadline = time.monotonic() + 120
    while not all((folder / "answers.jsonl").exists() for folder in folders):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.05)
    assert len(processes_in(tmp_path)) >= 3
    running.send_signal(sign)
    _, errors = running.communicate(timeout=100)
    assert running.returncode == 128 + sign
    assert "Run the same command to resume; it skips finished jobs" in errors
    deadline = time.monotonic() + 20  # candidates' processes follow their parents by themselves
    while processes_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_in(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("command: synthesize", "command: doctor"), "A sweep cannot run the command 'doctor'"),
        (("[fn_a, fn_g]", "[fn_a, fn_z]"), "Job 1 cannot start: There is no task 'fn_z'"),
        (
            ("attempts: 1", "tries: 1"),
            "Job 0 cannot start: There is no flag --tries; did you mean --retries?",
        ),
        (("train_size: 20", "train_size: 21"), "Job 0 cannot start: The training size 21 is odd"),
        (("attempts: 1", "dry_run: true"), "Job 0 cannot start: A dry run has no results"),
        (
            ("attempts: 1", "attempts: few"),
            "Job 0 cannot start: --attempts: 'few' is not a whole number. See `llm-erm synth",
        ),
    ],
)
def test_every_job_is_validated_before_the_first_starts(sweep, change, message):
    Path("answers.json").write_text(json.dumps(["no idea"]))
    code, out, error = sweep(SYNTHESES.replace(*change))
    assert (code, out) == (2, "")
    assert message in error
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("device: cpu", "device: gpu"), "Job 0 cannot start: The device gpu is not available"),
        (("device: cpu", "device: 'cuda:1'"), "cuda:1, but every job sees only one GPU; give"),
        (("train_set_size: 20", "train_set_size: 7"), "Job 0 cannot start: The training size 7"),
        (
            ("lr: 1e-4", "report_to: [mlflow]"),
            "Job 0 cannot start: report_to names mlflow, which is not",
        ),
        (("[fn_a]", "[fn_a, fn_c]\n  sequence_length: [12, 4]"), "fn_c"),
        (("n_head: 2", "n_head: 3"), "Job 0 cannot start: qwen1.7B would have a width of 16"),
    ],
)
def test_trainings_are_validated_as_deeply(sweep, change, message):
    pytest.importorskip("torch", reason="training needs torch")
    code, _, error = sweep(TRAININGS.replace(*change))
    assert code == 2
    assert message in error
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("visible", "count", "asked", "places"),
    [
        (None, 0, None, [None]),
        (None, 0, 2, [None, None]),
        (None, 1, None, ["0"]),  # a single GPU, and not none
        (None, 2, 3, ["0", "1", "0"]),
        ("3", 1, None, ["3"]),
        ("5,GPU-7", 2, None, ["5", "GPU-7"]),
        ("5,-1,7", 1, None, ["5"]),
        ("", 0, 2, [None, None]),
    ],
)
def test_each_place_sees_one_gpu(monkeypatch, visible, count, asked, places):
    torch = pytest.importorskip("torch", reason="training needs torch")
    from llm_erm.cli import sweep as command

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert command._devices(asked) == places


def test_a_job_after_another_in_a_process_has_the_results_of_one_alone(sweep):
    """Bit for bit, but for times: with --jobs 2, a job has a process of its own."""
    pytest.importorskip("torch", reason="training needs torch")
    shared = sweep(TRAININGS.replace("[fn_a]", "[fn_a, fn_g]"), "--json")
    alone = sweep(
        TRAININGS.replace("[fn_a]", "[fn_g]").replace("trainings", "alone"), "--json", "--jobs", "2"
    )
    assert shared[0] == alone[0] == 0
    first, second = map(json.loads, shared[1].splitlines())
    other = json.loads(alone[1])
    assert [one["results"][0]["data"]["function"] for one in (first, second)] == ["fn_a", "fn_g"]
    assert figures(second["results"]) == figures(other["results"])
    for place in ("trainings/1", "alone/0"):
        assert Path(f"results/{place}/metrics.jsonl").exists()
        assert Path(f"results/{place}/stderr.log").read_text() == ""


def test_a_flag_with_two_spellings_means_what_the_command_line_says(sweep):
    pytest.importorskip("torch", reason="training needs torch")
    grid = TRAININGS.replace("n_embd: 16", "n-embd: 8") + "  n_embd: [16, null]\n"
    code, out, _ = sweep(grid, "--json")
    assert code == 0
    for line, width in zip(out.splitlines(), (16, 8), strict=True):
        job = json.loads(line)
        assert json.loads(Path(job["folder"], "config.json").read_text())["n_embd"] == width


def figures(results: list) -> list:
    """The results without times."""
    for result in results:
        result["seconds"] = None
        for point in result["facts"]["curve"]:
            point["seconds"] = None
    return results


def test_the_published_scripts_defaults_are_for_trainings_alone(sweep, monkeypatch):
    from llm_erm.cli import published

    Path("answers.json").write_text(json.dumps(["def f(x):\n    return x.count('1') % 2"]))
    Path("grid.yaml").write_text(SYNTHESES.replace("[fn_a, fn_g]", "[fn_a]"))
    with pytest.raises(SystemExit) as stopped:
        published.sweeping(str(ROOT / "finetuning" / "sweep.py"), ["grid.yaml", "--json"])
    assert stopped.value.code == 0


def test_the_published_sweep_runs_and_never_asks(tmp_path):
    pytest.importorskip("torch", reason="training needs torch")
    script = tmp_path / "finetuning" / "sweep.py"
    script.parent.mkdir()
    shutil.copy(ROOT / "finetuning" / "sweep.py", script)
    (tmp_path / "grid.yaml").write_text(TRAININGS)
    done = subprocess.run(
        [sys.executable, str(script), "grid.yaml"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "results" / "trainings" / "0"
    assert {"stderr.log", "config.json", "metrics.py", "logs.log", "results.jsonl"} <= {
        path.name for path in folder.iterdir()
    }
    assert (tmp_path / "finetuning" / "datasets" / "parity_all+published-erm" / "L12").is_dir()
