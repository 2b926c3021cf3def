"""The published commands draw data as the paper's release did, say so, and can be told not to."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_erm.cli.main import main
from llm_erm.cli.published import incontext, sweeping, synthesis, training

SCRIPTS = {
    "program_synthesis/runner.py": (synthesis, "llm_erm.cli.synthesize.synthesize"),
    "in_context_learning/vllm_incontext.py": (incontext, "llm_erm.cli.incontext.incontext"),
    "finetuning/main.py": (training, "llm_erm.cli.train.train"),
}
SWEEP = """
experiment_name: e
results_root: results
base_args: {{device: cpu{more}}}
grid: {{target_func: [fn_a]}}
"""


@pytest.fixture(params=SCRIPTS)
def started(request, monkeypatch, capsys):
    """Starts a published command that does nothing; returns its options and what it said."""
    script, command = SCRIPTS[request.param]

    def start(*arguments):
        seen = []
        monkeypatch.setattr(command, lambda options: seen.append(options) or 0)
        with pytest.raises(SystemExit):
            script(request.param, list(arguments))
        return SimpleNamespace(options=seen[0] if seen else None, **capsys.readouterr()._asdict())

    return start


def test_the_default_is_the_papers_release_and_is_said(started):
    run = started()

    assert run.options.published == "erm"
    assert run.err == (
        "Data: as the published release erm drew them; --published None draws this package's own.\n"
    )
    assert run.out == ""


@pytest.mark.parametrize(
    ("word", "value", "said"),
    [("None", None, "Data: this package's own.\n"), ("pv", "pv", "published release pv drew them")],
)
def test_another_release_or_none_can_be_chosen(started, word, value, said):
    run = started("--published", word)

    assert run.options.published == value
    assert said in run.err


def test_the_help_says_it(started, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    help_page = " ".join(started("--help").out.replace("│", " ").split())

    assert "drawn as the paper's release drew them; --published None draws" in help_page
    assert "(default: erm)" in help_page


def test_a_replay_keeps_the_data_of_its_run(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("llm_erm.cli.synthesize.synthesize", lambda one: seen.append(one) or 0)
    with pytest.raises(SystemExit):
        synthesis("program_synthesis/runner.py", ["--provider", "replay", "--from", "runs/x"])

    assert seen[0].published is None  # a flag that differs from its default would be refused
    assert "Data" not in capsys.readouterr().err


@pytest.fixture
def swept(tmp_path, monkeypatch, capsys):
    """Runs the published sweep without its jobs; returns their options and what it said."""
    monkeypatch.chdir(tmp_path)

    def sweep(more=""):
        seen = []
        Path("grid.yaml").write_text(SWEEP.format(more=more))
        monkeypatch.setattr("llm_erm.cli.sweep.check", seen.append)
        monkeypatch.setattr("llm_erm.cli.sweep.run_sweep", lambda *_: [])
        with pytest.raises(SystemExit) as stopped:
            sweeping("finetuning/sweep.py", ["grid.yaml"])
        assert stopped.value.code == 0
        return seen, capsys.readouterr().err

    return sweep


@pytest.mark.parametrize(
    ("more", "value"),
    [("", "erm"), (", published: null", None), (", published: pv", "pv"), (", seed: 1", "erm")],
)
def test_trainings_of_a_sweep_have_the_same_default(swept, more, value):
    jobs, said = swept(more)

    assert [job.published for job in jobs] == [value]
    assert "unless the file sets published (null: this package's own)" in said


def test_the_package_itself_keeps_its_own_data(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sizes = ("--train-size", "4", "--val-size", "4", "--test-size", "8")
    for flags, name in (
        ((), "patternmatch1"),
        (("--published", "erm"), "patternmatch1+published-erm"),
        (("--published", "pv"), "patternmatch1+published-pv"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["data", "--functions", "fn_c", "--lengths", "20", *sizes, *flags, "--json"])
        assert stopped.value.code == 0
        assert Path(json.loads(capsys.readouterr().out)["folder"]).parts[1] == name


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--published", "erm", "--functions", "fn_aa"), "erm does not have fn_aa; pv does"),
        (
            ("--published", "erm", "--functions", "fn_g", "--negatives", "random"),
            "omit one of the two (--negatives or --published)",
        ),
        (("--published", "v2"), "v2"),
    ],
)
def test_what_a_release_does_not_have_is_one_sentence(tmp_path, monkeypatch, capsys, flags, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["data", *flags])

    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []
