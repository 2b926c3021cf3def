"""A key reaches no file and no output, wherever it comes from; every test here also searches."""

import base64
import json
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from api_server import Reply, serving
from canary import CANARY, leaks
from llm_erm.cli.commands import METHODS, command, flags_of
from llm_erm.cli.keys import _KEYS
from llm_erm.cli.text import say_json
from llm_erm.errors import InputError
from llm_erm.incontext.server import ServerEngine
from llm_erm.llms.providers import key_variables
from llm_erm.secrets import _FLAG, keep_secret, without_keys
from recorded import chat
from responses_server import error, interpreter_call, refusal, response, text

SMALL = ("--functions", "fn_a", "--lengths", 20, "--train-size", 20, "--val-size", 20)
FORMS = {
    "as it is": CANARY,
    "header": f"Authorization: Bearer {CANARY}",
    "Basic": "Basic " + base64.b64encode(f"user:{CANARY}".encode()).decode(),
    "quoted": quote(CANARY.replace("-", "/"), safe=""),
}
PROGRAM = f'def f(x):\n    """{CANARY}"""\n    key = {CANARY!r}\n    return x.count("1") % 2'


def search(folder: Path, *printed: str) -> None:
    """Fails if the key, or its Basic form, is printed or anywhere in a folder."""
    assert leaks(folder) == []
    core = base64.b64encode(f"user:{CANARY}".encode()).decode()[8:-4]
    everything = [path.read_text("latin-1") for path in folder.rglob("*") if path.is_file()]
    assert not [one for one in (*printed, *everything) if core in one]


@pytest.mark.parametrize("form", ["as it is", "header", "Basic"])
def test_a_key_in_an_answer_is_nowhere(invoke, tmp_path, form):
    key = FORMS[form]
    program = json.dumps({"code": PROGRAM.replace(CANARY, key)})
    replies = [
        response([text(f"I was asked with {key}.")]),
        response([refusal(f"No: {key}")]),
        response([interpreter_call(f"print({key!r})", f"{key}\n"), text(f"{key}\n{program}")]),
    ]
    with serving(lambda call: Reply(replies[call.number])) as api:
        done = invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1", *SMALL),
            *("--test-size", 40, "--attempts", 3, "--enable-code-interpreter"),
            *("--out-dir", "out", "--out-csv", "a.csv", "--out-jsonl", "a.jsonl"),
            OPENAI_API_KEY=CANARY,
        )
    assert done.returncode == 0, done.stderr
    assert api.calls[0].headers["authorization"] == f"Bearer {CANARY}"
    search(tmp_path, done.stdout, done.stderr)
    answers = (tmp_path / "out/answers.jsonl").read_text()
    assert answers.count("***") >= 6
    (written,) = (tmp_path / "out/programs").iterdir()
    assert "***" in written.read_text()
    assert "100.0%" in done.stdout, "the program is otherwise the model's"


def test_a_key_in_the_code_of_a_tool_is_not_run(invoke, tmp_path):
    code = f"print({CANARY!r}[::-1])"

    def answer(call):
        if any("output" in item for item in call.body["input"]):
            return Reply(response([text("No idea.")]))
        use = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed"}
        name = call.body["tools"][0]["name"]
        return Reply(response([use | {"name": name, "arguments": json.dumps({"code": code})}]))

    with serving(answer) as api:
        done = invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1", *SMALL),
            *("--test-size", 40, "--attempts", 1, "--code-tool", "local", "--out-dir", "out"),
            OPENAI_API_KEY=CANARY,
        )
    assert done.returncode == 0, done.stderr
    search(tmp_path, done.stdout, done.stderr)
    answers = (tmp_path / "out/answers.jsonl").read_text()
    assert CANARY[::-1] not in answers
    assert '"output": "***\\n"' in answers
    assert done.stderr.count("contained a key") == 1


