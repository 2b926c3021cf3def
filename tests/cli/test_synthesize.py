"""`llm-erm synthesize` from flags to files, with scripted answers."""

import csv
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from api_server import Reply, serving
from canary import CANARY
from responses_server import response, text

RIGHT = json.dumps({"code": "def f(x):\n    return x.count('1') % 2"})
WRONG = json.dumps({"code": "def f(x):\n    return 1"})
SMALL = ("--train-size", 20, "--val-size", 20, "--test-size", 40)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def scripted(tmp_path: Path):
    """Flags that make the given texts the model's answers."""

    def flags(*answers: str) -> tuple[object, ...]:
        path = tmp_path / "answers.json"
        path.write_text(json.dumps(answers))
        return ("--provider", "scripted", "--answers", path)

    return flags


def test_json_prints_one_object_per_data_set(invoke, scripted):
    done = invoke(
        *("synthesize", "--functions", "fn_a", "fn_g", "--lengths", 16, 20, "--attempts", 3),
        *("--json", *SMALL, *scripted(WRONG, RIGHT)),
    )
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["data"]["function"], r["data"]["length"]) for r in results] == [
        *(("fn_a", 16), ("fn_a", 20), ("fn_g", 16), ("fn_g", 20))
    ]
    parity = results[0]
    assert (parity["attempts"], parity["selected_attempt"], parity["data"]["seed"]) == (2, 2, 42)
    assert parity["validation"]["accuracy"] == parity["test"]["accuracy"] == 1.0
    assert parity["length_generalization"]["accuracy"] == 1.0
    assert parity["contrast"] is None
    assert parity["certificate"]["error_upper_bound"] == pytest.approx(1 - (0.05 / 3) ** (1 / 20))
    assert results[2]["attempts"] == 3
    assert results[2]["contrast"]["accuracy"] == 0.5
    assert results[2]["length_generalization"]["total"] > 0


def test_everything_is_in_the_run_folder(invoke, scripted, tmp_path):
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--out-dir", "out"),
        *(*SMALL, *scripted("no idea", RIGHT)),
    )
    assert done.returncode == 0, done.stderr
    assert "100.0%" in done.stdout
    assert "x.count('1') % 2" in done.stdout
    job = {"function": "fn_a", "length": 20, "seed": 42, "trial": 1, "variant": ""}
    (prompt,) = lines(tmp_path / "out/prompts.jsonl")
    assert prompt["job"] == job
    assert " -> 1" in prompt["prompt"]
    answers = lines(tmp_path / "out/answers.jsonl")
    assert [one["job"] for one in answers] == [job] * 2
    assert [one["answer"]["text"] for one in answers] == ["no idea", RIGHT]
    attempts = lines(tmp_path / "out/attempts.jsonl")
    assert [one["job"] for one in attempts] == [job] * 2
    assert [one["attempt"]["candidate"]["reason"] is None for one in attempts] == [False, True]
    (result,) = lines(tmp_path / "out/results.jsonl")
    assert result["program"] == attempts[1]["attempt"]["candidate"]["source"]
    settings = json.loads((tmp_path / "out/settings.json").read_text())
    assert settings["data"][0]["sha256"] == result["data"]["sha256"]
    events = lines(tmp_path / "out/log.jsonl")
    assert [event["msg"] for event in events] == ["attempt", "attempt", "search_finished"]
    assert [event["status"] for event in events[:2]] == ["no_code", "ok"]
    assert {"duration_ms", "prompt_tokens", "val_acc", "perfect"} <= events[0].keys()
    (program,) = (tmp_path / "out/programs").iterdir()
    namespace: dict = {}
    exec(compile(program.read_text(), str(program), "exec"), namespace)
    assert namespace["f"]("0111") == 1


