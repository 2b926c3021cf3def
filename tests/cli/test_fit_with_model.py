"""`llm-erm fit --model`: what a model proposes, its answers in a folder, and failures."""

import csv
import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

from api_server import Reply, serving
from llm_erm.cli.main import main
from llm_erm.llms.llm import Completion
from llm_erm.llms.scripted import ScriptedLLM
from llm_erm.rulelists.asked_rules import ask
from llm_erm.runs.events import Answered
from recorded import chat

TRUE = "IF age > 65 AND bmi > 30 → ill\nELSE IF smoker = yes AND age > 50 → ill\nELSE → well"
ANSWERS = (f"```\n{TRUE}\n```", "I don't know.", "IF height > 3 → ill\nELSE → well")
WORDS = ("fit", "patients.csv", "--target", "state", "--looks", "20000", "--max-conditions", "4")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.RandomState(3)
    age, bmi = random.randint(18, 91, 60), np.round(random.normal(27, 5, 60), 1)
    smoker, visits = random.choice(["no", "yes"], 60), random.poisson(3, 60)
    ill = ((age > 65) & (bmi > 30)) | ((smoker == "yes") & (age > 50))
    state = np.where(ill ^ (random.rand(60) < 0.15), "ill", "well")
    with Path("patients.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["age", "bmi", "smoker", "visits", "state"])
        writer.writerows(zip(age, bmi, smoker, visits, state, strict=True))
    Path("answers.json").write_text(json.dumps(ANSWERS))
    Path("columns.txt").write_text("age: in years\nbmi: weight by height squared\n")
    return tmp_path


def fit(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([*WORDS, *words])
    return stopped.value.code


SCRIPTED = ("--answers", "answers.json", "--attempts", "3", "--out-dir", "kept")


def test_a_proposal_is_taken_kept_and_replayed(folder, capsys, monkeypatch):
    assert fit(*SCRIPTED, "--describe", "columns.txt", "--json") == 0
    printed = capsys.readouterr()
    assert "the model is shown" not in printed.err
    found = json.loads(printed.out)
    chosen = found["sizes"][found["chosen"]]
    assert chosen["form"] == "proposed"
    assert found["proposed"]["calls"] == 12
    assert found["proposed"]["rules"] == 4
    assert found["check"]["candidates"] == 8
    prompts = [json.loads(line) for line in Path("kept/prompts.jsonl").read_text().splitlines()]
    assert len(prompts) == 4
    assert all("- age: in years; whole numbers" in line["prompt"] for line in prompts)

    def never(self, request):
        raise AssertionError("asked again")

    monkeypatch.setattr(ScriptedLLM, "complete", never)
    assert fit(*SCRIPTED, "--describe", "columns.txt", "--json") == 0
    assert json.loads(capsys.readouterr().out) == found
    for replay in (("--model", "replay:kept"), ("--provider", "replay", "--from", "kept")):
        assert fit(*replay, "--json") == 0
        assert json.loads(capsys.readouterr().out) == found


def test_what_is_kept_is_said_once_when_it_is_stopped(folder, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("llm_erm.cli.proposing.ask", _stopping(ask))
        assert fit(*SCRIPTED) == 130
    told = "Stopped. Answers are kept in kept; run the same command to resume."
    assert capsys.readouterr().err.endswith(f"llm-erm: {told}\n")
    assert Path("kept/answers.jsonl").read_text()
    with monkeypatch.context() as patch:
        patch.setattr("llm_erm.rulelists.learn.learn", _stopping(None))
        assert fit(*SCRIPTED) == 130
    told = "The model's answers are kept; run the same command to search again."
    assert capsys.readouterr().err.endswith(f"llm-erm: Stopped. There is no rule yet. {told}\n")
    assert fit(*SCRIPTED) == 0


def _stopping(call):
    """Does a call, if there is one, and is stopped then."""

    def stopped(*arguments):
        if call is not None:
            call(*arguments)
        raise KeyboardInterrupt

    return stopped


def test_no_rule_takes_the_place_of_the_answers_that_are_to_come(folder, capsys):
    assert fit(*SCRIPTED, "--out", "kept/answers.jsonl") == 2
    told = "--out is kept/answers.jsonl, which a run needs to resume; name another file."
    assert told in capsys.readouterr().err
    assert not Path("kept").exists()


def test_the_report_says_whose_rule_it_is(folder, capsys):
    assert fit(*SCRIPTED) == 0
    printed = capsys.readouterr()
    assert "IF age > 65 AND bmi > 30\till" in printed.out
    told = " ".join(printed.err.split())
    assert (
        "Proposals: 4 of 12 answers of scripted:answers.json hold a rule; this rule is one of "
        "them. They took 0 prompt and 0 output tokens, at no cost." in told
    )
    assert "what the model proposed from these got" in told


def test_answers_that_hold_no_rule_leave_the_search_and_that_is_said(folder, capsys):
    Path("answers.json").write_text(json.dumps(["\x1b[2J" * 9, "IF \x1b[31mage > 3 → ill\n" * 99]))
    assert fit(*SCRIPTED) == 0
    printed = capsys.readouterr()
    assert "0 of 12 answers of scripted:answers.json hold a rule" in printed.err
    assert "this rule is from the search." in printed.err
    assert "\x1b" not in printed.err + printed.out


def test_other_settings_in_the_folder_are_refused(folder, capsys):
    assert fit(*SCRIPTED, "--json") == 0
    for words, named in (
        (("--seed", "1"), "rows_sha256, seed"),
        (("--max-conditions", "3"), "max_conditions, rows_sha256"),
        (("--describe", "columns.txt"), "descriptions"),
        (("--blind",), "blind"),
    ):
        capsys.readouterr()
        assert fit(*SCRIPTED, *words) == 2
        told = capsys.readouterr().err
        assert "kept holds a run with other settings" in told
        assert named in told
    assert fit("--model", "replay:kept", "--seed", "1") == 2
    assert "to other prompts" in capsys.readouterr().err
    assert fit(*SCRIPTED, "--seed", "1", "--fresh", "--json") == 0


def test_blind_names_are_mapped_back(folder, capsys):
    blind = "IF x0 > 65 AND x1 > 30 → y0\nELSE IF x2 = c01 AND x0 > 50 → y0\nELSE → y1"
    Path("answers.json").write_text(json.dumps([blind]))
    assert fit(*SCRIPTED, "--blind", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    chosen = found["sizes"][found["chosen"]]
    assert chosen["form"] == "proposed"
    assert found["rule"]["lines"][1]["conditions"][0]["levels"] == ["yes"]
    prompts = Path("kept/prompts.jsonl").read_text()
    for name in ("age", "bmi", "smoker", "state", "ill", "well"):
        assert f'"{name}' not in prompts
        assert f"\\n{name}" not in prompts
        assert f",{name}" not in prompts


def test_a_dry_run_shows_the_prompts_and_the_cost_and_sends_nothing(folder, capsys):
    words = ("--model", "openai:gpt-5", "--dry-run", "--describe", "columns.txt")
    assert fit(*words, "--out", "new/rule.json") == 0
    printed = capsys.readouterr()
    assert printed.out.count("# How to write a rule") == 4
    assert "Up to 20 calls: about" in printed.err
    assert "at most about $" in printed.err
    assert not Path("answers").exists()
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "local"), "too small to write rules"),
        (("--provider", "local"), "too small to write rules"),
        (("--blind",), "--blind would have no effect, since no language model is asked"),
        (("--attempts", "3", "--max-cost-usd", "1"), "--max-cost-usd and --attempts would have"),
        (("--model", "openai:gpt-5"), "OPENAI_API_KEY is not set"),
        (("--model", "gpt-5"), "does not say who serves the model"),
        (("--model", "replay:"), "the folder of the answers"),
        (("--model", "replay:none"), "none is not there; name the folder of a run"),
        (("--model", "replay:none", "--blind"), "omit --blind"),
        ((*SCRIPTED, "--blind", "--describe", "columns.txt"), "what blind names hide"),
        ((*SCRIPTED, "--describe", "none.txt"), "Cannot read none.txt"),
        ((*SCRIPTED, "--describe", "patients.csv"), "patients.csv, line 1"),
        ((*SCRIPTED, "--attempts", "0"), "0 proposals"),
        ((*SCRIPTED, "--cost", "ill:perhaps=2"), "no class 'perhaps'"),
        ((*SCRIPTED, "--dry-run", "--json"), "--dry-run prints prompts, not JSON"),
        ((*SCRIPTED, "--out", "."), "--out is ., a folder"),
        ((*SCRIPTED, "--max-conditions", "0"), "without conditions needs no model"),
    ],
)
def test_wrong_words_are_answered_by_one_sentence(folder, capsys, monkeypatch, words, told):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert fit(*words) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert "Traceback" not in printed.err
    assert not printed.out


