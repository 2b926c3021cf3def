"""A job for the tests of sweeps, in a module that other processes can import."""

import os
import sys
import time
from pathlib import Path

from llm_erm.errors import BudgetSpentError, InputError
from llm_erm.facts import SynthesisFacts
from llm_erm.records import Result
from llm_erm.tasks.task import DataKey
from run_folders import records_in, write_run


def do(folder: Path, name: str, seconds: float = 0.0, wait_for: Path | None = None) -> list[Result]:
    """A job: it says something, waits, and has a result or fails by its name.

    Like a command, it returns the results that are in its folder already.
    """
    sys.stderr.write("a notice\n")
    if (folder / "results.jsonl").exists() and name == "good":
        return list(records_in(folder / "results.jsonl", Result))
    (folder / "started").touch()
    deadline = time.monotonic() + 60
    while wait_for is not None and not wait_for.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    if name == "refused":
        raise InputError("The sentence.", setting="out_dir")
    if name == "spent":
        raise BudgetSpentError("Spent.")
    if name == "bug":
        raise ZeroDivisionError("a bug")
    if name == "exit":
        os._exit(7)
    if name == "says":
        os.write(2, b"from a library in C\n")
    place = f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}"
    result = Result(
        method="synthesis",
        model=place,
        data=DataKey("fn_a", 20, 42),
        examples=1,
        seconds=0.0,
        facts=SynthesisFacts(),
    )
    write_run(folder, result)
    return [result]


def sentence(error: Exception) -> str:
    return f"In flags: {error}"