def test_the_standalone_program_verifies_on_the_test_file(invoke, scripted, tmp_path):
    invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--out-dir", "out"),
        *(*SMALL, *scripted(RIGHT)),
    )
    (program,) = (tmp_path / "out/programs").iterdir()
    (data,) = tmp_path.glob("datasets/parity_all/L20/*/test.txt")
    done = invoke("verify", program, data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["correct"] == 40


def test_the_same_command_again_asks_nothing_and_prints_the_same(invoke, scripted):
    arguments = (
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--json"),
        *(*SMALL, *scripted(WRONG, RIGHT)),
    )
    assert invoke(*arguments).stdout == invoke(*arguments).stdout


def test_what_is_done_is_shown_without_a_key_and_what_is_not_needs_one(invoke, tmp_path):
    command = ("synthesize", "--functions", "fn_a", "--train-size", 20, "--val-size", 20)
    command += ("--test-size", 40, "--provider", "openai", "--json", "--attempts", 1)
    for folder in ((), ("--out-dir", "out")):
        with serving(lambda _: Reply(response([text(RIGHT)]))) as api:
            arguments = (*command, "--base-url", f"{api.url}/v1", *folder)
            first = invoke(*arguments, "--lengths", 20, OPENAI_API_KEY=CANARY)
            assert (first.returncode, len(api.calls)) == (0, 1)
        again = invoke(*arguments, "--lengths", 20, OPENAI_API_KEY="")
        assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
        for more in (("--lengths", 20, 21), ("--lengths", 20, "--fresh")):
            refused = invoke(*arguments, *more, OPENAI_API_KEY="")
            assert (refused.returncode, refused.stdout) == (2, "")
            assert "OPENAI_API_KEY is not set" in refused.stderr
        again = invoke(*arguments, "--lengths", 20, "--out-csv", "a.csv", OPENAI_API_KEY="")
        assert (again.returncode, again.stdout.count("\n")) == (0, 1), again.stderr


def test_without_a_key_nothing_is_drawn_for_a_run_that_cannot_be_done(invoke, tmp_path):
    refused = invoke("synthesize", "--functions", "fn_a", "--provider", "openai", OPENAI_API_KEY="")
    assert refused.returncode == 2
    assert "OPENAI_API_KEY is not set" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "runs/synthesize-other").mkdir(parents=True)
    (tmp_path / "runs/synthesize-other/results.jsonl").touch()
    flags = ("--functions", "fn_a", "--provider", "openai", "--fresh-data")
    refused = invoke("synthesize", *flags, OPENAI_API_KEY="")
    assert refused.returncode == 2
    assert "OPENAI_API_KEY is not set" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_nothing_exact_is_said(invoke, scripted):
    done = invoke(
        *("synthesize", "--functions", "fn_g", "--lengths", 20, "--attempts", 2),
        *(*SMALL, *scripted(WRONG)),
    )
    assert "nothing exact" in done.stdout


def test_what_is_right_at_this_length_only_is_not_simply_called_exact(invoke, scripted):
    """A palindrome's parity passes all test data; a parity may be one at a single length."""
    here = json.dumps({"code": "def f(x):\n    return x.count('1') % 2 * (len(x) == 20)"})
    search = ("synthesize", "--lengths", 20, "--attempts", 1, *SMALL)
    done = invoke(*search, "--functions", "fn_a", *scripted(here))
    assert "exact at this length, 50.0% at others: " in " ".join(done.stdout.split())
    done = invoke(*search, "--functions", "fn_a", *scripted(RIGHT))
    assert "exact" not in done.stdout
    even = json.dumps({"code": "def f(x):\n    return 1 - x.count('1') % 2"})
    done = invoke(*search, "--functions", "fn_g", *scripted(even))
    assert "not exact: 1 - x.count('1') % 2" in " ".join(done.stdout.split())


def test_no_program_at_all_is_said(invoke, scripted):
    arguments = (
        *("synthesize", "--functions", "fn_g", "--lengths", 20, "--attempts", 2),
        *(*SMALL, *scripted("no idea")),
    )
    assert "no program ran" in invoke(*arguments).stdout
    result = json.loads(invoke(*arguments, "--json").stdout)
    assert result["program"] is None
    assert result["certificate"] is None
    assert result["test"] is result["validation"] is None


def test_why_no_program_ran_is_said_with_the_next_step(invoke, scripted):
    broken = json.dumps({"code": "def f(x) return 1"})
    endless = json.dumps({"code": "def f(x):\n    while True: pass"})
    search = (
        *("synthesize", "--functions", "palindrome", "--lengths", 20, "--attempts", 4, *SMALL),
        *("--seconds-per-candidate", 1, "--out-dir", "none"),
        *scripted("no idea", broken, endless, "none"),
    )
    why = (
        "fn_g L=20: no program ran. Of 4 answers: 2 without code, 1 with a syntax error, 1 with a "
        "program that timed out. Name another model, or hold its answers to a form with "
        "--constraint. `llm-erm report none` shows the answers."
    )
    for done in (invoke(*search), invoke(*search), invoke(*search, "--json")):
        assert why in " ".join(done.stderr.split())
    done = invoke("synthesize", "--functions", "fn_a", "--lengths", 20, *SMALL, *scripted(WRONG))
    assert "no program ran" not in done.stderr


