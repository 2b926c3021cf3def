"""The same attacks succeed without the sandbox, so the tests in which they fail can fail."""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUITE = runpy.run_path(str(Path(__file__).parent / "hostile" / "suite.py"))
ROOT = os.geteuid() == 0
HANG_SECONDS = 0.8
RUNNER = """
import json, os, resource
place = os.open(".", os.O_RDONLY)
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
source, inputs = json.load(open("job.json"))
names = {"__name__": "program"}
exec(source, names)
results = {x: names["f"](x) for x in inputs}
text = json.dumps({x: int(y) for x, y in results.items()})
os.write(os.open("results.json", os.O_WRONLY, dir_fd=place), text.encode())
"""


def is_tried(program):
    outside = program["outside"]
    return outside in ("succeeds", "hangs", "dies", "varies") or (
        outside == "succeeds root" and ROOT
    )


TRIED = {name: program for name, program in SUITE["PROGRAMS"].items() if is_tried(program)}


def run_outside(source, inputs, folder, seconds, seed):
    """Runs a program in a separate process and session; returns how that ended."""
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps([source, inputs]))
    (folder / "victim.txt").write_text("victim")
    (folder / "victim_module.py").touch()
    (folder / "results.json").touch()
    (folder / "runner.py").write_text(RUNNER)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        # With a second command, the shell stays between the program and these tests.
        ["/bin/sh", "-c", '"$0" runner.py; exit $?', sys.executable],
        cwd=folder,
        env={"HOME": "/", "PATH": "/usr/bin:/bin", "PYTHONHASHSEED": str(seed)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(reader, writer),
        start_new_session=True,
    )
    os.close(reader)
    os.close(writer)
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "hangs", None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    results = (folder / "results.json").read_text()
    if status < 0 or not results:
        return "dies", None
    return "ends", json.loads(results)


def outcome(name, folder):
    """Returns what a program does without isolation: succeeds, hangs, dies, varies or ends."""
    program = TRIED[name]
    source = SUITE["source_of"](program)
    expected = program["outside"]
    inputs = SUITE["INPUTS"] if expected == "varies" else ["0110"]
    seconds = HANG_SECONDS if expected == "hangs" else 60
    ended, first = run_outside(source, inputs, folder / "first", seconds, 0)
    if ended != "ends":
        return ended
    if expected == "varies":
        _, second = run_outside(source, inputs[::-1], folder / "second", seconds, 1)
        return "varies" if first != second else "ends"
    return "succeeds" if set(first.values()) == {1} else "ends"


def test_every_attack_works_without_the_sandbox(tmp_path):
    """All at once: those that hang wait together."""

    def one(name):
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        return outcome(name, folder)

    with ThreadPoolExecutor(3) as threads:
        found = dict(zip(TRIED, threads.map(one, TRIED), strict=True))
    assert found == {
        name: program["outside"].removesuffix(" root") for name, program in TRIED.items()
    }
