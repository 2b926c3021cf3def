"""Advice names what was given, and nothing else."""

import json

import pytest

from llm_erm import InputError, model
from llm_erm.cli import train as training
from llm_erm.cli.flags import sentence
from llm_erm.cli.stopped import status_of
from llm_erm.cli.train import Options
from llm_erm.errors import Terminated

ANSWER = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
SMALL = ("--lengths", 20, "--train-size", 20, "--val-size", 20, "--test-size", 40)


def test_of_several_flags_only_those_given_are_named():
    error = InputError("lr and eta_min do not fit", setting="lr or eta_min")
    assert sentence(error, Options) == "lr and eta_min do not fit (--lr or --eta-min)"
    assert sentence(error, Options, ["--eta_min=1"]) == "lr and eta_min do not fit (--eta-min)"
    assert sentence(error, Options, ["--seed", "1"]).endswith("(--lr or --eta-min)")


def test_only_the_limit_at_fault_is_named(invoke):
    done = invoke("verify", "a.py", "b.txt", "--memory-mb", 0)
    assert done.returncode == 2
    assert "--memory-mb is 0; give a number above 0" in done.stderr
    assert "--seconds" not in done.stderr


def test_a_finished_run_that_is_printed_again_says_so(invoke, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([ANSWER]))
    words = ("synthesize", "--answers", "a.json", *SMALL, "--out-dir", "one")
    said = "finished"
    assert said not in invoke(*words, "--functions", "fn_a").stderr
    again = invoke(*words, "--functions", "fn_a")
    assert "Already finished, in one; --fresh runs it again." in again.stderr
    assert said not in invoke(*words, "--functions", "fn_a", "--fresh").stderr


def test_trials_carry_their_number(invoke, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([ANSWER]))
    done = invoke(
        *("synthesize", "--answers", "a.json", *SMALL, "--functions", "fn_a", "--num-trials", 2)
    )
    heading, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert [row[heading.index("trial")] for row in rows] == ["1", "2"]


def test_a_sweep_of_an_unknown_command_is_not_taken_for_other_jobs(invoke, tmp_path):
    earlier = tmp_path / "results/x/0"
    earlier.mkdir(parents=True)
    (earlier / "job.json").write_text('{"arguments": ["train"], "status": 0, "values": {}}')
    (tmp_path / "s.yaml").write_text(
        "experiment_name: x\nresults_root: results\ncommand: trian\n"
        "base_args: {}\ngrid: {seed: [1]}\n"
    )
    done = invoke("sweep", "s.yaml")
    assert (done.returncode, "cannot run the command 'trian'" in done.stderr) == (2, True)


def test_training_that_takes_days_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(training, "cpu_seconds", lambda *_: 3 * 86400.0)
    training.announce_cpu([Options(target_func=("fn_a", "fn_b"))])
    said = capsys.readouterr().err
    assert said.startswith("2 trainings of 1.4B weights on this CPU: some 3 days. ")
    monkeypatch.setattr(training, "cpu_seconds", lambda *_: None)  # there is a GPU
    training.announce_cpu([Options()])
    assert capsys.readouterr().err == ""


def test_the_status_is_the_one_of_the_signal():
    assert (status_of(KeyboardInterrupt()), status_of(Terminated())) == (130, 143)


@pytest.mark.parametrize(
    ("name", "said"), [("replay", "replay needs the folder of a run"), ("nobody", "or replay")]
)
def test_a_model_that_python_names_wrongly_ends_in_a_sentence(name, said):
    with pytest.raises(InputError, match=said):
        model(name)
