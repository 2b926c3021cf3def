"""The process that reads untrusted text ends by its limits, alone, and with its parent."""

import multiprocessing
import operator
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llm_erm import bounded
from llm_erm.bounded import UnreadableError, call
from llm_erm.errors import LLMERMError

ENDLESS = ("(a+)+b", "a" * 60)
"""What `re.match` would take years for."""

ASK = """
import os, re, sys, time
from llm_erm import bounded
def reader():
    return bounded._PROCESS._process.pid
bounded.call(re.escape, "a")
print(reader(), flush=True)
"""


def process() -> int:
    """The process that answered last."""
    return bounded._PROCESS._process.pid


def running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int, seconds: float = 10) -> bool:
    for _ in range(int(seconds * 20)):
        if not running(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "text", ["", "é✓😀", "\0\r\n\x1b", "\ud800", "\ud83d\ude00", "x" * 400_000, '"\\\u2028']
)
def test_text_arrives_and_returns_as_it_is(text):
    assert call(operator.add, text, "") == text


def test_one_process_answers_call_after_call():
    call(re.escape, "a")
    first = process()
    call(re.escape, "b")
    assert process() == first


def test_what_takes_too_long_is_ended_and_the_next_call_is_answered():
    began = time.monotonic()
    with pytest.raises(UnreadableError):
        call(re.match, *ENDLESS)
    assert time.monotonic() - began < 60
    assert call(re.escape, "a") == "a"


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (operator.mul, ("x", 2**31)),
        (operator.mul, ("x", bounded.REPLY_BYTES)),
        (os.abort, ()),
        (os._exit, (0,)),
        (re.compile, ("(",)),
        (re.compile, ("a",)),
    ],
    ids=["memory", "reply", "crash", "exit", "exception", "no JSON"],
)
def test_a_call_without_a_fitting_reply_fails_alone(function, arguments):
    with pytest.raises(UnreadableError):
        call(function, *arguments)
    assert call(re.escape, "a") == "a"


def test_a_process_that_somebody_ended_is_replaced_without_a_failure():
    call(re.escape, "a")
    before = process()
    os.kill(before, signal.SIGKILL)
    assert call(re.escape, "a") == "a"
    assert process() != before


def test_a_process_that_holds_much_memory_gives_it_back(monkeypatch):
    """A program that makes the parser keep memory does not make every later call pay for it."""
    call(re.escape, "a")
    before = process()
    assert call(os.putenv, "kept", "x" * 2**27) is None
    assert call(re.escape, "a") == "a"
    assert process() != before


def test_the_memory_of_the_parent_does_not_count():
    code = (
        "bounded._PROCESS.close()\n"
        "held = bytes(range(256)) * 2**21\n"
        "bounded.call(re.escape, 'a'); before = reader()\n"
        "bounded.call(re.escape, 'a'); print(reader() == before)\n"
    )
    parent, _ = start(code)
    assert parent.communicate() == ("True\n", "")


def test_an_interrupted_call_leaves_no_reply_to_the_next(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bounded, "_reply", interrupt)
        call_in_vain = pytest.raises(KeyboardInterrupt)
        with call_in_vain:
            bounded._PROCESS.exchange(bounded.pack(["re", "escape", "first"]))
    assert call(re.escape, "second") == "second"


def test_threads_each_get_their_own_reply():
    wrong = []

    def ask(number):
        texts = [f"{number}_{place}" for place in range(200)]
        wrong.extend(text for text in texts if call(operator.add, text, "") != text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def forked(pipe) -> None:
    pipe.send((call(re.escape, "child"), process()))


def test_a_forked_process_has_a_process_of_its_own():
    call(re.escape, "parent")
    own = process()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=forked, args=(there,))
    child.start()
    there.close()
    answer, other = here.recv()
    child.join()
    assert (answer, child.exitcode) == ("child", 0)
    assert other != own
    assert ends(other)
    assert call(re.escape, "parent") == "parent"
    assert process() == own


def test_a_process_that_was_stopped_does_not_stop_us(monkeypatch):
    monkeypatch.setattr(bounded, "WALL_SECONDS", 0.5)
    call(re.escape, "one")
    stopped = process()
    os.kill(stopped, signal.SIGSTOP)
    assert call(re.escape, "two") == "two"
    assert process() != stopped
    assert ends(stopped)


FORK_AT_THE_START = """
import threading
def ask():
    bounded.call(re.escape, "a")
thread = threading.Thread(target=ask)
thread.start()
while bounded._PROCESS._process is None:
    time.sleep(0.001)
if os.fork() == 0:
    time.sleep(60)
    os._exit(0)
thread.join()
print(bounded._PROCESS._process.pid, flush=True)
time.sleep(60)
"""


def test_a_fork_during_the_start_does_not_keep_the_process_alive():
    before = "import os, re, sys, time\nfrom llm_erm import bounded\n"
    command = [sys.executable, "-c", before + FORK_AT_THE_START]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        reader = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert ends(reader, 5)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.stdout.close()


def start(code: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", ASK + code]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return parent, int(parent.stdout.readline())


@pytest.mark.parametrize(
    "ending", ["pass", "raise SystemExit(3)", "1 / 0", "os._exit(0)", "os.kill(os.getpid(), 15)"]
)
def test_no_process_is_left_when_the_parent_ends(ending):
    parent, reader = start(ending)
    parent.communicate()
    assert ends(reader)


def test_a_parent_that_exits_has_collected_its_process():
    parent, reader = start("pass")
    said = parent.communicate()[1]
    assert (parent.returncode, said) == (0, "")
    assert not Path(f"/proc/{reader}").exists()


@pytest.mark.parametrize("busy", [False, True])
def test_no_process_is_left_when_the_parent_is_killed(busy):
    code = f"bounded.call(re.match, *{ENDLESS})" if busy else "time.sleep(60)"
    parent, reader = start(code)
    time.sleep(0.5)
    parent.kill()
    parent.communicate()
    assert ends(reader, 60)


def test_ctrl_c_ends_a_call_and_its_process():
    parent, reader = start(f"bounded.call(re.match, *{ENDLESS})")
    time.sleep(0.3)
    parent.send_signal(signal.SIGINT)
    said = parent.communicate()[1]
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert ends(reader)


def test_limits_hold_whatever_the_parent_ignores_blocks_or_limits():
    code = (
        "import resource, signal\n"
        "bounded._PROCESS.close()\n"
        "signal.signal(signal.SIGPROF, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**30))\n"
        "try:\n"
        f"    bounded.call(re.match, *{ENDLESS})\n"
        "except bounded.UnreadableError:\n"
        "    print(bounded.call(re.escape, 'a'))\n"
    )
    parent, _ = start(code)
    assert parent.communicate() == ("a\n", "")


def test_neither_the_environment_nor_the_folder_reaches_the_process(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('taken from the folder')")
    environment = {**os.environ, "OPENAI_API_KEY": "canary", "PYTHONSTARTUP": "canary"}
    code = ASK + "print(open(f'/proc/{reader()}/environ').read())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True},
    )
    assert done.returncode == 0, done.stderr
    assert "canary" not in done.stdout


def test_a_process_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setattr(bounded, "_BOOTSTRAP", "raise ImportError('no such thing')")
    bounded._PROCESS.close()
    with pytest.raises(LLMERMError, match="ImportError: no such thing"):
        call(re.escape, "a")


def test_the_process_starts_with_the_first_call_and_not_with_the_package():
    code = "import llm_erm.synthesis.extract, llm_erm.bounded as b; print(b._PROCESS._process)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "None\n"
