import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest

pytest.importorskip("numba")

from kills import in_session, left_over
from llm_erm.cli.main import main
from llm_erm.rulelists.stored import read_rule
from llm_erm.tables.reading import load
from regenerate_screens import customers


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "customers.csv").write_text(customers())


def fit(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["fit", "customers.csv", *words])
    return stopped.value.code


def test_rule_is_printed_with_its_rows_and_written(table, capsys):
    assert fit("--target", "churned", "--max-conditions", "3", "--out", "rule.json") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["line", "rule", "gives", "rows", "right"]
    assert sum(int(line[3]) for line in lines[1:]) == 200
    learned = read_rule(Path("rule.json"))
    data = load("customers.csv", "churned")
    assert [line[1].removeprefix("ELSE ").removeprefix("IF ") for line in lines[1:-1]] == [
        str(line) for line in learned.rule.lines
    ]
    assert set(data.row_numbers[learned.rule.predict(data.table) != data.labels]) == set(
        learned.wrong
    )


def test_a_rule_is_written_into_a_folder_that_is_made_and_never_over_its_data(table, capsys):
    words = ("--target", "churned", "--max-conditions", "1", "--out")
    assert fit(*words, "new/folder/rule.json") == 0
    assert read_rule(Path("new/folder/rule.json")).learned_rows == 200
    for out, told in (
        ("customers.csv", "customers.csv is what is read; name another file (--out)."),
        ("customers.csv/x.json", "customers.csv is a file, not a folder; name another place"),
        ("new", "--out is new, a folder; name a file."),
    ):
        capsys.readouterr()
        with patch("llm_erm.rulelists.learn.learn", side_effect=AssertionError):  # it takes long
            assert fit(*words, out) == 2
        assert told in " ".join(capsys.readouterr().err.split())
    assert Path("customers.csv").read_text() == customers()


def test_a_command_that_is_refused_leaves_no_folder(table, capsys):
    assert fit("--target", "nope", "--out", "new/folder/rule.json") == 2
    assert not Path("new").exists()
    with patch("llm_erm.rulelists.learn.learn", side_effect=KeyboardInterrupt):
        assert fit("--target", "churned", "--out", "new/folder/rule.json") == 130
    assert not Path("new").exists()


@pytest.mark.parametrize(
    "flags",
    [
        ("--answered", "mine"),
        ("--answers", "mine"),
        ("--provider", "local", "--model", "mine"),
        ("--model", "local:mine"),
        ("--answers", "others", "--describe", "mine"),
    ],
    ids=" ".join,
)
def test_no_rule_takes_the_place_of_a_file_that_flags_name(table, capsys, flags):
    text = "row,churned\n3,yes\n"
    Path("mine").write_text(text)
    with patch("llm_erm.cli.fit.load", side_effect=AssertionError):  # nothing is read before
        assert fit("--target", "churned", *flags, "--out", "mine") == 2
    assert "mine is what is read; name another file (--out)." in capsys.readouterr().err
    assert Path("mine").read_text() == text


def test_json_holds_rule_and_evidence(table, capsys):
    assert fit("--target", "churned", "--max-conditions", "2", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["learned_rows"] == found["check"]["learned_rows"] + found["check"]["rows"] == 200
    assert [size["conditions"] for size in found["sizes"]] == [0, 1, 2]
    assert 0 < found["check"]["error_at_most"] < found["error_at_most"] < 0.4


def test_bounds_say_which_rule_they_are_about(table, capsys):
    assert fit("--target", "churned", "--max-conditions", "2") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "Bound: this rule errs on at most" in told
    assert "Checked: learned from 134 rows only, a rule of up to this size got" in told
    assert fit("--target", "churned", "--max-conditions", "2", "--keep-checked") == 0
    printed = capsys.readouterr()
    assert sum(int(line.split("\t")[3]) for line in printed.out.splitlines()[1:]) == 134
    assert "Checked: it got" in printed.err
    assert "Bound:" not in printed.err


def test_finds_of_a_class_are_counted(table, capsys):
    words = ("--target", "churned", "--max-conditions", "2")
    assert fit(*words, "--json") == 0
    (no, false), (missed, right) = json.loads(capsys.readouterr().out)["check"]["confusion"]
    assert no + false + missed + right == 66
    assert fit(*words, "--positive", "yes") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"yes: {right} of {missed + right} rows checked that are yes found" in told
    assert f"{right} of {right + false} that it calls yes are" in told


def test_rule_no_better_than_a_rival_is_said_to_be(table, capsys):
    assert fit("--target", "churned", "--max-conditions", "0") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(r"On those rows, the rule does no better than .*depth-3 tree", told)


def test_proof_that_was_not_finished_is_not_claimed(table, capsys):
    assert fit("--target", "churned", "--max-conditions", "3", "--looks", "0") == 0
    told = capsys.readouterr().err
    assert "the search was cut short" in told
    assert "(proved)" not in told


def test_dependent_rows_get_no_bound_and_the_reason(table, capsys):
    assert fit("--target", "churned", "--max-conditions", "1", "--dependent") == 0
    told = capsys.readouterr().err
    assert "no bound for new rows: the rows are not independent draws" in " ".join(told.split())
    assert "at most" not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--target", "churn"), "did you mean"),
        (("--target", "tenure"), "number to predict"),
        (("--target", "churned", "--cost", "yes:no"), "TRUE:GIVEN=N"),
        (("--target", "churned", "--cost", "yes:perhaps=2"), "'perhaps'"),
        (("--target", "churned", "--checked", "1"), "below 1"),
        (("--target", "churned", "--positive", "maybe"), "no and yes"),
        (("--target", "churned", "--positive", "yes", "--json"), "which --json leaves out"),
        (("--target", "churned", "--confidence", "95"), "below 1"),
        (("--target", "churned", "--max-conditions", "99"), "0 to 12"),
        (("--target", "churned", "--out", "/dev/null/rule.json"), "/dev/null/rule.json"),
        ((), "--target is missing"),
    ],
)
def test_wrong_words_are_answered_by_one_sentence(table, capsys, words, told):
    assert fit(*words) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert not printed.out


