"""A program as a model: whatever it does, a call is one completion, and nothing is left running."""

import asyncio
import errno
import os
import pickle
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_erm.errors import InputError, LLMERMError, ProviderError
from llm_erm.llms import command_process
from llm_erm.llms.command import CommandLLM, sample_seed
from llm_erm.llms.llm import Completion, Pace, Request
from llm_erm.llms.models import model
from llm_erm.llms.reader import Reader
from llm_erm.settings import plain

Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Writes a Python program; returns the command that runs it."""

    def written(source: str) -> str:
        path = tmp_path / f"program{len(list(tmp_path.glob('program*')))}.py"
        path.write_text(f"import os, signal, subprocess, sys, time\n{source}\n")
        return shlex.join([sys.executable, "-S", "-E", str(path)])

    return written


def answers(llm: CommandLLM, prompt: str = "prompt", **more: Any) -> list[Completion]:
    async def read() -> list[Completion]:
        try:
            return [one async for one in llm.complete(Request(prompt, **more))]
        finally:
            await llm.aclose()

    return asyncio.run(read())


def answer(llm: CommandLLM, prompt: str = "prompt") -> Completion:
    (only,) = answers(llm, prompt)
    return only


def is_alive(pid: int) -> bool:
    """Whether a process exists and still runs, rather than waits to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def ends(pid: int) -> bool:
    """Whether a process that was sent SIGKILL is gone soon."""
    deadline = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def number_in(path: Path) -> int:
    """Returns the number that a program writes into a file, once it has."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().endswith("\n"):
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(path)


def test_the_prompt_goes_in_and_what_is_printed_comes_out(program: Program) -> None:
    llm = CommandLLM(program("print('So ' + sys.stdin.read() + ' é')"))
    one = answer(llm, "a ∧ b")
    assert (one.text, one.finish_reason, one.error) == ("So a ∧ b é\n", "stop", None)
    assert (one.index, one.cost_usd, one.usage.completion_tokens) == (1, None, 0)
    assert one.latency_seconds > 0


def test_big_prompts_and_answers_do_not_wait_for_each_other(program: Program) -> None:
    source = "while part := sys.stdin.buffer.read1(999): sys.stdout.buffer.write(part)"
    prompt = "0123456789" * 200_000  # more than both pipes hold
    assert answer(CommandLLM(program(source)), prompt).text == prompt


def test_a_program_need_not_read_the_prompt(program: Program) -> None:
    prompt = "0123456789" * 200_000
    one = answer(CommandLLM(program("os.close(0); print('answer')")), prompt)
    assert (one.text, one.finish_reason) == ("answer\n", "stop")


def test_words_are_split_like_a_shell_but_no_shell_runs(program: Program) -> None:
    echo = program("print(sys.argv[1:])")
    one = answer(CommandLLM(echo + """ 'a b' "c" $HOME | > * \\'"""))
    assert one.text == "['a b', 'c', '$HOME', '|', '>', '*', \"'\"]\n"


def test_index_and_seed_stand_for_the_sample_and_other_braces_for_themselves(
    program: Program,
) -> None:
    echo = program("print(sys.argv[1:])")
    arguments = """'n={index},{seed}' '{"a": {unknown}}'"""
    found = answers(CommandLLM(f"{echo} {arguments}"), indices=(3, 4), seed=5)
    assert [one.text for one in sorted(found, key=lambda one: one.index)] == [
        f"""['n={index},{sample_seed(5, index)}', '{{"a": {{unknown}}}}']\n""" for index in (3, 4)
    ]


def test_seeds_are_the_same_everywhere_and_differ_by_sample_and_series() -> None:
    assert sample_seed(5, 3) == 1416462940
    seeds = {sample_seed(seed, index) for seed in range(20) for index in range(1, 20)}
    assert len(seeds) == 20 * 19
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_call_runs_in_an_empty_folder_that_is_gone_afterwards(program: Program) -> None:
    source = "print(os.getcwd(), os.listdir('.')); open('left.txt', 'w').write('x'); os.mkdir('d')"
    llm = CommandLLM(program(source))
    first, second = (one.text.split() for one in answers(llm, indices=(1, 2)))
    assert first[0] != second[0]
    assert first[1] == second[1] == "[]"
    assert not Path(first[0]).exists()
    assert not Path(second[0]).exists()


