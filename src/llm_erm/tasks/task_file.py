"""Users' own tasks, each a Python file that need not import this package.

The file defines, at module level:

- ``rule(x)``: returns the true label of an input, 0 or 1;
- ``sample(rng, length)``: returns one random input, a string of one line; or ``sample(rng, length,
  label)``: returns one of that label. ``rng`` is a ``numpy.random.RandomState``, the only source of
  randomness allowed;
- ``lengths``: a tuple of the integer lengths to run at. Data of one length are also tested at the
  others (length shift);
- optionally ``name`` (default: the file's name), ``kind`` ("binary", "decimal" or "text", the
  default) and ``description`` (when the label is 1, in one line);
- ``uniform = True`` if all inputs of a class are equally likely. Otherwise data in which ``sample``
  repeated itself carry no certificate;
- ``bits``: the description length of the rule, as enumeration counts it, if it is known.

Both classes are drawn from ``sample`` by rejection. The file runs in this process, so it must be
trusted. It may import installed packages, but not the files next to it.
"""

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.random import RandomState

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks.files import input_pattern
from llm_erm.tasks.samplers import RAREST
from llm_erm.tasks.suite import IDS, TASKS, at_least
from llm_erm.tasks.task import MAX_LENGTH, Kind, Task, describe_inputs

_KINDS: tuple[Kind, ...] = ("binary", "decimal", "text")


def load_task_file(path: Path) -> Task:
    """Returns the task that a user's file defines; its id is its name.

    Raises:
        InputError: If the file cannot be read or run, or a definition is missing or not as
            described above; later, from the task itself, if ``rule`` or ``sample`` fails or
            returns something invalid.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Cannot read the task file {path}: {error.strerror}; "
            f"{advice(error, path, 'name a Python file')}."
        ) from error
    return _task_in(path, source)


@lru_cache(maxsize=64)
def _task_in(path: Path, source: bytes) -> Task:
    """Returns the task in a file of these contents, which are run once per process."""
    module = _run(path, source)
    for part in ("rule", "sample"):
        if not callable(getattr(module, part, None)):
            raise InputError(f"{path} does not define the function {part}; a task file needs it.")
    lengths = getattr(module, "lengths", None)
    if not isinstance(lengths, list | tuple) or not lengths or not all(map(_is_length, lengths)):
        raise InputError(
            f"{path}: lengths is {lengths!r:.60}; it must be a tuple of integers from 1 to "
            f"{MAX_LENGTH}, such as (20, 50)"
        )
    name = getattr(module, "name", path.stem)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise InputError(
            f"{path}: name is {name!r}, which cannot name a folder; use letters, digits, - and _."
        )
    if name in TASKS or name in IDS:
        raise InputError(f"{path}: the suite already has a task {name!r}; set another name.")
    kind = getattr(module, "kind", "text")
    if kind not in _KINDS:
        raise InputError(f"{path}: kind is {kind!r}; choose one of {', '.join(_KINDS)}")
    bits = getattr(module, "bits", None)
    if bits is not None and not _is_positive(bits):
        raise InputError(f"{path}: bits is {bits!r:.60}; it must be a number above 0, such as 24.")
    functions = _TaskFunctions(path, module.rule, module.sample, kind)
    usual = tuple(lengths)
    return Task(
        id=name,
        name=name,
        kind=kind,
        computes=" ".join(str(getattr(module, "description", "")).split()),
        lengths=usual,
        why_not=at_least(1),
        label=functions.label,
        draw=functions.draw,
        shift=lambda length: {n: functions.draw for n in usual if n != length},
        uniform=bool(getattr(module, "uniform", False)),
        source=path,
        bits=None if bits is None else float(bits),
    )


def _is_length(length: object) -> bool:
    return isinstance(length, int) and not isinstance(length, bool) and 1 <= length <= MAX_LENGTH


def _is_positive(number: object) -> bool:
    return (
        isinstance(number, int | float)
        and not isinstance(number, bool)
        and 0 < number < float("inf")
    )


def _run(path: Path, source: bytes) -> ModuleType:
    module = ModuleType(f"llm_erm_task_file_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look up their module there
    try:
        code = SourceFileLoader(path.stem, str(path)).source_to_code(source, str(path))
        exec(code, module.__dict__)  # noqa: S102 - the user's own file, as trusted as an import
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        raise _failure(path, "the file", error) from error
    return module


def _failure(path: Path, part: str, error: BaseException) -> InputError:
    """Returns an error that says which line of the user's file raised ``error``."""
    numbers = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)
    ]
    number = error.lineno if isinstance(error, SyntaxError) else numbers[-1] if numbers else None
    line = f", line {number}" if number else ""
    advice = (
        "a task file may import installed packages, but not the files next to it"
        if isinstance(error, ImportError)
        else "fix the file"
    )
    said = error.msg if isinstance(error, SyntaxError) else error  # the line is named already
    return InputError(f"{path}{line}: {part} fails with {type(error).__name__}: {said}; {advice}.")


