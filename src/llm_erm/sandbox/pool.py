"""Keeps idle zygotes and chooses the right one for a program."""

import re
import threading

from llm_erm.errors import LLMERMError
from llm_erm.sandbox.process import ZygoteKind, ZygoteProcess

SCIENCE_WORDS = re.compile(r"\b(numpy|sympy|mpmath|gmpy2)\b")
# Named characters make the compiler import unicodedata, and a codec may be in any module.
NEEDS_LIBRARY = re.compile(r"import|encod|decod|\\N\{")


class Pool:
    """The idle zygotes; safe to share between threads."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._idle: list[ZygoteProcess] = []
        self._busy: set[ZygoteProcess] = set()
        self._closed = False
        first = ZygoteProcess(ZygoteKind())
        self.level = first.level
        self.missing = first.missing
        self.room = first.room
        self.give_back(first)

    def take(self, source: str, hash_seed: int = 0) -> ZygoteProcess:
        """Returns a zygote from which the program can import what its text mentions."""
        kind = ZygoteKind(base_for(source), hash_seed=hash_seed)
        zygote = self._idle_one(kind) or self._start(kind)
        with self._lock:
            self._busy.add(zygote)
            closed = self._closed
        if closed:  # meanwhile
            zygote.interrupt()
        return zygote

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
        return zygote

    def give_back(self, zygote: ZygoteProcess) -> None:
        """Keeps a zygote for later; if there are too many, ends the one that was idle longest."""
        surplus = [zygote]
        with self._lock:
            self._busy.discard(zygote)
            if not self._closed:
                self._idle.append(zygote)
                surplus = [self._idle.pop(0)] if len(self._idle) > 4 * self._workers else []
        for unused in surplus:
            unused.close()

    def end(self, zygote: ZygoteProcess) -> None:
        """Ends a zygote that was in use."""
        with self._lock:
            self._busy.discard(zygote)
        zygote.close()

    def close(self) -> None:
        """Ends every zygote; what runs in one ends at once, without an answer."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for zygote in self._busy:
                zygote.interrupt()
        for zygote in idle:
            zygote.close()


def base_for(source: str) -> str:
    """Returns the smallest, and so fastest, set of base modules that a program needs."""
    if SCIENCE_WORDS.search(source):
        return "science"
    return "standard" if NEEDS_LIBRARY.search(source) else "bare"