def test_the_program_has_the_environment(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_USER", "here")
    assert answer(CommandLLM(program("print(os.environ['OF_THE_USER'])"))).text == "here\n"


def test_a_question_on_the_terminal_finds_no_terminal(program: Program) -> None:
    """The process that asks has a terminal; its command has none, and so cannot wait for one."""
    ask = program("open('/dev/tty').readline()")
    source = f"""
import asyncio, fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
open('/dev/tty').close()  # it is there
from llm_erm.llms.command import CommandLLM
from llm_erm.llms.llm import Request
async def read():
    llm = CommandLLM({ask!r})
    async for one in llm.complete(Request('p')):
        sys.stderr.write(str(one.finish_reason) + ' ' + str(one.error))
    await llm.aclose()
asyncio.run(read())
"""
    primary, secondary = os.openpty()
    try:
        ran = subprocess.run(
            [sys.executable, "-c", source],
            stdin=secondary,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=120,
        )
    finally:
        os.close(primary)
        os.close(secondary)
    assert ran.stderr.startswith("error "), ran.stderr
    assert os.strerror(errno.ENXIO) in ran.stderr


@pytest.mark.parametrize("source", ["", "print(' ')", "sys.stderr.write('oh dear')"])
def test_nothing_printed_is_no_answer(program: Program, source: str) -> None:
    one = answer(CommandLLM(program(source)))
    said = " (oh dear)" if "oh" in source else ""
    assert one.finish_reason == "error"
    assert one.error == f"command:{Path(sys.executable).name} printed nothing{said}"


def test_a_failure_after_a_full_answer_is_a_failure(program: Program) -> None:
    source = (
        "print('def f(x): return 1'); print('x' * 5000, 'no\\033[31m\\nquota', file=sys.stderr)"
    )
    one = answer(CommandLLM(program(f"{source}; sys.exit(7)")))
    assert one.finish_reason == "error"
    assert one.text == "def f(x): return 1\n"
    assert one.error is not None
    assert "ended with status 7 (…xxx" in one.error
    assert one.error.endswith("x no\N{REPLACEMENT CHARACTER}[31m quota)")
    assert len(one.error) < 400


def test_a_program_that_kills_itself_is_named_with_the_signal(program: Program) -> None:
    one = answer(CommandLLM(program("print(1, flush=True); os.kill(os.getpid(), 11)")))
    assert one.finish_reason == "error"
    assert "was ended by signal 11" in str(one.error)


def test_invalid_text_is_still_an_answer(program: Program) -> None:
    one = answer(CommandLLM(program("sys.stdout.buffer.write(b'ok \\xff\\xfe \\xed\\xa0\\x80')")))
    assert one.finish_reason == "stop"
    assert one.text.startswith("ok \N{REPLACEMENT CHARACTER}")
    one.text.encode()  # no half characters


def test_endless_output_is_ended(program: Program) -> None:
    one = answer(CommandLLM(shlex.join(["yes", "def f(x):"])))
    assert (one.finish_reason, one.text) == ("error", "")
    assert one.error == "command:yes printed more than 10,000,000 bytes"


def test_endless_errors_are_not_kept(program: Program) -> None:
    source = "for _ in range(300): sys.stderr.write('y' * 100_000)\nsys.exit(1)"
    one = answer(CommandLLM(program(source)))
    assert len(str(one.error)) < 400


def test_a_program_that_hangs_is_ended_with_its_children(program: Program, tmp_path: Path) -> None:
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    note = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid) + '\\n')"
    source = f"child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}])\n{note}\n"
    llm = CommandLLM(program(f"{source}time.sleep(600)"), timeout_seconds=3.0)
    one = answer(llm)
    assert one.finish_reason == "error"
    assert "took longer than 3 s, the time limit" in str(one.error)
    assert ends(number_in(tmp_path / "pid"))


