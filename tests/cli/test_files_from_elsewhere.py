"""Files as editors and systems write them are read right, or refused with the reason."""

import json

import pytest

BOM = "\ufeff"
DATA = "0001 -> 1\n0011 -> 0\n0111 -> 1\n"
PARITY = "def f(x):\n    return int(x, 2).bit_count() % 2\n"


@pytest.fixture
def verify(invoke, tmp_path):
    """Runs the command on files with exactly this content."""

    def run(program: str | bytes, data: str | bytes):
        for name, content in (("program.py", program), ("data.txt", data)):
            content = content.encode() if isinstance(content, str) else content
            (tmp_path / name).write_bytes(content)
        return invoke("verify", "program.py", "data.txt", "--json")

    return run


@pytest.mark.parametrize(
    "data",
    [
        BOM + DATA,
        DATA.replace("\n", "\r\n"),
        DATA.replace("\n", "\r"),
        DATA.replace("\n", "\r").removesuffix("\r"),
        BOM + DATA.replace("\n", "\r\n"),
        BOM + DATA.replace("\n", "\r"),
        DATA.replace("\n", "\r\n", 1),
        DATA.replace("\n", "\r", 1),
        DATA.replace("\n", f"\n{BOM}", 1),
        BOM + DATA.removesuffix("\n"),
    ],
)
def test_data_are_the_same_whatever_their_marks_and_line_ends(verify, data):
    done = verify(PARITY, data)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["correct"], result["total"], result["message"]) == (3, 3, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DATA.encode("utf-16"), "line 1: not valid UTF-8 but UTF-16; the file needs lines"),
        (b"\xfe\xff" + DATA.encode("utf-16-be"), "not valid UTF-8 but UTF-16"),
        (b"01\xff -> 1\n", "line 1: not valid UTF-8; the file needs lines"),
        (b"01 -> 1\r01 1\r", "line 2: '01 1' is not of the form"),
        (b"01 -> 1\r\n\r\n01 -> 1", "line 2: '' is not of the form"),
        (BOM.encode(), "is empty"),
        (b"\r\n", "is empty"),
    ],
)
def test_data_that_cannot_be_read_are_refused_by_the_line(verify, data, reason):
    done = verify(PARITY, data)
    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.parametrize(
    "program",
    [
        BOM + PARITY,
        PARITY.replace("\n", "\r\n"),
        PARITY.replace("\n", "\r"),
        BOM + PARITY.replace("\n", "\r\n"),
        "import re; import zoneinfo\ndef f(x):\n    return len(re.findall('1', x)) % 2\n",
        "def f(x): import bz2; return x.count('1') % 2\n",
        "if True: import textwrap as t, bisect\ndef f(x):\n    return len(t.dedent(x)) and "
        "x.count('1') % 2\n",
        "def f(x):\n    r = __import__('colorsys'); return x.count('1') % 2\n",
        "exec('from fractions import Fraction')\ndef f(x): return Fraction(x.count('1') % 2)\n",
        "def f(x): return int(x, 2).bit_count() % 2",
    ],
)
def test_a_program_is_the_same_whatever_its_marks_line_ends_and_imports(verify, program):
    done = verify(program, DATA)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["accuracy"] == 1.0


def test_a_program_in_utf_16_is_refused(verify):
    done = verify(PARITY.encode("utf-16"), DATA)
    assert done.returncode == 2
    assert "program.py is not UTF-8 text" in done.stderr


TASK = """
lengths = (12,)

def rule(x):
    return int(x[0] == "1")

def sample(rng, length):
    return "".join(rng.choice(["0", "1"], size=length))
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_answers_and_task_files_may_begin_with_a_byte_order_mark(invoke, tmp_path, line_end):
    (tmp_path / "task.py").write_bytes((BOM + TASK.replace("\n", line_end)).encode())
    answers = json.dumps(["def f(x):\n    return int(x[0])"], indent=1)
    (tmp_path / "answers.json").write_bytes((BOM + answers.replace("\n", line_end)).encode())
    done = invoke(
        *("synthesize", "--task-file", "task.py", "--provider", "scripted", "--json"),
        *("--answers", "answers.json", "--attempts", 1, "--train-size", 10, "--val-size", 10),
        *("--test-size", 20),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["test"]["accuracy"] == 1.0


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_sweep_may_begin_with_a_byte_order_mark(invoke, tmp_path, line_end):
    pytest.importorskip("yaml")
    text = (
        "experiment_name: searches\nresults_root: results\ncommand: synthesize\n"
        "base_args: {provider: scripted, answers: answers.json, lengths: [20], train_size: 20,\n"
        "            val_size: 20, test_size: 40, attempts: 1}\n"
        "grid:\n  functions: [fn_a]\n"
    )
    (tmp_path / "answers.json").write_text(json.dumps([PARITY]))
    (tmp_path / "grid.yaml").write_bytes((BOM + text.replace("\n", line_end)).encode())
    done = invoke("sweep", "grid.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["test"]["accuracy"] == 1.0


@pytest.mark.parametrize("odd", ["0\r1", "\ufeff01"])
def test_an_input_that_no_data_file_keeps_is_refused_when_it_is_drawn(invoke, tmp_path, odd):
    (tmp_path / "task.py").write_text(
        f"lengths = (2,)\ndef rule(x): return 1\ndef sample(rng, length): return {odd!r}\n"
    )
    done = invoke("data", "--task-file", "task.py")
    assert done.returncode == 2
    assert "must not contain a carriage return or begin with a byte-order mark" in " ".join(
        done.stderr.split()
    )
