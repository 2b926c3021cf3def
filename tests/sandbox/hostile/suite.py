"""Runs the hostile programs of programs.toml in the sandbox and reports what went wrong.

As a script: python suite.py LEVEL prints the number of programs and a list of complaints as JSON;
it also complains if the sandbox's isolation is not LEVEL.
"""

import json
import os
import platform
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from llm_erm.sandbox import INVALID, Limits, Sandbox

TABLE = Path(__file__).with_name("programs.toml")
PROGRAMS = {
    program["name"]: program
    for program in tomllib.loads(TABLE.read_text())["program"]
    if program.get("machine", platform.machine()) == platform.machine()
}
INPUTS = [format(i * 2654435761 % 2**32, "032b") for i in range(64)]
CONTROL = "MARKER = 'MARKER_OF_THE_CONTROL'\ndef f(x): return x.count('1') % 2"
ANSWERS = [x.count("1") % 2 for x in INPUTS]
MEMORY_BYTES = 256 * 2**20
# CPU seconds per call and in total. Programs that must not end by timeout get enough time on any
# machine; those that may reach their limits on any machine.
HANGING, ENDING = (0.1, 0.3), (30.0, 60.0)


# A candidate cannot import ctypes, but one that looks through its own process finds it. What it
# then does must be stopped as well, so the programs that attack by ctypes get it in this way.
DIG = """
import sys as _sys
def _dig():
    frame = _sys._getframe()
    while frame is not None:
        for value in list(frame.f_globals.values()):
            found = getattr(value, 'ctypes', None)
            if getattr(found, 'CDLL', None) is not None:
                _sys.modules['ctypes'] = found
                return
        frame = frame.f_back
if _sys.modules.get('ctypes', _sys) is None:
    _dig()
"""


def source_of(program, part="source"):
    """Returns the program's source; long ones are computed by an expression of ours."""
    source = program[part] if part in program else eval(program["generate"])
    return DIG + source if "import ctypes" in source and program.get("dig", True) else source


def expected(program, sandbox):
    """Returns the statuses that a program may have."""
    statuses = program["status"]
    if sandbox.isolation == "wasm":
        return program.get("wasm", statuses)
    return program.get("from_3_12", statuses) if sys.version_info >= (3, 12) else statuses


def limits_of(program, statuses):
    """Returns the limits that the program states, or else those that fit its statuses."""
    seconds = HANGING if "timeout" in statuses else ENDING
    return Limits(*program.get("limits", seconds), MEMORY_BYTES)


def complaints_about(program, sandbox):
    """Runs one program and then the control; returns what was not as expected."""
    source = source_of(program)
    statuses = expected(program, sandbox)
    limits = limits_of(program, statuses)
    inputs = INPUTS if program.get("replay") else INPUTS[:8]
    execution = sandbox.execute(source, inputs, limits)
    if program.get("replay"):
        execution = sandbox.replay(source, inputs, execution, limits)
    found = []
    if execution.status not in statuses:
        found.append(f"{execution.status} ({execution.message})")
    if (execution.predictions == 1).any() and not program.get("replay"):
        found.append(f"it worked: {execution.predictions.tolist()}")
    if execution.status != "ok" and (execution.predictions != INVALID).any():
        found.append("it has predictions")
    if execution.message and not (
        execution.message.isprintable() and len(execution.message) <= 300
    ):
        found.append(f"its message is {execution.message!r}")
    if "then" in program:
        found += complaints_about_the_next(program, sandbox)
    control = sandbox.execute(CONTROL, INPUTS)
    if control.status != "ok" or not np.array_equal(control.predictions, ANSWERS):
        found.append(f"the control after it: {control.status} ({control.message})")
    return [f"{program['name']}: {complaint}" for complaint in found]


def complaints_about_the_next(program, sandbox):
    """Runs the program that looks for what the first one left; returns what was not as expected."""
    execution = sandbox.execute(
        source_of(program, "then"), INPUTS[:8], Limits(*ENDING, MEMORY_BYTES)
    )
    found = []
    if execution.status not in program.get("then_status", ["ok"]):
        found.append(f"the next: {execution.status} ({execution.message})")
    if (execution.predictions == 1).any():
        found.append(f"the next found it: {execution.predictions.tolist()}")
    return found


def main():
    level = sys.argv[1]
    os.chdir(tempfile.mkdtemp())
    with Sandbox(workers=2) as sandbox, ThreadPoolExecutor(2) as threads:
        found = [] if sandbox.isolation == level else [f"the isolation is {sandbox.isolation}"]
        for complaints in threads.map(lambda p: complaints_about(p, sandbox), PROGRAMS.values()):
            found += complaints
    sys.stdout.write(json.dumps([len(PROGRAMS), found]) + "\n")


if __name__ == "__main__":
    main()
