"""Runs `llm-erm` in copies of a process that has read its libraries, most of a short command.

As a script it is that process: each line of its input is a command in JSON, and it answers with the
number of the copy that runs it, then with the status at which that ended. Its argument is the lock
of what is compiled.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from compiled import prepare_alone

OPENAI = ("pydantic_ai.direct", "pydantic_ai.models.openai", "pydantic_ai.providers.openai")
LIBRARIES = {
    "baselines": ("sklearn.svm", "sklearn.tree"),
    "runner.py": (*OPENAI, "llm_erm.llms.remote", "tenacity", "genai_prices"),
}
"""What a command reads only once it runs, and reads slowly."""


class Prestarted:
    """A process that has read the libraries.

    Args:
        folder: Holds what the command that runs has printed.
        lock: The lock of what is compiled.
    """

    def __init__(self, folder: Path, lock: Path) -> None:
        self._out, self._errors = folder / "out.txt", folder / "errors.txt"
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(lock)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, command: list[str], *, cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs one command to its end, or kills it after ``timeout`` seconds.

        Args:
            command: ``llm-erm`` or the path of a Python file, and the arguments.
            cwd: The folder that it runs in.
            env: Its whole environment.
            timeout: Seconds.
        """
        assert self._process.stdin is not None
        asked = {"command": command, "cwd": str(cwd), "env": env}
        asked |= {"out": str(self._out), "errors": str(self._errors)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        copy, late = self._read(), threading.Event()

        def end() -> None:
            late.set()
            with contextlib.suppress(ProcessLookupError):
                os.kill(copy, signal.SIGKILL)

        timer = threading.Timer(timeout, end)
        timer.start()
        status = self._read()
        timer.cancel()
        if late.is_set():
            raise subprocess.TimeoutExpired(command, timeout)
        out, errors = self._out.read_text(), self._errors.read_text()
        return subprocess.CompletedProcess(command, status, out, errors)

    def _read(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def prepare(command: list[str], lock: Path) -> None:
    """Reads what a command will read, and the machine code of a search."""
    name = command[1] if command[0] == "llm-erm" else Path(command[0]).name
    for library in LIBRARIES.get(name, ()):
        importlib.import_module(library)
    if "enumerate" in command:
        prepare_alone(lock)


def become(asked: dict[str, Any]) -> None:
    """Gives this process the folder, environment, arguments and streams of a command."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = asked["command"]
    for number, path in enumerate((os.devnull, asked["out"], asked["errors"])):
        opened = os.open(path, os.O_RDWR | (os.O_CREAT | os.O_TRUNC if number else 0))
        os.dup2(opened, number)
        os.close(opened)


def say(number: int) -> None:
    """Answers whoever started this."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def serve(lock: Path) -> dict[str, Any] | None:
    """Starts a copy for each command; returns that command in the copy, and None here at last."""
    for line in sys.stdin:
        asked = json.loads(line)
        prepare(asked["command"], lock)
        copy = os.fork()
        if copy == 0:
            return asked
        say(copy)
        say(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]))
    return None


if __name__ == "__main__":
    from llm_erm.cli.main import main

    asked = serve(Path(sys.argv[1]))
    if asked is not None:
        become(asked)
        if sys.argv[0] == "llm-erm":
            main()
        else:
            sys.path[0] = str(Path(sys.argv[0]).parent)
            runpy.run_path(sys.argv[0], run_name="__main__")
