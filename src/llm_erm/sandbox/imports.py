"""What a zygote imports before it loses access to the file system.

A child cannot open files, so a program can only import modules that its zygote has imported.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False  # typing is large, and everything imported here is copied with every child
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import Distribution, DistributionFinder

# Modules that the interpreter imports by itself, for programs without an import statement.
BARE_MODULES = """
    encodings.ascii encodings.cp437 encodings.latin_1 encodings.utf_16 encodings.utf_16_le
    encodings.utf_32 encodings.utf_8_sig warnings
"""
STANDARD_MODULES = """
    __future__ abc array ast base64 binascii bisect calendar cmath codecs collections
    collections.abc colorsys contextlib copy csv ctypes dataclasses datetime decimal difflib
    encodings.hex_codec encodings.idna encodings.rot_13 enum errno fractions functools gc graphlib
    hashlib heapq hmac html inspect io itertools json keyword math numbers operator os pathlib
    pickle pprint queue random re reprlib secrets signal statistics string struct sys textwrap
    threading time timeit tokenize traceback types typing unicodedata uuid warnings weakref zlib
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


class FolderFinder:
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


def import_all(base: str, folders: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Imports the modules that every program may use and those that one program requests.

    Args:
        base: bare, standard or science; each includes the one before.
        folders: The folders that contain numpy and sympy.
        wanted: Further modules; those that do not exist are skipped.

    Returns:
        The names of all modules that are now imported.
    """
    names = BARE_MODULES.split()
    if base != "bare":
        names += STANDARD_MODULES.split()
    if base == "science":
        sys.meta_path.append(FolderFinder(folders))
        names += SCIENCE_MODULES.split()
    for name in [*names, *wanted]:
        # sympy's submodules differ between releases.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    # The first compilation creates the compiler's own types, which takes a millisecond.
    compile("def f(x): return x", "<first>", "exec")
    return sorted(sys.modules)
