"""What is imported before the lock does nothing else, and whatever is imported after it cannot."""

import json
import marshal
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import llm_erm
from llm_erm.sandbox import Limits, Outputs, imports, library, process

BASES = ("bare", "standard", "science")
PATIENT = Limits(seconds_per_call=30, seconds_per_candidate=60, memory_bytes=512 * 2**20)
CONTROL = "import re\ndef f(x): return x.count('1') % 2"

# Imports what a zygote imports, as it does, and prints what else happened.
SCAN = """
import json, os, resource, socket, sys, types
folder, base, folders, archive, act = json.loads(sys.argv[1])
for name in ("llm_erm", "llm_erm.sandbox"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["llm_erm"].__path__ = [folder]
sys.modules["llm_erm.sandbox"].__path__ = [folder + "/sandbox"]
from llm_erm.sandbox import imports, zygote
HARMLESS = ("import", "compile", "exec", "object.", "sys.", "os.listdir", "os.scandir", "marshal.",
            "ctypes.", "code.", "function.", "builtins.id", "cpython.", "gc.", "mmap.", "array.",
            "pickle.", "setopencodehook", "open_code", "os.putenv", "os.unsetenv")
found = []
def hook(event, arguments):
    if event == "open":
        _, mode, flags = arguments
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND):
            return
    if not event.startswith(HARMLESS):
        found.append(f"{event} {arguments}"[:300])
def written():
    with open("/proc/self/io") as file:
        return [line for line in file if line.startswith("wchar")]
def descriptors():
    return sorted(os.listdir("/proc/self/fd"))
before = written(), descriptors()
sys.addaudithook(hook)
exec(act)
imports.import_all(base, folders, archive)
after = written(), descriptors()
with open("/proc/self/maps") as file:
    rights = [line.split()[1] for line in file]
print(json.dumps({
    "events": found,
    "written": before[0] != after[0],
    "descriptors": sorted(set(after[1]) - set(before[1])),
    "threads": len(os.listdir("/proc/self/task")) - 1,
    "processes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    + len(open("/proc/thread-self/children").read().split()),
    "writable and executable": sum("wx" in one for one in rights),
    "modules": len(sys.modules),
}))
"""
NOTHING = {
    "events": [],
    "written": False,
    "descriptors": [],
    "threads": 0,
    "processes": 0,
    "writable and executable": 0,
}


def scan(base, act=""):
    """What happens while the fixed list is imported, and after ``act``, which comes before."""
    folder = str(Path(llm_erm.__file__).parent)
    folders = library.package_folders() if base == "science" else []
    archive = None if base == "bare" else library.archive(base)
    settings = [folder, base, folders, archive, act]
    ran = subprocess.run(
        # -B: a cache of compiled code would count as written.
        [sys.executable, *["-B", "-P", "-s", "-S", "-c"], SCAN, json.dumps(settings)],
        env=process.ENVIRONMENT | {"PYTHONHASHSEED": "0"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        pass_fds=[] if archive is None else [archive],
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize("base", BASES)
def test_the_imports_before_the_lock_do_nothing_else(base):
    found = scan(base)
    assert found.pop("modules") > 50
    # The mapping of the archive keeps a descriptor of it, which a candidate no longer has.
    assert len(found.pop("descriptors")) == (base != "bare")
    assert found == {kind: none for kind, none in NOTHING.items() if kind != "descriptors"}


ACTS = {
    "events": "import tempfile; tempfile.TemporaryFile().close()",
    "written": "os.write(os.open('/dev/null', os.O_WRONLY), b'1')",
    "descriptors": "kept = open('/dev/null')",
    "threads": "import threading; threading.Thread(target=input, daemon=True).start() or "
    "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "processes": "os.system('true')",
    "writable and executable": "import mmap; kept = mmap.mmap(-1, 4096, prot=7)",
}


@pytest.mark.parametrize("kind", ACTS)
def test_the_scan_finds_what_is_done(kind):
    assert scan("bare", ACTS[kind])[kind] != NOTHING[kind]


def importable():
    """The names of all modules that a program of the largest kind could try to import."""
    archive = library.archive("science")
    (size,) = struct.unpack("<Q", os.pread(archive, 8, 0))
    fixed = imports.BARE_MODULES + imports.STANDARD_MODULES + imports.SCIENCE_MODULES
    extensions = {name for name in sys.stdlib_module_names if name not in library.LEFT_OUT}
    return sorted({*marshal.loads(os.pread(archive, size, 8)), *fixed.split(), *extensions})


IMPORT = """
import numpy, importlib
def f(x):
    try:
        importlib.import_module(x)
    except BaseException as error:
        return 'ImportError' if isinstance(error, ImportError) else type(error).__name__
    return 'imported'
"""
ENDS = Outputs(("imported", "ImportError", "PermissionError", "SystemExit"))
# Exceptions of their own that modules raise where they are no use.
OWN_ENDS = {"xml.sax.expatreader": "SAXReaderNotAvailable", "xml.dom.expatbuilder": "ImportError"}
TOGETHER = 150


def ends_of(sandbox, names):
    """Imports modules in one process; returns how it ended for those that did not end as usual."""
    execution = sandbox.execute(IMPORT, names, PATIENT, ENDS)
    if execution.status == "ok":
        return {
            name: execution.message
            for name, end in zip(names, execution.predictions, strict=True)
            if end >= len(ENDS.labels) and name not in OWN_ENDS
        }, execution.predictions
    if len(names) == 1:
        return {names[0]: f"{execution.status}: {execution.message}"}, execution.predictions
    half = len(names) // 2
    return (
        ends_of(sandbox, names[:half])[0] | ends_of(sandbox, names[half:])[0],
        execution.predictions,
    )


def test_every_module_can_be_imported_or_fails_as_imports_do(sandbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = importable()
    assert len(names) > 1000
    unusual, imported = {}, 0
    for start in range(0, len(names), TOGETHER):
        found, ends = ends_of(sandbox, names[start : start + TOGETHER])
        unusual |= found
        imported += (ends == 0).sum()
        control = sandbox.execute(CONTROL, ["1", "11"])
        assert (control.status, control.predictions.tolist()) == ("ok", [1, 0]), start
    assert unusual == {}
    assert imported > 0.8 * len(names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*imports.BLOCKED.split(), *sorted(library.LEFT_OUT)])
def test_what_is_blocked_or_left_out_is_not_importable(sandbox, name):
    names = [name, f"numpy.{name}", f"sympy.{name}", f"{name}.{name}"]
    execution = sandbox.execute(IMPORT, names, PATIENT, ENDS)
    assert execution.predictions.tolist() == [1] * len(names), execution.message