def test_the_next_step_suits_the_most_frequent_reason(invoke, scripted):
    endless = json.dumps({"code": "def f(x):\n    while True: pass"})
    done = invoke(
        *("synthesize", "--functions", "fn_a", "fn_b", "fn_c", "fn_d", "fn_e", "--lengths", 20),
        *(*SMALL, "--attempts", 1, "--seconds-per-candidate", 1, *scripted(endless)),
    )
    said = " ".join(done.stderr.split())
    assert "fn_a L=20, fn_b L=20, fn_c L=20 and 2 more: no program ran. Of 5 answers: " in said
    assert "Raise --seconds-per-call or --seconds-per-candidate, or name another model." in said


def test_a_task_of_ones_own_is_learned_from_one_file(invoke, scripted, tmp_path):
    (tmp_path / "first.py").write_text(
        "lengths = (12,)\n\ndef rule(x):\n    return int(x[0])\n\n"
        "def sample(rng, length):\n    return ''.join(rng.choice(['0', '1'], size=length))\n"
    )
    answer = json.dumps({"code": "def f(x):\n    return int(x[0])"})
    done = invoke(
        *("synthesize", "--task-file", "first.py", "--json"), *(*SMALL, *scripted(answer))
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["data"]["function"], result["data"]["length"]) == ("first", 12)
    assert result["test"]["accuracy"] == 1.0


def test_impossible_lengths_are_skipped_with_a_notice(invoke, scripted):
    done = invoke(
        *("synthesize", "--functions", "fn_h", "--lengths", 30, 40, "--attempts", 1, "--json"),
        *(*SMALL, *scripted(RIGHT)),
    )
    assert done.returncode == 0
    assert "Skipped fn_h at length 30" in done.stderr
    assert json.loads(done.stdout)["data"]["length"] == 40


SLOW = json.dumps({"code": "import time\n\ndef f(x):\n    time.sleep(0.005)\n    return 1"})


@pytest.mark.parametrize(
    ("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_stopped_run_keeps_its_attempts_and_goes_on(
    invoke, executable, scripted, tmp_path, sign, status
):
    """Slow programs (each another one) hold the search up long enough to be stopped half way."""
    answers = [SLOW.replace("return 1", f"return {i} % 2") for i in range(2, 10)]
    arguments = (
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--attempts", 8),
        *("--out-dir", "out", *SMALL, *scripted(*answers)),
    )
    os.mkfifo(tmp_path / "log")
    running = subprocess.Popen(
        [str(executable), *map(str, arguments), "--log-file", "log"],
        **{"cwd": tmp_path, "stderr": subprocess.PIPE, "text": True},
    )
    with (tmp_path / "log").open() as log:
        for _ in range(2):
            assert json.loads(log.readline())["msg"] == "attempt"
        running.send_signal(sign)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == status
    if sign != signal.SIGKILL:
        assert "run the same command to resume" in errors
    journal = tmp_path / "out/attempts.jsonl"
    kept = journal.read_bytes()
    assert kept.count(b"\n") < 8
    done = invoke(*arguments)
    assert done.returncode == 0, done.stderr
    assert journal.read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    assert [one["attempt"]["index"] for one in lines(journal)] == list(range(1, 9))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--functions", "fn_z"), "fn_z"),
        (("--functions", "fn_h", "--lengths", 30), "fn_h"),
        (("--functions", "fn_a", "--lengths", 20, "--train-size", 7), "7"),
        (("--functions", "fn_a", "--lengths", 20, "--train-size", 0), "0"),
        (("--functions", "fn_g", "--lengths", 8), "8"),
        (("--functions", "fn_a", "--lengths", 20, "--attempts", 0), "--attempts"),
        (("--functions", "fn_a", "--lengths", 20, "--val-size", 0), "--val-size"),
        (("--functions", "fn_a", "--lengths", 20, "--seconds-per-call", "nan"), "seconds-per-call"),
        (("--functions", "fn_a", "--lengths", 20, "--memory-mb", 10**15), "--memory-mb"),
        (("--functions", "fn_a", "--lengths", 20, "--out-csv", "."), "--out-csv"),
        (
            ("--functions", "fn_a", "--lengths", 20, "--out-csv", "a", "--out-jsonl", "a"),
            "--out-csv",
        ),
        (("--functions", "fn_a", "--lengths", 20, "--log-file", "/dev/full/x"), "--log-file"),
        (("--functions", "fn_a", "--lengths", 20, "--memory-mb", 0), "--memory-mb"),
        (("--functions", "fn_a", "--lengths", 20, "--provider", "nobody"), "nobody"),
        (("--functions", "fn_a", "--lengths", 20, "--provider", "scripted"), "--answers"),
        (("--functions", "fn_a", "--lengths", 20, "--model", "missing.gguf"), "missing.gguf"),
        (("--functions", "fn_a", "--lengths", 20, "--model", "text.gguf"), "text.gguf"),
        (("--task-file", "missing.py"), "missing.py"),
        (("--task-file", "text.gguf"), "text.gguf"),
        (
            ("--functions", "fn_a", "--lengths", 20, "--dataset-dir", "/proc/no"),
            "choose another folder (--dataset-dir)",
        ),
        (("--functions", "fn_a", "--lengths", 20, "--out-dir", "text.gguf"), "text.gguf"),
        (("--functions", "fn_a", "--lengths", "long"), "long"),
        (("--no-such-flag",), "no-such-flag"),
    ],
)
def test_a_wrong_turn_is_one_sentence_and_exit_2(invoke, tmp_path, arguments, said):
    (tmp_path / "text.gguf").write_text("this is no model !")
    scripted = () if "--model" in arguments or "--provider" in arguments else (
        "--provider", "scripted", "--answers", tmp_path / "answers.json"
    )  # fmt: skip
    (tmp_path / "answers.json").write_text(json.dumps([RIGHT]))
    done = invoke("synthesize", *arguments, *scripted)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("**/attempts.jsonl")) or not any(
        path.stat().st_size for path in tmp_path.glob("**/attempts.jsonl")
    )