@pytest.mark.parametrize(
    ("interrupted", "told"),
    [
        ("llm_erm.cli.fit.load", ""),
        ("llm_erm.rulelists.learn.learn", " There is no rule yet."),
        ("llm_erm.cli.fit.rival_accuracies", " The rule is in rule.json."),
    ],
)
def test_what_is_kept_is_said_when_it_is_stopped(table, capsys, terminate, interrupted, told):
    words = ("--target", "churned", "--max-conditions", "1", "--out", "rule.json")
    for stop, status in ((KeyboardInterrupt, 130), (terminate, 143)):
        with patch(interrupted, side_effect=stop):
            assert fit(*words) == status
        assert Path("rule.json").exists() == told.endswith("rule.json.")
        assert capsys.readouterr().err.endswith(f"llm-erm: Stopped.{told}\n")


def test_json_is_the_same_from_processes(table, capsys):
    words = ("--target", "churned", "--max-conditions", "2", "--looks", "100000", "--json")
    assert fit(*words) == 0
    here = capsys.readouterr().out
    with patch("llm_erm.rulelists.parts.pool_of", side_effect=AssertionError):  # not in this one
        assert fit(*words, "--executor", "processes", "--workers", "2") == 0
    assert capsys.readouterr().out == here


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--workers 2", "--workers applies only to --executor processes; omit it."),
        ("--executor processes --workers 0", "The number of workers is 0; give 1 or more"),
        ("--executor processes --ray-address auto", "--ray-address is for --executor ray"),
        ("--job-memory-mb 100", "--job-memory-mb is for --executor ray; add that, or omit it."),
        ("--executor ray --job-cpus 0", "A job cannot take 0 CPUs; give 0.001 or more"),
        ("--executor ray --job-gpus 1", "--job-gpus"),
    ],
)
def test_where_it_cannot_search_is_said_before_the_table_is_read(table, capsys, words, told):
    with patch("llm_erm.cli.fit.load", side_effect=AssertionError):
        assert fit("--target", "churned", *words.split()) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("began", [0, 2], ids=["while processes start", "while they search"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_processes_end_with_the_command(table, executable, number, status, began):
    """A search that would take days; a process of the pool has computed for so many seconds."""
    words = "fit customers.csv --target churned --looks 1000000000000000 --max-conditions 12"
    words += " --executor processes --workers 2"
    with subprocess.Popen(
        [str(executable), *words.split()], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as command:
        while sum(seconds >= began for seconds in computed_by(command.pid).values()) < 2:
            assert command.poll() is None
            time.sleep(0.01)
        if number == signal.SIGINT:  # from a terminal, which sends it to all
            os.killpg(command.pid, number)
        else:
            command.send_signal(number)
        _, said = command.communicate()
    assert command.returncode == status
    assert said.endswith("llm-erm: Stopped. There is no rule yet.\n")
    assert "Traceback" not in said
    assert left_over(command.pid) == []


def computed_by(session: int) -> dict[int, float]:
    """CPU seconds of the processes of a session that a pool started."""
    found = {}
    for pid in in_session(session):
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                found[pid] = int(times[11]) / os.sysconf("SC_CLK_TCK")
    return found


def test_missing_library_is_named(table, capsys):
    with patch.dict(sys.modules, {"numba": None}):
        assert fit("--target", "churned") == 2
    assert "pip install 'llm-erm[tables]'" in capsys.readouterr().err
