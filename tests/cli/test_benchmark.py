"""`llm-erm benchmark` runs methods on tasks of known length, and goes on where it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_erm.cli import benchmark_tasks, parts, solvers
from llm_erm.cli.benchmark import Options
from llm_erm.cli.parts import placed
from llm_erm.cli.solvers import parts_of
from llm_erm.enumeration.drawn import Drawing
from llm_erm.errors import MissingExtraError, UnfinishedError
from llm_erm.tasks.spec import DataSpec

pytest.importorskip("matplotlib", reason="it draws a figure")
pytest.importorskip("sklearn", reason="it fits classical learners")

RULES = {"first": ("x[0] == '1'", 12.5), "parity": ("x.count('1') % 2", 14), "three": ("X", 19.0)}
TASK = """
bits = {bits!r}
kind, lengths, uniform = "binary", (20, 30), True

def rule(x):
    return int({rule})

def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length)))
"""
ANSWERS = [
    "def f(x):\n    return int(x[0] == '1')",
    "def f(x):\n    return x.count('1') % 2",
    "no idea",
    "def f(x):\n    return int(x[0] == '1')",
]
SMALL = ("--train-size", 40, "--val-size", 40, "--test-size", 100, "--out-dir", "out")
ALONE = ("--without", "enumeration", "baselines")
SCRIPTED = ("--proposer", "scripted:answers.json", "--attempts", 4)


@pytest.fixture
def tasks(tmp_path) -> Path:
    """A folder of three tasks, of which a scripted model knows two."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, (rule, bits) in RULES.items():
        rule = rule.replace("X", "x.count('1') % 3 == 0")
        (folder / f"{name}.py").write_text(TASK.format(rule=rule, bits=bits))
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    return folder


@pytest.fixture
def run(invoke, tasks) -> Callable[..., Any]:
    """Runs the command on the three tasks."""
    return lambda *words, **more: invoke("benchmark", "--tasks", tasks, *SMALL, *words, **more)


def specs(tasks: Path) -> list[DataSpec]:
    return benchmark_tasks.specs_of(Options(tasks=tasks), sorted(tasks.glob("*.py")))


def test_the_numbers_are_those_of_the_runs(run, tmp_path):
    words = (*SCRIPTED, "--learners", "decision-tree", "--max-seconds", 5)
    done = run(*words, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {(row["method"], row["low_bits"]): row for row in rows}
    assert list(found) == [
        (method, low)
        for method in ("decision-tree", "enumeration", "scripted:answers.json")
        for low in (12, 16)
    ]
    tree, model = found["decision-tree", 12], found["scripted:answers.json", 12]
    assert (tree["tasks"], tree["exact_tasks"], tree["pass_at_1"]) == (2, 1, None)
    enumerated = found["enumeration", 12], found["enumeration", 16]
    assert [row["exact"] for row in enumerated] == [1.0, 1.0]
    # Of four proposals, two are exact for one task and one for the other.
    assert (model["exact_tasks"], model["pass_at_1"], model["pass_at_k"]) == (2, 0.375, 1.0)
    assert model["pass_at_k_low"] == pytest.approx(0.025**0.5)  # two of two tasks
    assert (model["k"], model["result_method"]) == (4, "synthesis scripted:answers.json")
    rest = found["scripted:answers.json", 16]
    assert (rest["tasks"], rest["exact_low"], rest["pass_at_k"]) == (1, None, 0.0)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("results.jsonl")}
    assert len(before) == 3
    for name in ("benchmark.csv", "benchmark.md", "benchmark.png"):
        (tmp_path / "out" / name).unlink()

    again = run(*words, "--plot", "figure.svg")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("Already finished") == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(again.stdout.splitlines()) == 1 + len(rows)
    assert "scripted:answers.json: pass@4 falls below 50% at 16 bits: 100.0%" in again.stderr
    assert "Figure: figure.svg" in again.stderr
    assert (tmp_path / "figure.svg").stat().st_size > 5000
    assert (tmp_path / "out" / "benchmark.md").read_text().count("\n| ") == 2 + len(rows)
    assert len((tmp_path / "out" / "benchmark.csv").read_text().splitlines()) == 1 + len(rows)