def test_a_server_is_told_of_before_it_is_asked_and_asked_for_what_is_missing_alone(
    folder, capsys, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    broken = True

    def answer(call):
        if broken and call.number >= 5:
            return Reply({"error": {"message": "out of order"}}, status=503)
        return Reply(chat(f"Well:\n{TRUE}"))

    with serving(answer) as api:
        words = ("--model", "chat:m", "--base-url", f"{api.url}/v1", "--attempts", "3")
        words += ("--retries", "0", "--concurrency", "1", "--out-dir", "kept")
        assert fit(*words, "--describe", "columns.txt") == 3
        printed = capsys.readouterr()
        assert not printed.out
        told = " ".join(printed.err.split())
        leaving, up_to, failed = (
            told.index("What the model is shown: 60 rows of age, bmi, smoker and visits and of st"),
            told.index(f"Up to 12 calls to chat:m at {api.url}/v1, at an unknown price."),
            told.index("calls failed: "),
        )
        assert leaving < up_to < failed
        assert f"and 2 descriptions of yours; it goes to {api.url}/v1." in told
        assert "There is no rule, since the model has not proposed all" in told
        kept = len(Path("kept/answers.jsonl").read_text().splitlines())
        answered = Path("kept/answers.jsonl").read_text().count('"finish_reason": "stop"')
        assert answered == 5 <= kept
        assert fit("--model", "replay:kept") == 3
        assert "7 of 12 answers are missing." in capsys.readouterr().err

        broken, before = False, len(api.calls)
        assert fit(*words, "--describe", "columns.txt") == 0
        assert len(api.calls) == before + 7
        printed = capsys.readouterr()
        assert "12 of 12 answers of chat:m hold a rule" in printed.err
        assert "14,400 prompt and 3,600 output tokens" in printed.err
        assert fit(*words, "--describe", "columns.txt", "--json") == 0
        assert len(api.calls) == before + 7
        assert "the model is shown" not in capsys.readouterr().err


def test_answers_are_not_deleted_if_there_is_no_key_to_ask_again(folder, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    words = ("--model", "openai:gpt-5", "--out-dir", "kept")
    assert fit(*words) == 2
    kept = Path("kept/answers.jsonl")
    kept.write_text("paid for\n")
    capsys.readouterr()
    assert fit(*words, "--fresh") == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err
    assert kept.read_text() == "paid for\n"


def test_calls_that_were_cancelled_are_told_of_once(folder, capsys, monkeypatch):
    def stopped(asking, earlier, spent, observe):
        observe(asking.parts[0].job, Answered(Completion(1, "", finish_reason="cancelled")))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("llm_erm.cli.proposing.ask", stopped)
        assert fit(*SCRIPTED) == 130
    assert "Cancelled 1 call in flight" in capsys.readouterr().err
    assert fit(*SCRIPTED, "--json") == 0
    assert "Cancelled" not in capsys.readouterr().err


def test_a_budget_that_is_spent_ends_the_command_with_what_is_kept(folder, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(lambda call: Reply(chat(TRUE))) as api:
        words = ("--model", "chat:m", "--base-url", f"{api.url}/v1", "--attempts", "3")
        words += ("--max-output-tokens", "1000", "--max-total-tokens", "9000")
        assert fit(*words, "--out-dir", "kept", "--concurrency", "1") == 3
        printed = capsys.readouterr()
        assert "The budget is spent: " in printed.err
        assert "--max-total-tokens" in printed.err
        assert not printed.out
        assert 0 < len(api.calls) < 12


def test_a_command_proposes_rules_and_it_is_said_where_rows_go(folder, capsys):
    Path("propose.py").write_text(
        "import sys\nassert 'age' in sys.stdin.read()\n"
        "open(sys.argv[1], 'a').write('x')\nprint(sys.argv[2])\n"
    )
    script, log = folder / "propose.py", folder / "log"
    line = shlex.join([sys.executable, "-S", str(script), str(log), f"```\n{TRUE}\n```"])
    command = ("--command", line, "--attempts", "2", "--out-dir", "kept", "--json")
    assert fit(*command) == 0
    printed = capsys.readouterr()
    assert f"it goes to {sys.executable}." in printed.err
    told = "could read the whole table, and the bounds hold only if it did not read the rows"
    assert told in printed.err
    assert any(told in notice for notice in json.loads(printed.out)["notices"])
    assert json.loads(printed.out)["proposed"]["calls"] == len(log.read_text())
    calls = log.read_text()
    assert fit(*command) == 0  # the answers are kept
    assert log.read_text() == calls


def test_fit_refuses_a_command_beside_another_model(folder, capsys):
    assert fit("--command", "cat", "--model", "local:x.gguf") == 2
    assert "omit one of the two" in capsys.readouterr().err