@pytest.mark.skipif(sys.platform != "linux", reason="sessions are looked up in /proc")
def test_a_child_in_a_group_of_its_own_ends_with_the_program(
    program: Program, tmp_path: Path
) -> None:
    """Such as the jobs of a shell, or what coreutils' timeout runs."""
    place = tmp_path / "child"
    source = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '600'], process_group=0)\n"
        f"open({str(place)!r}, 'w').write(f'{{child.pid}}\\n')\n"
        "time.sleep(600)"
    )
    line = program(f"import time\n{source}")
    stopped(CommandLLM(line), lambda: number_in(place))
    assert ends(number_in(place))


def test_a_program_that_ignores_sigterm_is_killed(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_process, "GRACE_SECONDS", 0.3)
    source = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open({str(tmp_path / "pid")!r}, 'w').write(str(os.getpid()) + '\\n')
os.close(1), os.close(2)
time.sleep(600)
"""
    one = answer(CommandLLM(program(source), timeout_seconds=3.0))
    assert "took longer" in str(one.error)
    assert ends(number_in(tmp_path / "pid"))


def test_a_program_may_end_itself_at_sigterm(program: Program, tmp_path: Path) -> None:
    source = f"""
def end(*_):
    open({str(tmp_path / "ended")!r}, 'w').write('1\\n')
    sys.exit()
signal.signal(signal.SIGTERM, end)
time.sleep(600)
"""
    answer(CommandLLM(program(source), timeout_seconds=3.0))
    assert number_in(tmp_path / "ended") == 1


def test_a_child_that_holds_the_output_open_is_not_waited_for(
    program: Program, tmp_path: Path
) -> None:
    child = "import time; time.sleep(600)"
    source = f"""
child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}])
open({str(tmp_path / "pid")!r}, 'w').write(str(child.pid) + '\\n')
print('answer')
"""
    one = answer(CommandLLM(program(source), timeout_seconds=200))
    assert (one.text, one.finish_reason) == ("answer\n", "stop")
    assert one.latency_seconds < 100
    assert ends(number_in(tmp_path / "pid"))


def test_a_child_in_a_session_of_its_own_is_not_waited_for(
    program: Program, tmp_path: Path
) -> None:
    child = "import time; time.sleep(600)"
    source = f"""
child = subprocess.Popen([sys.executable, '-S', '-c', {child!r}], start_new_session=True)
open({str(tmp_path / "pid")!r}, 'w').write(str(child.pid) + '\\n')
print('answer')
"""
    one = answer(CommandLLM(program(source), timeout_seconds=200))
    os.kill(number_in(tmp_path / "pid"), signal.SIGKILL)
    assert (one.text, one.finish_reason) == ("answer\n", "stop")
    assert one.latency_seconds < 100


def test_all_output_before_the_end_is_read(program: Program) -> None:
    source = "sys.stdout.write('x' * 60_000); sys.stdout.flush(); os._exit(0)"
    found = answers(CommandLLM(program(source), speculative=4), indices=range(1, 9))
    assert {len(one.text) for one in found} == {60_000}


def stopped(llm: CommandLLM, begun: Callable[[], object], **more: Any) -> list[Completion]:
    """Stops a request once its programs have begun; returns what came of it."""
    heard: list[Completion] = []

    async def read() -> None:
        async with Reader(llm, Request("prompt", **more), heard.append) as completions:
            await asyncio.to_thread(begun)
            await completions.stop()
        await llm.aclose()

    asyncio.run(read())
    return heard


def test_a_stopped_search_ends_its_programs_and_tells_of_them(
    program: Program, tmp_path: Path
) -> None:
    note = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()) + '\\n')"
    llm = CommandLLM(program(f"{note}; time.sleep(600)"), concurrency=1, speculative=3)
    heard = stopped(llm, lambda: number_in(tmp_path / "pid"), indices=(1, 2, 3))
    assert [(one.index, one.finish_reason) for one in heard] == [(1, "cancelled")]
    assert ends(number_in(tmp_path / "pid"))


def test_no_more_programs_run_at_a_time_than_allowed(program: Program, tmp_path: Path) -> None:
    source = f"""