@pytest.mark.slow
def test_other_commands_read_its_folder(run, invoke):
    assert run(*SCRIPTED, "--without", "enumeration", "--learners", "knn").returncode == 0
    compared = invoke("compare", "out", "--json")
    assert compared.returncode == 0, compared.stderr
    rows = [json.loads(line) for line in compared.stdout.splitlines()]
    assert {(row["function"], row["method"]) for row in rows} == {
        (task, method)
        for task in RULES
        for method in ("baseline:knn", "synthesis scripted:answers.json")
    }
    watched = invoke("watch", "out", "--once", "--json")
    assert watched.returncode == 0, watched.stderr
    assert len(watched.stdout.splitlines()) == 2 * 3
    reported = invoke("report", "out", "--out", "report.html")
    assert reported.returncode == 0, reported.stderr


def test_a_stopped_benchmark_goes_on_where_it_was(run, monkeypatch, tmp_path):
    run_part = parts.results_of
    done = []

    def stopping(options):
        if options.COMMAND == "synthesize":
            raise KeyboardInterrupt
        done.append(options.COMMAND)
        return run_part(options)

    words = (*SCRIPTED, "--without", "enumeration", "--learners", "decision-tree")
    with monkeypatch.context() as patch:
        patch.setattr(parts, "results_of", stopping)
        stopped = run(*words)
    assert (stopped.returncode, stopped.stdout, done) == (130, "", ["baselines"])
    assert "Run the same command to continue." in stopped.stderr
    text = (tmp_path / "out/benchmark.md").read_text()
    assert text.count("| decision-tree |") == 2
    assert "Not run: scripted\\:answers.json\\: it was stopped" in text.replace("run\\:", "run:")
    ended = run(*words)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("Already finished") == 1
    assert ended.stdout.count("scripted:answers.json") == 2


def test_what_a_model_leaves_undone_stops_no_other_method(run, monkeypatch):
    run_part = parts.results_of

    def unanswered(options):
        if options.COMMAND == "synthesize":
            raise UnfinishedError("2 calls got no answer.")
        return run_part(options)

    monkeypatch.setattr(parts, "results_of", unanswered)
    done = run(*SCRIPTED, "--without", "enumeration", "--learners", "decision-tree")
    assert done.returncode == 3
    assert "Not run: scripted:answers.json: unfinished: 2 calls got no answer." in done.stderr
    assert done.stdout.count("decision-tree") == 2


def test_a_model_that_says_nothing_solves_nothing(run, tmp_path):
    (tmp_path / "answers.json").write_text('[""]')
    done = run(*SCRIPTED, *ALONE, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["exact"], row["pass_at_k"], row["k"]) for row in rows] == [(0.0, 0.0, 4)] * 2
    said = run(*SCRIPTED, *ALONE).stderr
    assert "pass@1 is below 50% at all description lengths tried: 0.0% at 12–16 bits" in said


