"""What a program can import.

A zygote imports a fixed list before it is locked, as fast as files allow, so that every child has
it. No text of a candidate has a say in it. All else comes from memory, in a child that is locked.
"""

from __future__ import annotations

import _imp
import contextlib
import importlib
import marshal
import mmap
import struct
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder

TYPE_CHECKING = False  # typing is large, and everything imported here is copied with every child
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import Distribution, DistributionFinder
    from types import ModuleType
    from typing import Any

# Modules that the interpreter imports by itself, for programs without an import statement.
BARE_MODULES = """
    encodings.ascii encodings.cp437 encodings.latin_1 encodings.utf_16 encodings.utf_16_le
    encodings.utf_32 encodings.utf_8_sig warnings
"""
STANDARD_MODULES = """
    __future__ _elementtree abc array ast base64 binascii bisect bz2 calendar cmath codecs
    collections collections.abc colorsys contextlib copy csv dataclasses datetime decimal difflib
    encodings.hex_codec encodings.idna encodings.rot_13 enum errno fractions functools gc graphlib
    hashlib heapq hmac html inspect io itertools json keyword lzma math numbers operator os pathlib
    pickle pprint pyexpat queue random re reprlib secrets select signal statistics string struct sys
    textwrap threading time timeit tokenize traceback types typing unicodedata uuid warnings weakref
    zlib zoneinfo
"""
# From the third line on: modules that functions of the first ones import when first called.
SCIENCE_MODULES = """
    numpy numpy.fft numpy.linalg numpy.polynomial numpy.random gmpy2 mpmath
    sympy sympy.ntheory
    numpy.char numpy.ma numpy.rec numpy.strings
    sympy.abc sympy.codegen.ast sympy.tensor.array.array_derivatives sympy.tensor.array.expressions
    sympy.tensor.array.expressions.from_array_to_matrix sympy.tensor.tensor
    sympy.tensor.array.expressions.from_indexed_to_array sympy.vector sympy.assumptions.facts
    sympy.assumptions.handlers.calculus
    sympy.assumptions.handlers.matrices sympy.assumptions.handlers.ntheory
    sympy.assumptions.handlers.order sympy.assumptions.handlers.sets sympy.assumptions.lra_satask
    sympy.assumptions.satask sympy.assumptions.wrapper sympy.combinatorics.coset_table
    sympy.combinatorics.fp_groups sympy.combinatorics.galois sympy.combinatorics.homomorphisms
    sympy.concrete.delta sympy.discrete.recurrences sympy.integrals.heurisch
    sympy.integrals.manualintegrate sympy.integrals.risch sympy.logic.algorithms.dpll
    sympy.logic.algorithms.dpll2 sympy.logic.algorithms.lra_theory
    sympy.matrices.expressions.applyfunc sympy.polys.dispersion sympy.polys.distributedmodules
    sympy.polys.domains.old_fractionfield sympy.polys.domains.old_polynomialring
    sympy.polys.domains.quotientring sympy.polys.numberfields.resolvent_lookup
    sympy.sets.handlers.add sympy.sets.handlers.functions sympy.sets.handlers.issubset
    sympy.sets.handlers.mul sympy.sets.handlers.power sympy.sets.setexpr
"""
BLOCKED = """
    ctypes _ctypes _multiprocessing _posixsubprocess
    _testbuffer _testcapi _testclinic _testexternalinspection _testinternalcapi _testlimitedcapi
    _testmultiphase _testsinglephase _interpchannels _interpqueues _interpreters
    _xxinterpchannels _xxsubinterpreters _xxtestfuzz
"""
"""Modules that call machine code, change the interpreter or start processes; some interpreters
contain them. A rule needs none of them."""

NOT_MADE = "_crypt _curses _curses_panel _dbm _gdbm _sqlite3 _ssl _tkinter readline"
"""Modules that some interpreters contain, which load or start too much."""