@pytest.mark.parametrize("form", ["as it is", "header", "Basic"])
def test_a_key_in_an_answer_of_in_context_learning_is_nowhere(invoke, tmp_path, form):
    with serving(lambda _: Reply(chat(f'{FORMS[form]}: {{"label": "1"}}'))) as api:
        done = invoke(
            *("incontext", "--model", "m", "--base-url", f"{api.url}/v1", "--functions", "fn_a"),
            *("--lengths", 8, "--train-size", 16, "--test-size", 4, "--test-split-size", 40),
            *("--shots", 4, "--answer", "generate", "--out-dir", "out"),
            *("--out-csv", "a.csv", "--out-jsonl", "a.jsonl"),
            OPENAI_API_KEY=CANARY,
        )
    assert done.returncode == 0, done.stderr
    search(tmp_path, done.stdout, done.stderr)
    assert (tmp_path / "out/answers.jsonl").read_text().count("***") == 4
    assert "***" in (tmp_path / "a.jsonl").read_text()


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
@pytest.mark.parametrize("track", ["synthesize", "incontext"])
def test_a_key_in_an_error_of_a_server_is_not_printed(invoke, tmp_path, status, track):
    told = error(f"The key {CANARY} and the header Authorization: Bearer abc fail.", "no")
    sizes = ("--test-size", 4)
    more = ("--provider", "openai", "--attempts", 1) if track == "synthesize" else ("--shots", 4)
    with serving(lambda _: Reply(told, status)) as api:
        done = invoke(
            *(track, "--model", "m", "--base-url", f"{api.url}/v1", *SMALL, *sizes, *more),
            *("--retries", 0, "--out-dir", "out"),
            OPENAI_API_KEY=CANARY,
        )
    said = done.stderr + "".join(path.read_text() for path in tmp_path.rglob("*.jsonl"))
    assert "The key *** and the header Authorization: *** fail" in said
    search(tmp_path, done.stdout, done.stderr)


@pytest.mark.parametrize("key", [CANARY[:9] + "\n" + CANARY[9:], CANARY + "\nmore-of-it", "é" * 9])
@pytest.mark.parametrize("track", ["synthesize", "incontext"])
def test_a_key_with_a_line_end_or_an_accent_is_refused_but_not_shown(invoke, tmp_path, key, track):
    address = ("--model", "m", "--base-url", "http://127.0.0.1:9/v1")
    more = ("--provider", "openai") if track == "synthesize" else ()
    done = invoke(track, *address, *more, *SMALL, "--out-dir", "out", OPENAI_API_KEY=key)
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr and "no key has" in done.stderr
    assert not [part for part in key.split("\n") if part in done.stderr]


ADDRESSES = [
    "http://user:{}@127.0.0.1:9/v1",
    "http://{}@127.0.0.1:9/v1",
    "http://127.0.0.1:9/v1?token={}",
    "http://127.0.0.1:9/v1#{}",
    "ftp://user:{}@127.0.0.1/v1",
    "http:/user:{}@127.0.0.1/v1",
    "user:{}@127.0.0.1:9/v1",
    "http://user:{}@127.0.0.1:99999/v1",
    "http://user:{}@/v1",
    " http://user:{}@127.0.0.1:9/ v1",
]


@pytest.mark.parametrize("secret", [CANARY, "pw"])
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("track", ["synthesize", "incontext"])
def test_a_password_in_an_address_is_refused_but_not_shown(
    invoke, tmp_path, track, address, secret
):
    url = address.format(secret)
    flags = ("--provider", "chat") if track == "synthesize" else ()
    done = invoke(track, *flags, "--model", "m", "--base-url", url, *SMALL, "--out-dir", "out")
    assert done.returncode == 2
    assert "The API address" in done.stderr
    assert secret not in done.stderr.replace("user name, a query", "")
    if track == "synthesize":
        done = invoke(track, *flags, "--model", "m", *SMALL, OPENAI_BASE_URL=url)
        assert done.returncode == 2
        assert secret not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_engine_made_in_python_refuses_it_too(address):
    with pytest.raises(InputError, match="The API address") as refused:
        ServerEngine("m", address.format(CANARY), "k")
    assert CANARY not in str(refused.value)
    with pytest.raises(InputError, match="no key has") as refused:
        ServerEngine("m", "http://127.0.0.1:9/v1", f"{CANARY}\n")
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "flag", [("--api-key", CANARY), (f"--api-key={CANARY}",), ("--openai-api-key", CANARY)]
)
def test_a_key_as_a_flag_is_refused_but_not_shown(invoke, flag):
    for words in (("synthesize", *flag), ("tasks", *flag), flag, ("no-such-command", *flag)):
        done = invoke(*words)
        assert done.returncode == 2
        assert CANARY not in done.stdout + done.stderr
    assert without_keys(("--api-key", "x", "--json")) == ["--api-key", "***", "--json"]
    assert without_keys(("--api-key=x",)) == ["--api-key=***"]


def test_no_flag_is_taken_for_a_key():
    pytest.importorskip("torch")
    for name in METHODS:
        for field in flags_of(command(name)).__dataclass_fields__:
            assert not _FLAG.fullmatch("--" + field.replace("_", "-")), field


def test_all_variables_of_the_providers_are_known_by_their_names():
    assert all(_KEYS.search(name) for name in key_variables())


