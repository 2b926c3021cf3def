"""The code of the modules that a candidate may import after it has lost access to files.

A zygote imports a fixed list before it is locked (see ``imports``). A program may import other
modules of the standard library, numpy, sympy and mpmath, but only once nothing that their code does
can have an effect. So the parent puts their code into an anonymous file, which a child can read
from memory. What is on offer does not depend on any program.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import struct
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

from llm_erm.sandbox.payload import anonymous_file

PACKAGES = ("numpy", "sympy", "mpmath", "gmpy2")
"""Third-party packages that a candidate may import."""
LEFT_OUT = frozenset(
    {
        "ctypes",  # see imports.BLOCKED
        # Neither these nor the parts of packages below are any use to a rule.
        *("ensurepip", "idlelib", "lib2to3", "pip", "pydoc_data", "tkinter", "turtledemo", "venv"),
        *("_examples", "benchmarks", "distutils", "f2py", "test", "tests"),
    }
)
HEADER_BYTES = 16
"""Size of what precedes the code in a ``.pyc`` file (PEP 552)."""

_lock = threading.Lock()
_files: dict[str, int] = {}


def archive(base: str) -> int:
    """Returns the descriptor of the file that holds the modules for this kind of zygote.

    It is made once and cannot be written any more. Format: see ``imports.MemoryFinder``.

    Args:
        base: standard or science.
    """
    with _lock:
        if base not in _files:
            roots = [(Path(sysconfig.get_path("stdlib")), sorted(sys.stdlib_module_names))]
            if base == "science":
                roots += [(Path(folder), list(PACKAGES)) for folder in package_folders()]
            _files[base] = _written(roots)
        return _files[base]


def package_folders() -> list[str]:
    """Returns the folders that hold the third-party packages a candidate may import."""
    folders = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folders.append(str(Path(spec.origin).parent.parent))
    return list(dict.fromkeys(folders))


def _written(roots: list[tuple[Path, list[str]]]) -> int:
    index: dict[str, tuple[int, int, bool, bool]] = {}
    parts: list[bytes] = []
    end = 0
    for root, names in roots:
        for name, file in _sources(root, names):
            compiled = _compiled(file)
            code = file.read_bytes() if compiled is None else compiled
            package = file.name == "__init__.py"
            index.setdefault(name, (end, end + len(code), package, compiled is not None))
            parts.append(code)
            end += len(code)
    described = marshal.dumps(index)
    written = anonymous_file("llm-erm-library", b"", sealable=True)
    with os.fdopen(written, "wb", closefd=False) as stream:
        stream.writelines((struct.pack("<Q", len(described)), described, *parts))
    import fcntl  # not on Windows, where this is never called

    # A child could otherwise make its copy of the mapping writable, and leave something in it.
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(written, fcntl.F_ADD_SEALS, seals)
    return written


def _sources(root: Path, names: list[str]) -> Iterator[tuple[str, Path]]:
    """Yields the name and file of every pure Python module below these top-level names."""
    for name in names:
        if name in LEFT_OUT:
            continue
        if (file := root / f"{name}.py").is_file():
            yield name, file
        for folder, below, files in os.walk(root / name):
            below[:] = sorted(name for name in set(below) - LEFT_OUT if name.isidentifier())
            package = ".".join(Path(folder).relative_to(root).parts)
            for one in sorted(files):
                stem, dot, suffix = one.partition(".")
                if dot + suffix == ".py" and stem not in LEFT_OUT:
                    full = package if stem == "__init__" else f"{package}.{stem}"
                    yield full, Path(folder, one)


def _compiled(file: Path) -> bytes | None:
    """Returns the marshalled code that Python itself would use for this source, or None."""
    try:
        content = Path(importlib.util.cache_from_source(file)).read_bytes()
        found = file.stat()
    except OSError:
        return None
    stated = struct.pack("<III", 0, int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF)
    if content[:HEADER_BYTES] != importlib.util.MAGIC_NUMBER + stated:
        return None
    return content[HEADER_BYTES:]