def test_changed_data_are_not_reported_with_old_results(invoke, scripted, tmp_path):
    arguments = (
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--out-dir", "out", "--json"),
        *(*SMALL, *scripted(RIGHT)),
    )
    assert invoke(*arguments).returncode == 0
    (path,) = tmp_path.glob("datasets/parity_all/L20/*/test.txt")
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line[:-1]}{1 - int(line[-1])}\n" for line in lines))
    again = invoke(*arguments)
    assert again.returncode == 2
    assert "(different: data)" in again.stderr


def test_an_answer_that_is_gone_is_named_and_asked_for_again(invoke, scripted, tmp_path):
    arguments = (
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--out-dir", "out"),
        *(*SMALL, *scripted(WRONG, RIGHT), "--out-csv", "all.csv"),
    )
    whole = invoke(*arguments)
    assert whole.returncode == 0
    path, table = tmp_path / "out/answers.jsonl", untimed(tmp_path / "all.csv")
    before = path.read_text()
    path.write_text(before.splitlines(keepends=True)[0])
    again = invoke(*arguments)
    assert (again.returncode, again.stdout) == (0, whole.stdout)
    assert "answers.jsonl lacks the answer to attempt 2 of fn_a L=20; the model" in again.stderr
    assert [line["answer"]["text"] for line in lines(path)] == [WRONG, RIGHT]
    assert untimed(tmp_path / "all.csv") == table
    assert "lacks" not in invoke(*arguments).stderr


def test_answers_and_errors_are_no_formulas_in_the_table(invoke, scripted, tmp_path):
    formula = '=HYPERLINK("http://127.0.0.1","x")'
    raising = f"class E(Exception): pass\nE.__name__ = {formula!r}\ndef f(x): raise E"
    answers = (formula, "-1", "\tx", "@a", "+a", f"+1\n```\n{raising}\n```", RIGHT)
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--attempts", len(answers)),
        *(*SMALL, *scripted(*answers), "--out-csv", "all.csv", "--out-jsonl", "all.jsonl"),
    )
    assert done.returncode == 0, done.stderr
    rows = untimed(tmp_path / "all.csv")
    assert [row["text"] for row in rows] == [*(f"'{text}" for text in answers[:-1]), RIGHT]
    assert rows[5]["error"] == f"'{formula}:"
    assert [line["text"] for line in lines(tmp_path / "all.jsonl")] == list(answers)


def untimed(path: Path) -> list[dict]:
    """The rows of a published table, without times."""
    with path.open(newline="") as file:
        return [row | {"duration_ms": "0"} for row in csv.DictReader(file)]


def test_the_log_goes_on_where_it_was(invoke, scripted, tmp_path):
    arguments = (
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--out-dir", "out"),
        *(*SMALL, *scripted(WRONG, RIGHT)),
    )
    log = tmp_path / "out/log.jsonl"
    assert invoke(*arguments).returncode == 0
    before = log.read_bytes()
    with log.open("ab") as file:
        file.write(b'{"level": "INFO", "ts"')  # cut off by a kill
    (tmp_path / "out/results.jsonl").write_text("")
    assert invoke(*arguments).returncode == 0
    assert log.read_bytes().startswith(before)
    assert [one["msg"] for one in lines(log)] == ["attempt", "attempt", *["search_finished"] * 2]
    assert invoke(*arguments, "--fresh").returncode == 0
    assert len(lines(log)) == 3