def test_a_dry_run_needs_no_key_and_leaves_nothing(run, tmp_path):
    words = ("--proposer", "local", "openai:gpt-5", "--attempts", 4, "--dry-run")
    done = run(*words, "--json")
    assert done.returncode == 0, done.stderr
    rows = {one["method"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert list(rows) == [*solvers.LEARNERS, "enumeration", "local", "openai:gpt-5"]
    assert rows["local"]["calls"] is None
    assert rows["openai:gpt-5"]["calls"]["calls"] == 4 * 3
    assert rows["openai:gpt-5"]["calls"]["dollars"] > 0
    assert not (tmp_path / "out").exists()
    lines = run(*words).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["method", *rows]


def test_drawn_tasks_are_drawn_once(invoke, tmp_path, monkeypatch):
    pytest.importorskip("numba", reason="tasks are drawn by enumeration")
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    words = ("benchmark", "--draw", 3, "--bits", "14:16", *SCRIPTED, *ALONE, *SMALL)
    done = invoke(*words, "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(row["tasks"] for row in rows) == 3
    files = sorted(path.name for path in (tmp_path / "out/tasks").glob("*.py"))
    assert len(files) == 3

    (tmp_path / "out/tasks/other.py").write_text("of somebody else")
    monkeypatch.setattr(benchmark_tasks, "draw", lambda *_: pytest.fail("drawn again"))
    again = invoke(*words, "--json")
    assert again.stdout == done.stdout
    other = invoke(*words, "--seed", 7)
    assert other.returncode == 2
    assert "were drawn with other flags; name another folder (--out-dir)." in other.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--proposer", "opneai:gpt-5"), "There is no provider 'opneai'; did you mean openai?"),
        (("--proposer", "scripted"), "needs the name of a model, as in scripted:FILE (--proposer)"),
        (("--proposer", "replay:runs/a"), "has no answers for these tasks; name a model"),
        (("--proposer", "scripted:none.json"), "The answers in none.json cannot be read"),
        (("--proposer", "openai:gpt-5"), "OPENAI_API_KEY is not set"),
        ((*SCRIPTED, "--attempts", 0), "--attempts is 0; give 1 or more"),
        ((*SCRIPTED, "--max-seconds", 0), "--max-seconds"),
        ((*SCRIPTED, "--learners", "oracle"), "oracle"),
        ((*SCRIPTED, "--max-cost-usd", 0), "--max-cost-usd is 0.0"),
        ((*SCRIPTED, "--base-url", "http://x/v1"), "none of the models is; omit it."),
        (
            ("--proposer", "chat:a", "vllm:b", "--base-url", "http://x/v1"),
            "is the address of one model, but 2 are not on this machine",
        ),
        ((*SCRIPTED, "--draw", 3), "drawn or read from a folder; omit one of the two"),
        ((*SCRIPTED, "--bits", "12:20"), "drawn or read from a folder; omit one of the two"),
        ((*SCRIPTED, "--workers", 2), "--workers applies only to --executor processes"),
        ((*SCRIPTED, "--plot", "figure.txt"), "give a file name that ends in"),
        ((*SCRIPTED, "--test-size", 3), "test size 3 is odd"),
        ((*SCRIPTED, "--length", 0), "length 0"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(run, tmp_path, words, said):
    done = run(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("results.jsonl"))


@pytest.mark.parametrize(
    "words", [("--learners", "oracle"), ("--proposer", "openai:gpt-5"), ("--max-seconds", 0)]
)
def test_methods_are_checked_before_tasks_are_drawn(invoke, tmp_path, monkeypatch, words):
    monkeypatch.setattr(benchmark_tasks, "draw", lambda *_: pytest.fail("drawn"))
    done = invoke("benchmark", *SMALL, *words)
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())


def test_no_method_is_no_benchmark(run):
    done = run("--proposer", *ALONE)
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "four.py",
            TASK.replace("bits = {bits!r}", "").format(rule="1"),
            "add a line such as bits",
        ),
        ("four.py", "def rule(", "fails with SyntaxError"),
        ("four.py", TASK.format(rule="1", bits="many"), "it must be a number"),
        ("four.py", "name = 'first'" + TASK.format(rule="1", bits=3), "both define a task first"),
    ],
)
def test_a_file_that_is_no_such_task_is_named(run, tasks, name, text, said):
    (tasks / name).write_text(text)
    done = run(*SCRIPTED, *ALONE)
    assert done.returncode == 2
    assert name in done.stderr
    assert said in done.stderr


def test_a_folder_without_tasks_is_named(invoke, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    empty = invoke("benchmark", "--tasks", "empty", *SCRIPTED)
    assert empty.returncode == 2
    assert "empty holds no task files, whose names end in .py" in empty.stderr
    missing = invoke("benchmark", "--tasks", "missing", *SCRIPTED)
    assert missing.returncode == 2
    assert "Cannot read the folder missing" in missing.stderr


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": ["../../x.py"]}', '{"files": 3}'])
def test_an_edited_record_of_the_draw_counts_for_nothing(tmp_path, content, monkeypatch):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / benchmark_tasks.RECORD).write_text(content)
    monkeypatch.setattr(benchmark_tasks, "draw", lambda *_: Drawing(()))
    assert benchmark_tasks.task_files(Options(draw=1), tmp_path, tmp_path) == []


