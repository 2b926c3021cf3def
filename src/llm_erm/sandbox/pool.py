"""Keeps idle zygotes and chooses the right one for a program."""

import re
import sys
import threading
from dataclasses import replace

from llm_erm.errors import LLMERMError
from llm_erm.sandbox.process import ZygoteKind, ZygoteProcess

SCIENCE_WORDS = re.compile(r"\b(numpy|sympy|mpmath|gmpy2)\b")
SCIENCE_PACKAGES = frozenset({"numpy", "sympy", "mpmath", "gmpy2"})
# Named characters make the compiler import unicodedata, and a codec may be in any module.
NEEDS_LIBRARY = re.compile(r"import|encod|decod|\\N\{")
IMPORTS = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+(.+)$", re.MULTILINE)
NAME = re.compile(r"[\w.]+")
# A zygote imports before it is isolated, so it must not import modules with side effects.
NEVER_IMPORTED = frozenset(
    {"antigravity", "benchmarks", "idlelib", "test", "testing", "tests", "turtledemo"}
)
MAX_MODULES = 20


class Pool:
    """The idle zygotes; safe to share between threads."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._idle: list[ZygoteProcess] = []
        self._modules: dict[ZygoteKind, frozenset[str]] = {}
        self._closed = False
        first = ZygoteProcess(ZygoteKind())
        self.level = first.level
        self.missing = first.missing
        self._modules[first.kind] = first.modules
        self.give_back(first)

    def take(self, source: str, hash_seed: int = 0) -> ZygoteProcess:
        """Returns a zygote that has imported the modules that the program imports."""
        plain = ZygoteKind(base_for(source), hash_seed=hash_seed)
        if plain not in self._modules:
            self.give_back(self._start(plain))
        kind = replace(plain, modules=wanted_modules(source, self._modules[plain]))
        return self._idle_one(kind) or self._start(kind)

    def _idle_one(self, kind: ZygoteKind) -> ZygoteProcess | None:
        with self._lock:
            if self._closed:
                raise LLMERMError("The sandbox is closed; open a new one to run programs.")
            for zygote in reversed(self._idle):
                if zygote.kind == kind:
                    self._idle.remove(zygote)
                    return zygote
        return None

    def _start(self, kind: ZygoteKind) -> ZygoteProcess:
        zygote = ZygoteProcess(kind)
        if zygote.level != self.level:
            zygote.close()
            raise LLMERMError(
                f"A process of the sandbox has isolation {zygote.level}, but {self.level} was "
                "found at the start: the machine's rules have changed; start the run again."
            )
        self._modules[kind] = zygote.modules
        return zygote

    def give_back(self, zygote: ZygoteProcess) -> None:
        """Keeps a zygote for later; if there are too many, ends the one that was idle longest."""
        surplus = [zygote]
        with self._lock:
            if not self._closed:
                self._idle.append(zygote)
                surplus = [self._idle.pop(0)] if len(self._idle) > 4 * self._workers else []
        for unused in surplus:
            unused.close()

    def close(self) -> None:
        """Ends every idle zygote; those in use end when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for zygote in idle:
            zygote.close()


def base_for(source: str) -> str:
    """Returns the smallest, and so fastest, set of base modules that a program needs."""
    if SCIENCE_WORDS.search(source):
        return "science"
    return "standard" if NEEDS_LIBRARY.search(source) else "bare"


def wanted_modules(source: str, present: frozenset[str]) -> tuple[str, ...]:
    """Returns modules of the standard library, numpy and sympy that a program needs in addition."""
    wanted = set()
    for package, names in IMPORTS.findall(source):
        listed = [part.split()[0] for part in re.split(r"[,(]", names) if part.split()]
        listed = [name for name in listed if NAME.fullmatch(name)]
        if package and package not in present:
            wanted.update([package, *(f"{package}.{name}" for name in listed)])
        elif not package:
            wanted.update(name for name in listed if name not in present)
    known = sys.stdlib_module_names | SCIENCE_PACKAGES
    found = [
        name
        for name in wanted
        if name.partition(".")[0] in known
        and "__" not in name
        and NEVER_IMPORTED.isdisjoint(name.split("."))
    ]
    return tuple(sorted(found)[:MAX_MODULES])