place = {str(tmp_path)!r} + '/at-' + str(os.getpid())
open(place, 'w').close()
time.sleep(0.3)
print(sum(name.startswith('at-') for name in os.listdir({str(tmp_path)!r})))
os.unlink(place)
"""
    llm = CommandLLM(program(source), concurrency=2, speculative=8)
    found = [int(one.text) for one in answers(llm, indices=range(1, 7))]
    assert max(found) <= 2


def test_no_sample_starts_before_the_reader_wants_it(program: Program, tmp_path: Path) -> None:
    log = tmp_path / "log"
    llm = CommandLLM(program(f"open({str(log)!r}, 'a').write('x'); print(1)"), concurrency=5)

    async def read() -> int:
        pace = Pace()
        samples = llm.complete(Request("p", indices=range(1, 9), pace=pace))
        await anext(samples)
        waiting = asyncio.ensure_future(anext(samples))
        await asyncio.wait([waiting], timeout=0.5)
        begun = len(log.read_text())
        pace.stop()
        await asyncio.wait([waiting])
        waiting.exception()
        await samples.aclose()
        await llm.aclose()
        return begun

    assert asyncio.run(read()) == 1


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        ("", InputError, "The command is empty"),
        ("  ", InputError, "The command is empty"),
        ("'' x", InputError, "The command is empty"),
        ("claude 'x", InputError, "cannot be split into words (no closing quotation)"),
        ("claude x\\", InputError, "cannot be split into words (no escaped character)"),
        ("a\0b", InputError, "zero character"),
        ("no-such-program-here -p", ProviderError, "There is no program 'no-such-program-here'"),
        ("/no/such/program", ProviderError, "There is no program /no/such/program; check its path"),
    ],
)
def test_a_command_that_cannot_be_one_is_refused_at_once(
    command: str, kind: type[LLMERMError], said: str
) -> None:
    with pytest.raises(kind) as refused:
        CommandLLM(command)
    assert said in str(refused.value)
    assert refused.value.setting == "command"


def test_a_file_that_may_not_be_executed_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text("#!/bin/sh\necho 1\n")
    with pytest.raises(ProviderError, match="may not be executed; make it executable"):
        CommandLLM(str(path))


def test_a_program_that_vanishes_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text("#!/bin/sh\necho 1\n")
    path.chmod(0o755)
    llm = CommandLLM(str(path))
    path.unlink()
    with pytest.raises(ProviderError, match="cannot be started"):
        answer(llm)


def test_a_program_that_cannot_start_for_now_was_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr("llm_erm.llms.command.run", full)
    one = answer(CommandLLM("cat"))
    assert one.finish_reason == "unanswered"
    assert "could not be started (Too many open files)" in str(one.error)


def test_relative_programs_are_those_of_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "script.sh").write_text("#!/bin/sh\necho 1\n")
    (tmp_path / "script.sh").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert answer(CommandLLM("./script.sh")).text == "1\n"


def test_a_relative_file_among_the_arguments_is_named_in_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.py").write_text("print(1)")
    monkeypatch.chdir(tmp_path)
    one = answer(CommandLLM(shlex.join([sys.executable, "model.py"])))
    assert "it runs in an empty folder, so give 'model.py' as a whole path" in str(one.error)
    assert "llm-erm-" not in str(one.error)  # or no two failures would be the same


def test_the_name_and_the_description_hold_no_key() -> None:
    llm = model("command:cat --api-key abcdefgh12345 {index} -H 'Authorization: Bearer xyz12345'")
    assert llm.name == "command:cat"
    described = plain(llm)
    assert described["name"] == "command:cat"
    assert described["command"].startswith("cat --api-key '***' '{index}' -H ")
    assert "abcdefgh12345" not in str(described)
    assert "xyz12345" not in str(described)


def test_keys_of_the_command_are_removed_from_answers(program: Program) -> None:
    llm = CommandLLM(program("print(sys.argv)") + " --api-key qwertyuiop99")
    assert "qwertyuiop99" not in answer(llm).without_secrets().text


def test_it_can_be_sent_to_another_process(program: Program) -> None:
    llm = CommandLLM(program("print(1)"), timeout_seconds=7.0, concurrency=2, speculative=3)
    answer(llm)
    other = pickle.loads(pickle.dumps(llm))
    assert plain(other) == plain(llm)
    assert answer(other).text == "1\n"


def test_its_calls_may_cost_something_that_nobody_counts() -> None:
    llm = CommandLLM("cat")
    assert llm.concurrent
    assert not llm.budget.limited
    assert llm.budget.price(1, 1) is None
    assert Path(llm.address).is_absolute()