@pytest.mark.parametrize(
    "place", ["base_args: {api_key: KEY}", "grid: {api_key: [KEY]}", "base_args: [KEY"]
)
def test_a_key_in_the_file_of_a_sweep_is_not_shown(invoke, tmp_path, place):
    parts = {"experiment_name: e", "results_root: r", "command: synthesize", place}
    parts |= {"base_args: {}"} if "base_args" not in place else set()
    parts |= {"grid: {lengths: [20]}"} if "grid" not in place else set()
    file = tmp_path.parent / f"{tmp_path.name}.yaml"
    file.write_text("\n".join(sorted(parts)).replace("KEY", CANARY))
    done = invoke("sweep", file)
    file.unlink()
    assert done.returncode == 2
    assert CANARY not in done.stdout + done.stderr


BUG = """
import os
from llm_erm.cli import tasks
def fail(*_):
    key = os.environ["OPENAI_API_KEY"]
    raise RuntimeError("\\x1b[2J the server said " + key)
tasks.load_task_file = fail
from llm_erm.cli.main import main
main(["tasks", "--task-file", "x.py"])
"""


def test_a_traceback_shows_no_key_and_controls_no_terminal(tmp_path, executable):
    (tmp_path / "bug.py").write_text(BUG)
    done = subprocess.run(
        [executable.with_name("python"), tmp_path / "bug.py"],
        env=os.environ | {"OPENAI_API_KEY": CANARY},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "RuntimeError: \N{REPLACEMENT CHARACTER}[2J the server said ***" in done.stderr


HOSTILE = "a\x1b[2J\x00\x07\x7f\x9b31m\u202eb\u2028c\u2066d\ud800"


def clean(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in text)


def test_the_prompts_of_a_dry_run_cannot_control_the_terminal(invoke, tmp_path):
    assert invoke("data", *SMALL, "--test-size", 40).returncode == 0
    path = next(tmp_path.glob("datasets/parity_all/L20/*/train.txt"))
    rows = path.read_text().splitlines()
    rows[0] = "0\x1b[2J\x00\x9b1\u202e" + rows[0][6:]
    path.write_text("\n".join(rows) + "\n")
    for track in ("synthesize", "incontext"):
        more = ("--provider", "local") if track == "synthesize" else ("--shots", 4)
        done = invoke(track, *SMALL, *more, "--test-size", 40, "--dry-run")
        assert clean(done.stdout) and clean(done.stderr), (done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("tasks", "--task-file", "a\x1b[2J\u202e.py"),
        ("verify", "a\x1b[2J\u202e.py", "b"),
        ("synthesize", "--no-such-\x1b[2J\u202e", "x"),
        ("synthesize", "--attempts", "\x1b[2J\u202e"),
        ("\x1b[2J\u202e",),
        ("sweep", "a\x1b[2J\u202e.yaml"),
        ("compare", "a\x1b[2J\u202e"),
        ("data", *SMALL, "--dataset-dir", "a\x1b[2J\u202e"),
    ],
)
def test_what_the_user_types_cannot_control_the_terminal(invoke, words):
    done = invoke(*words)
    assert clean(done.stdout) and clean(done.stderr), (done.stdout, done.stderr)
    assert done.stdout + done.stderr


TASK = """
def rule(x): return int(x[0])
def sample(rng, length): return "".join(map(str, rng.randint(2, size=length)))
lengths = (4,)
"""


def test_a_task_of_a_file_cannot_control_the_terminal(invoke, tmp_path):
    (tmp_path / "task.py").write_text(TASK + f"description = {HOSTILE!a}\n")
    done = invoke("tasks", "--task-file", "task.py")
    assert done.returncode == 0, done.stderr
    assert clean(done.stdout) and clean(done.stderr), (done.stdout, done.stderr)


def test_printing_is_done_in_one_place():
    """``ruff`` rejects ``print`` elsewhere; writing to a stream would be another way."""
    folder = Path(__file__).parents[2] / "src/llm_erm/cli"
    writing = re.compile(r"sys\.std(out|err)\.write|\.print\(|file=sys\.std")
    found = {path.name for path in folder.glob("*.py") if writing.search(path.read_text())}
    assert found == {"progress.py", "text.py"}  # the bars show printable text alone


LIKE_SECRETS = '''def f(x):
    """The rule of "https://oeis.org/search?q=1", see https://oeis.org/search?q=1
    or http://a.org
    @cache, or Bearer 123456789."""
    authorization = x[0]
    api_key: str = "http://a@b"
    return x.count("1") % 2'''


