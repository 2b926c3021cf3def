"""`llm-erm tasks`, `data` and `verify`, from flags to what they print."""

import json

import pytest

from canary import CANARY

DATA = "".join(f"{i:04b} -> {bin(i).count('1') % 2}\n" for i in range(16))
VERIFY_KEYS = {"status", "correct", "invalid", "total", "accuracy", "cpu_seconds", "isolation"}


def test_tasks_lists_the_published_suite_first(invoke):
    done = invoke("tasks", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["function"] for row in rows] == [
        *(f"fn_{letter}" for letter in "abcdefghijkl"),
        "fn_v",
        "fn_aa",
        *(f"fn_{letter}" for letter in "mnopq"),
    ]
    assert rows[7]["lengths"] == [100, 80, 60, 40, 20]
    assert all(row["computes"] for row in rows)


def test_tasks_as_a_table_names_each(invoke):
    done = invoke("tasks")
    assert done.returncode == 0
    assert "palindrome" in done.stdout
    assert "fn_aa" in done.stdout


def test_data_prints_where_the_files_are(invoke, tmp_path):
    done = invoke("data", "--functions", "fn_a", "--lengths", 50)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.strip()
    assert {path.name for path in folder.iterdir()} == {
        *("train.txt", "val.txt", "test.txt", "meta.json")
    }
    assert len((folder / "test.txt").read_text().splitlines()) == 10_000
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["sizes"] == {"train": 100, "val": 100, "test": 10_000}


@pytest.fixture
def verify(invoke, tmp_path):
    def run(program: str, data: str = DATA, *flags):
        (tmp_path / "program.py").write_text(program)
        (tmp_path / "data.txt").write_text(data)
        return invoke("verify", "program.py", "data.txt", *flags)

    return run


def test_verify_counts_right_and_invalid_predictions(verify):
    program = "def f(x):\n    return x.count('1') % 2 if x != '0000' else None"
    done = verify(program, DATA, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result.keys() >= VERIFY_KEYS
    assert (result["status"], result["correct"], result["invalid"], result["total"]) == (
        *("ok", 15, 1, 16),
    )
    assert result["accuracy"] == 15 / 16


def test_a_program_that_raises_on_every_input_is_not_ok(verify):
    done = verify("def f(x):\n    raise ValueError('no ' + x[4])", DATA, "--json")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert (result["status"], result["invalid"], result["total"]) == ("no_predictions", 16, 16)
    assert "IndexError" in result["message"]
    said = verify("def f(x):\n    return 7", DATA).stdout
    assert said.splitlines()[1].startswith("no_predictions\t")


def test_verify_says_how_many_inputs_have_no_label(verify):
    done = verify("def f(x):\n    return int(x[0]) or None", DATA)
    assert done.returncode == 0
    assert "no label for 8 of 16 inputs; they count as wrong" in done.stderr
    assert "no label" not in verify("def f(x):\n    return 1", DATA).stderr


@pytest.mark.parametrize(
    ("result", "correct", "message"),
    [
        ("float(x.count('1') % 2)", 16, None),
        ("__import__('decimal').Decimal(x.count('1') % 2)", 16, None),
        ("__import__('numpy').array([x.count('1') % 2])", 16, None),
        ("__import__('sympy').Integer(x.count('1') % 2) > 0", 16, None),
        ("str(x.count('1') % 2)", 16, None),
        ("[x.count('1') % 2][:]", 0, "returned ["),
        ("x.count('1') % 2 + 0.25", 0, "returned "),
    ],
)
def test_verify_takes_what_equals_a_label_for_it(verify, result, correct, message):
    said = json.loads(verify(f"def f(x):\n    return {result}", DATA, "--json").stdout)
    assert said["correct"] == correct
    if message is None:
        assert said["message"] is None
    else:
        assert said["message"].startswith(message)
        assert said["message"].endswith(", which is no label")


def test_verify_runs_inputs_alone_and_says_how_many(verify):
    done = verify("def f(x):\n    return 1", DATA, "--json")
    assert json.loads(done.stdout)["alone"] == 16
    more = "".join(f"{i:011b} -> {i % 2}\n" for i in range(1100))
    done = verify("def f(x):\n    return 1", more, "--json")
    result = json.loads(done.stdout)
    assert (result["alone"], result["correct"], result["total"]) == (1000, 550, 1100)


def test_verify_finds_a_program_that_counts_its_inputs(verify):
    source = (
        "calls = 0\n\ndef f(x):\n    global calls\n    calls += 1\n    return int(calls > 512)\n"
    )
    more = "".join(f"{i:011b} -> {i % 2}\n" for i in range(1100))
    done = verify(source, more, "--json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert (result["status"], result["alone"]) == ("nondeterministic", None)


def test_verify_without_json_prints_the_same_facts(verify):
    done = verify("def f(x):\n    return 1")
    names, values = (line.split("\t") for line in done.stdout.splitlines())
    assert dict(zip(names, values, strict=True))["accuracy"] == "0.5"


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("def f(x) return 1", "syntax_error"),
        ("x = 1", "no_function"),
        ("import no_such_module\n\ndef f(x):\n    return 1", "load_error"),
        ("def f(x):\n    while True:\n        pass", "timeout"),
        ("def f(x):\n    return len([0] * 10**10)", "memory"),
    ],
)
def test_a_failing_candidate_is_exit_1_with_its_status(verify, program, status):
    done = verify(program, DATA, "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["status"] == status


@pytest.mark.parametrize("data", ["", "0101\n", "0101 -> 2\n", "0101 -> 1\n\n0110 -> 0\n"])
def test_verify_names_the_file_and_line_of_bad_data(verify, data):
    done = verify("def f(x):\n    return 1", data)
    assert done.returncode == 2
    assert "data.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_names_a_missing_file(invoke):
    done = invoke("verify", "nowhere.py", "nothing.txt")
    assert done.returncode == 2
    assert "nowhere.py" in done.stderr


def test_doctor_shows_the_isolation_and_the_models_at_hand(invoke):
    keys = {"ANTHROPIC_API_KEY": CANARY, "GEMINI_API_KEY": ""}
    done = invoke("doctor", "--json", **keys)
    found = json.loads(done.stdout)
    assert found["ANTHROPIC_API_KEY"]["state"] == "set"
    assert found["GEMINI_API_KEY"]["state"] == "not set"
    assert CANARY not in done.stdout
    assert found["isolation"]["state"] in ("strong", "standard", "basic")
    assert found["embedded model"]["state"] == "installed"
    assert done.returncode == 0
    assert "isolation" in invoke("doctor").stdout


def test_doctor_says_how_to_install_what_an_extra_lacks(invoke, monkeypatch):
    without = {"xgboost", "gplearn"}
    monkeypatch.setattr("llm_erm.cli.doctor.find_spec", lambda name: None if name in without else 1)
    monkeypatch.setattr("llm_erm.cli.doctor._isolation", lambda: ("strong", ()))
    found = json.loads(invoke("doctor", "--json").stdout)
    assert found["classical learners"] == {
        "state": "missing",
        "missing": "no xgboost and gplearn; run: pip install 'llm-erm[baselines]'",
    }
    assert found["enumeration"] == {"state": "installed", "missing": ""}