def import_all(base: str, folders: Sequence[str], archive: int | None) -> None:
    """Imports the fixed list; from then on, this process imports from memory only.

    Args:
        base: bare, standard or science; each includes the one before.
        folders: The folders that contain numpy and sympy.
        archive: Descriptor of what ``library.archive`` returned; None for bare.
    """
    names = BARE_MODULES.split()
    # What is part of the interpreter; nothing makes it later (see _refuse_to_make).
    names += sorted(set(sys.builtin_module_names) - set(BLOCKED.split()) - set(NOT_MADE.split()))
    if base != "bare":
        names += STANDARD_MODULES.split()
    if base == "science":
        sys.meta_path.append(_FolderFinder(folders))
        names += SCIENCE_MODULES.split()
    for name in names:
        # sympy's submodules differ between releases.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if (numpy := sys.modules.get("numpy")) is not None:
        # `from numpy import *` imports whatever is named here.
        vars(numpy)["__all__"] = [one for one in vars(numpy)["__all__"] if one != "f2py"]
    _block()
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]
    if archive is not None:
        sys.meta_path.append(MemoryFinder(archive))
    sys.path_hooks.clear()
    sys.path_importer_cache.clear()
    # The first compilation creates the compiler's own types, which takes a millisecond.
    compile("def f(x): return x", "<first>", "exec")


class MemoryFinder:
    """Finds and loads modules in an anonymous file, as ``library.archive`` writes it.

    The file starts with the length of its index as 8 bytes. The index maps a module's name to the
    start and the end of its code, and says whether it is a package and whether it is compiled.
    """

    def __init__(self, archive: int) -> None:
        # Private, so that a child that makes its memory writable changes only its own copy.
        self._content = mmap.mmap(archive, 0, mmap.MAP_PRIVATE, mmap.PROT_READ)
        self._index: dict[str, tuple[int, int, bool, bool]] = {}
        self._start = 0

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Returns the spec of a module in the archive, or None."""
        if not self._index:  # by the first child that needs it, so that others need not copy it
            (size,) = struct.unpack_from("<Q", self._content)
            self._start = 8 + size
            self._index = marshal.loads(self._content[8 : self._start])  # noqa: S302 - the parent's
        if name not in self._index:
            return None
        loader: Any = self
        return ModuleSpec(name, loader, origin=f"<{name}>", is_package=self._index[name][2])

    def create_module(self, spec: ModuleSpec) -> None:
        """Leaves the creation of the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module's code."""
        start, stop, _, compiled = self._index[module.__name__]
        content = self._content[self._start + start : self._start + stop]
        # Some modules look for their files; there are none.
        module.__file__ = f"/{module.__name__}"
        if compiled:
            code = marshal.loads(content)  # noqa: S302 - the parent wrote it
        else:
            code = compile(content, module.__file__, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - an installed module


class _FolderFinder:
    """Finds packages in the given folders, after all other finders."""

    def __init__(self, folders: Sequence[str]) -> None:
        self.folders = folders

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Returns the spec of a top-level package in the folders, or None."""
        return PathFinder.find_spec(name, self.folders) if path is None else None

    def find_distributions(self, context: DistributionFinder.Context) -> Iterable[Distribution]:
        """Returns the distributions in the folders; gmpy2 looks up its own version."""
        # Large, and only needed here.
        from importlib.metadata import DistributionFinder, MetadataPathFinder

        places = DistributionFinder.Context(name=context.name, path=list(self.folders))
        return MetadataPathFinder.find_distributions(places)


def _block() -> None:
    """Makes the blocked modules impossible to import, and takes them from modules that use them."""
    blocked = set(BLOCKED.split())
    loaded = {n for n in sys.modules if n in blocked or n.partition(".")[0] in blocked}
    modules = [sys.modules[name] for name in loaded]
    for name, module in list(sys.modules.items()):
        if name not in loaded and not name.startswith("llm_erm"):
            for attribute, value in list(vars(module).items()):
                if any(value is one for one in modules):
                    setattr(module, attribute, None)
    for name in blocked | loaded:
        sys.modules[name] = None  # type: ignore[assignment]  # how Python spells "not importable"
    _refuse_to_make()


def _refuse_to_make() -> None:
    """Keeps Python from making a module once more, such as one that was blocked or changed here."""

    def refuse(spec: ModuleSpec, file: object = None) -> ModuleType:
        raise ImportError(f"{spec.name} cannot be imported here", name=spec.name)

    _imp.create_builtin = _imp.create_dynamic = refuse