def test_a_program_is_printed_as_it_was_verified_whatever_it_looks_like(invoke, tmp_path):
    answer = response([text(json.dumps({"code": LIKE_SECRETS}))])
    with serving(lambda _: Reply(answer)) as api:
        done = invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1", *SMALL),
            *("--test-size", 40, "--attempts", 1, "--out-dir", "out", "--json"),
            OPENAI_API_KEY=CANARY,
        )
    assert done.returncode == 0, done.stderr
    verified = json.loads((tmp_path / "out/results.jsonl").read_text().splitlines()[0])
    assert json.loads(done.stdout)["program"] == LIKE_SECRETS
    assert verified["program"] == LIKE_SECRETS
    replay = ("synthesize", "--provider", "replay", "--from", "out", "--out-dir")
    done = invoke(*replay, "again", "--json")
    assert json.loads(done.stdout)["program"] == LIKE_SECRETS
    shown = invoke(*replay, "shown").stdout
    assert "***" not in shown
    assert "authorization = x[0]" in " ".join(shown.split())


def test_a_task_is_printed_as_its_file_describes_it(invoke, tmp_path):
    computes = 'the "rule" of "https://oeis.org/search?q=1"'
    (tmp_path / "task.py").write_text(TASK + f"description = {computes!r}\n")
    done = invoke("tasks", "--task-file", "task.py", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["computes"] == computes
    assert computes in invoke("tasks", "--task-file", "task.py").stdout


def test_every_record_is_printed_as_json_in_one_way():
    """Text that is already JSON must pass no rule for messages; two modules write it to files."""
    folder = Path(__file__).parents[2] / "src/llm_erm/cli"
    assert not [
        path
        for path in folder.glob("*.py")
        if "json.dumps" in path.read_text() and path.name not in ("log.py", "benchmark_tasks.py")
    ]


def test_a_key_is_hidden_within_json(capsys):
    keep_secret('sk-in-"json"-\\-83')
    say_json({'sk-in-"json"-\\-83': ['a sk-in-"json"-\\-83', 1, None], "b": "http://u:p@h?q=1"})
    assert json.loads(capsys.readouterr().out) == {
        "***": ["a ***", 1, None],
        "b": "http://u:p@h?q=1",
    }


@pytest.mark.parametrize(
    ("folder", "environment"),
    [("exp:/a@b", {}), ("runs-synthetic-x-1", {"DB_PASSWORD": "synthetic-x"})],
)
def test_a_command_line_is_obeyed_as_it_was_typed(invoke, tmp_path, folder, environment):
    done = invoke(
        *("baselines", *SMALL, "--test-size", 40, "--learners", "decision-tree"),
        *("--out-dir", folder),
        **environment,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / folder / "results.jsonl").exists()


def test_the_path_of_a_model_is_left_as_it_was_typed(invoke):
    done = invoke("synthesize", "--model", "local:/mnt/alice@lab/q.gguf", *SMALL)
    assert done.returncode == 2
    assert "/mnt/alice@lab/q.gguf" in done.stderr


def test_a_long_key_in_a_refused_command_line_is_not_shown_over_several_lines(invoke):
    key = "".join(f"{i:03}" for i in range(100))
    for words in (("--api-key", key), ("--nothing", f"http://user:{key}@host/v1")):
        done = invoke("tasks", *words)
        assert done.returncode == 2
        assert words[0] in done.stderr
        assert "095096" not in re.sub(r"\W", "", done.stdout + done.stderr)


BITS = 'def f(x):\n    return int(x[:8] == "01101001" or x.count("1") % 2)'


@pytest.mark.parametrize(
    ("name", "value"),
    [("VNC_PASSWORD", "01101001"), ("HTTPS_PROXY", "http://me:01101001@proxy")],
)
def test_what_no_server_was_told_changes_no_answer(invoke, tmp_path, name, value):
    answer = response([text(json.dumps({"code": BITS}))])
    with serving(lambda _: Reply(answer)) as api:
        done = invoke(
            *("synthesize", "--provider", "openai", "--base-url", f"{api.url}/v1", *SMALL),
            *("--test-size", 40, "--attempts", 1, "--out-dir", "out", "--json"),
            **{"OPENAI_API_KEY": CANARY, name: value, "NO_PROXY": "*"},
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["program"] == BITS
    assert "***" not in (tmp_path / "out/answers.jsonl").read_text()
    assert "contained a key" not in done.stderr


@pytest.mark.parametrize("track", ["synthesize", "incontext"])
def test_a_run_says_once_that_answers_were_changed(invoke, track):
    flags = {
        "synthesize": ("--val-size", 20, "--provider", "chat", "--attempts", 3),
        "incontext": ("--shots", 4, "--answer", "generate", "--test-split-size", 40),
    }
    with serving(lambda _: Reply(chat(f'{CANARY}: {{"label": "1"}}'))) as api:
        done = invoke(
            *(track, "--model", "m", "--base-url", f"{api.url}/v1", "--functions", "fn_a", "fn_b"),
            *("--lengths", 20, "--train-size", 20, "--test-size", 4, *flags[track]),
            OPENAI_API_KEY=CANARY,
        )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("contained a key") == 1