@dataclass(frozen=True)
class _TaskFunctions:
    """The user's functions, with their results checked."""

    path: Path
    rule: Callable[[str], Any]
    sample: Callable[..., Any]
    kind: Kind

    def label(self, inputs: Sequence[str]) -> list[int]:
        return [self._label(x) for x in inputs]

    def _label(self, x: str) -> int:
        try:
            label = self.rule(x)
        except (Exception, SystemExit) as error:
            raise _failure(self.path, f"rule({x!r:.60})", error) from error
        if not isinstance(label, int | np.integer | np.bool_) or label not in (0, 1):
            raise InputError(
                f"{self.path}: rule({x!r:.60}) returns {label!r:.60}; it must return 0 or 1."
            )
        return int(label)

    def draw(
        self, rng: RandomState, length: int, counts: tuple[int, int]
    ) -> tuple[list[str], list[str]]:
        classes: tuple[list[str], list[str]] = ([], [])
        for label in (0, 1):
            calls = 0
            while len(classes[label]) < counts[label]:
                # Of a class at the limit, so many calls miss every input once in 10^8 times.
                enough = counts[label] + 10 if classes[label] else 20
                if calls >= RAREST * enough:
                    raise InputError(
                        f"{self.path}: {calls:,} calls of sample at length "
                        f"{length} returned {counted(len(classes[label]), 'input')} of label "
                        f"{label} of the {counts[label]:,} needed; define "
                        "sample(rng, length, label) so that it draws an input of the given label."
                    )
                calls += 1
                x = self._sample(rng, length, label)
                classes[self._label(x)].append(x)
        return classes[0][: counts[0]], classes[1][: counts[1]]

    @cached_property
    def _takes_label(self) -> bool:
        return "label" in inspect.signature(self.sample).parameters

    def _sample(self, rng: RandomState, length: int, label: int) -> str:
        try:
            x = self.sample(rng, length, label) if self._takes_label else self.sample(rng, length)
        except (Exception, SystemExit) as error:
            raise _failure(self.path, f"sample(rng, {length})", error) from error
        pattern = input_pattern(self.kind, length)
        if not isinstance(x, str) or not re.fullmatch(pattern, x) or not _is_utf8(x):
            raise InputError(
                f"{self.path}: sample(rng, {length}) returns {x!r:.60}; "
                f"{_inputs(self.kind, length)}."
            )
        if "\r" in x or x.startswith("\ufeff"):
            raise InputError(
                f"{self.path}: sample(rng, {length}) returns {x!r:.60}; an input must not contain "
                "a carriage return or begin with a byte-order mark, which no data file keeps."
            )
        return str(x)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _inputs(kind: Kind, length: int) -> str:
    """Returns what an input of a kind is, as the end of a message."""
    what = "a line of text" if kind == "text" else describe_inputs(kind, length).partition(";")[0]
    return f"a {kind} input is {what}"