def test_a_dry_run_leaves_data_alone_even_where_they_should_be_drawn_anew(invoke, tmp_path):
    invoke("data", "--functions", "fn_a", "--lengths", 20, *SMALL)
    (path,) = tmp_path.glob("datasets/parity_all/L20/*/train.txt")
    path.write_text("mine")
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, *SMALL),
        *("--provider", "local", "--dry-run", "--fresh-data"),
    )
    assert done.returncode == 0, done.stderr
    assert path.read_text() == "mine"


def test_answers_without_a_provider_are_answers(invoke, scripted):
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--json", *SMALL),
        *scripted(RIGHT)[2:],
        OPENAI_API_KEY="sk-would-cost-money",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"].startswith("scripted:")


def test_a_program_too_slow_for_the_test_data_has_no_test_accuracy(invoke, scripted):
    slow = "import time\n\ndef f(x):\n    end = time.process_time() + 0.005\n"
    slow += "    while time.process_time() < end:\n        pass\n    return x.count('1') % 2"
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--attempts", 1, "--json"),
        *("--train-size", 20, "--val-size", 20, "--test-size", 200),
        *("--seconds-per-candidate", 0.6, *scripted(json.dumps({"code": slow}))),
    )
    result = json.loads(done.stdout)
    assert result["validation"]["accuracy"] == 1.0
    assert (result["test"]["status"], result["test"]["accuracy"]) == ("timeout", None)
    assert any("timeout" in notice for notice in result["notices"])


def test_a_program_cannot_speak_to_the_terminal(invoke, scripted):
    code = 'def f(x):\n    """\x1b]0;title\x07"""\n    y = 1\n    return y'
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, "--attempts", 1),
        *(*SMALL, *scripted(json.dumps({"code": code}))),
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout


def test_output_that_nobody_reads_is_no_traceback(executable, scripted, tmp_path):
    arguments = ("synthesize", "--functions", "fn_a", "--lengths", 20, *SMALL, *scripted(RIGHT))
    for target in ("| true", "> /dev/full"):
        line = " ".join([str(executable), *map(str, arguments), target])
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_the_output_is_said(executable, unbuffered):
    done = subprocess.run(
        ["bash", "-c", f"{executable} bound > /dev/full"],
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        **{"capture_output": True, "text": True, "timeout": 60},
    )
    *_, last = done.stderr.splitlines()  # after the sentence that goes with the table
    assert (done.returncode, last) == (2, "llm-erm: cannot print: No space left on device.")
    assert "Traceback" not in done.stderr


def test_closed_streams_are_no_traceback(executable):
    for words, status in (("doctor --json >&-", 0), ("bound --budget 0 2>&-", 2)):
        line = f"{executable} {words}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.parametrize("content", ["", "{}", "[1]", "[]", "nonsense"])
def test_answers_that_are_none_are_named(invoke, tmp_path, content):
    (tmp_path / "answers.json").write_text(content)
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20),
        *("--provider", "scripted", "--answers", "answers.json"),
    )
    assert done.returncode == 2
    assert "answers.json" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("line", ["0101 -> 2", "0101", "", "0101 => 1"])
def test_a_malformed_data_file_is_named_with_its_line(invoke, scripted, tmp_path, line):
    arguments = (
        *("synthesize", "--functions", "fn_a", "--lengths", 20),
        *(*SMALL, *scripted(RIGHT)),
    )
    assert invoke(*arguments).returncode == 0
    (path,) = tmp_path.glob("datasets/parity_all/L20/*/val.txt")
    lines = path.read_text().splitlines()
    lines[4] = line
    path.write_text("\n".join(lines) + "\n")
    done = invoke(*arguments, "--out-dir", "again")
    assert done.returncode == 2
    assert "val.txt" in done.stderr
    assert "5" in done.stderr


def test_a_program_too_deep_to_be_written_out_anew_is_shown_as_it_is(invoke, scripted):
    deep = "def f(x):\n    return (" + " + ".join(["x.count('1')"] * 401) + ") % 2"
    done = invoke(
        *("synthesize", "--functions", "fn_a", "--lengths", 20, *SMALL, "--out-dir", "out"),
        *scripted(json.dumps({"code": deep})),
    )
    assert done.returncode == 0, done.stderr
    assert "1 answer: " in done.stderr