def test_models_have_folders_of_their_own(tasks, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")
    files = ("a/x.json", "a-x.json", "b/x.json")
    names = ("local", "openai:gpt-5", *(f"scripted:{tmp_path / file}" for file in files))
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text('["x"]')
    options = Options(tasks=tasks, proposer=names, without=("enumeration", "baselines"))
    found = parts_of(options, specs(tasks), tmp_path / "out")
    folders = [part.folder.name for part in found]
    assert folders[:2] == ["local", "openai-gpt-5"]
    assert len(set(folders)) == len(names)
    assert all(part.folder.parent == tmp_path / "out" for part in found)


def test_the_budget_is_for_all_models_and_every_attempt_is_drawn(tasks, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none-of-your-business")
    options = Options(
        tasks=tasks, proposer=("local", "openai:gpt-5"), attempts=3, max_cost_usd=2.0, test_size=60
    )
    found = {part.contender.name: part for part in parts_of(options, specs(tasks), tmp_path)}
    asked, local = found["openai:gpt-5"], found["local"]
    assert (asked.options.max_cost_usd, local.options.max_cost_usd) == (2.0, None)
    assert (asked.contender.paid, local.contender.paid) == (True, False)
    assert parts.within_budget(asked, 1.5).options.max_cost_usd == 0.5
    for part in (asked, local):
        assert part.options.method().settings.attempts == 3
        assert part.options.method().settings.early_stop is False
    assert {part.options.warns for part in found.values()} == {True, False}


def test_methods_run_where_the_flags_say(tasks, tmp_path):
    flags = {"tasks": tasks, "executor": "processes", "workers": 2}
    options = Options(**flags)
    moved = placed(options, parts_of(options, specs(tasks), tmp_path))
    assert {part.options.executor for part in moved} == {"processes"}
    assert {part.options.workers for part in moved} == {2}


def test_learners_that_cannot_run_are_left_out_and_models_are_not(tasks, tmp_path, monkeypatch):
    def check(options):
        if options.COMMAND in missing:
            raise MissingExtraError("A package is missing.")

    monkeypatch.setattr(solvers, "check", check)
    missing = {"enumerate"}
    found = parts_of(Options(tasks=tasks), specs(tasks), tmp_path)
    assert [part.contender.name for part in found if part.reason] == ["enumeration"]
    missing = {"synthesize"}
    with pytest.raises(MissingExtraError):
        parts_of(Options(tasks=tasks), specs(tasks), tmp_path)


def test_data_have_the_sizes_length_and_seed_that_are_given(tasks):
    flags = {"train_size": 30, "val_size": 20, "test_size": 40, "seed": 5}
    usual = benchmark_tasks.specs_of(Options(tasks=tasks, **flags), [tasks / "first.py"])[0]
    assert (usual.train_size, usual.val_size, usual.test_size) == (30, 20, 40)
    assert (usual.seed, usual.length, usual.function) == (5, 20, "first")
    (longer,) = benchmark_tasks.specs_of(Options(tasks=tasks, length=30), [tasks / "first.py"])
    assert longer.length == 30


def test_the_usual_folder_is_that_of_the_tasks_and_settings(tasks):
    def name(*settings: float, **flags: Any) -> str:
        return benchmark_tasks.name_of(Options(**flags), settings)

    assert name(1, tasks=tasks) == name(1, tasks=tasks, proposer=("openai",))
    assert name(seed=1) == name(seed=1, draw=200, bits="12:40", length=20)
    names = [name(1, tasks=tasks), name(2, tasks=tasks), name(1), name(1, seed=7)]
    names += [name(1, tasks=tasks, length=30), name(1, bits="12:30"), name(1, train_size=4)]
    before = name(1, tasks=tasks)
    (tasks / "first.py").write_text("# another\n" + (tasks / "first.py").read_text())
    names.append(name(1, tasks=tasks))
    assert len({*names}) == len(names)
    assert before == names[0]
