"""The child: loads one candidate, calls it on each input, writes one byte per input, and exits.

It runs untrusted code in this very process, so nothing here provides security: the limits and
filters applied before the source is compiled determine what the candidate may do, and everything
in the shared map is treated as the candidate's own claim. This is the only module that may catch
all exceptions.
"""

from __future__ import annotations

import ast
import functools
import gc
import itertools
import marshal
import math
import os
import struct
import sys
import time
import types

from llm_erm.sandbox import protocol

TYPE_CHECKING = False  # typing is large, and everything imported here is copied with every child
if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

MODULE = "candidate"
RECURSION_LIMIT = sys.getrecursionlimit()
NUMBERS = frozenset({"builtins", "decimal", "fractions", "gmpy2", "mpmath", "numpy", "sympy"})
"""Modules whose objects may equal a label; ``builtins`` stands for complex numbers."""
SEND_SECONDS = 0.005
"""Longest delay of a sent map behind the calls, and so of the enforcement of limits."""

_exit = os._exit
_clock = time.perf_counter
_cpu_seconds = time.process_time


class Report:
    """Writes outcomes and exceptions into the head of the map."""

    def __init__(
        self,
        out: mmap.mmap | bytearray,
        labels: tuple[int | str, ...] | None,
        count: int,
        send: Callable[[Any], object] | None,
    ) -> None:
        self.out = out
        self.send = send
        self.floats = protocol.HEADER_BYTES + count
        self.labels = labels or ()
        self.places: dict[object, int] = {}
        self.invalid = 0

    def finish(self, outcome: str, message: str | None = None) -> NoReturn:
        """Claims an outcome and ends the process without running any more Python."""
        if message is not None:
            self.note(message)
        self.out[0] = protocol.OUTCOMES.index(outcome)
        if self.send is not None:
            self.send(self.out)
        _exit(0)

    def note(self, message: str) -> None:
        """Writes a message in place of any earlier one."""
        text = message[: protocol.MESSAGE_BYTES].encode("utf-8", "replace")
        text = text[: protocol.MESSAGE_BYTES]
        self.out[protocol.MESSAGE_OFFSET : protocol.MESSAGE_OFFSET + len(text)] = text
        struct.pack_into("<I", self.out, 4, len(text))

    def skip(self, message: Callable[[], str]) -> None:
        """Counts an input without a prediction; only the first one's message is kept."""
        self.invalid += 1
        struct.pack_into("<Q", self.out, protocol.INVALID_COUNT_OFFSET, self.invalid)
        if self.invalid == 1:
            self.note(message())

    def failed(self, error: BaseException) -> None:
        """Counts an input on which the function raised; a MemoryError ends the candidate."""
        if isinstance(error, MemoryError):
            self.finish("memory", "MemoryError: the memory limit was reached")
        self.skip(lambda: describe(error))

    def convert(self, slot: int, result: object) -> None:
        """Writes the index of the label that a result equals; see ``execution.Outputs``."""
        try:
            plain = _scalar(result)
            places = self.places or self._place_labels()
            # Numbers that are equal have the same hash, whatever their types. A class of the
            # candidate's own counts as the type that it extends, whatever its methods say.
            if isinstance(plain, str):
                plain = str.__str__(plain)
            elif isinstance(plain, int):
                plain = int.__int__(plain)
            elif isinstance(plain, float):
                plain = float.__float__(plain)
            elif _library(plain) not in NUMBERS:
                raise KeyError
            self.out[slot] = places[plain]
        except MemoryError as error:
            self.failed(error)
        except BaseException:  # noqa: BLE001 - the result is an object of the candidate's making
            self.skip(lambda: f"returned {_shown(result)}, which is no label")

    def _place_labels(self) -> dict[object, int]:
        """Returns the indices of the labels by value and by text; made when first needed."""
        self.places = {str(x): i for i, x in reversed(list(enumerate(self.labels)))}
        self.places |= {x: i for i, x in enumerate(self.labels) if not isinstance(x, str)}
        return self.places

    def convert_float(self, slot: int, result: object) -> None:
        """Writes a finite number and marks the input as predicted."""
        try:
            plain = _scalar(result)
            if isinstance(plain, str | bytes | bytearray):
                raise TypeError
            value = float(plain)
            if not math.isfinite(value):
                raise ValueError
            place = self.floats + 8 * (slot - protocol.HEADER_BYTES)
            struct.pack_into("<d", self.out, place, value)
            self.out[slot] = 0
        except MemoryError as error:
            self.failed(error)
        except BaseException:  # noqa: BLE001 - the result is an object of the candidate's making
            self.skip(lambda: f"returned {_shown(result)}, which is no finite number")


def _scalar(result: Any) -> Any:  # noqa: ANN401 - whatever a candidate returns
    """Returns the one element of an array, and a truth or float of sympy, as a Python object."""
    match _library(result):
        case "numpy" | "torch":
            return result.item() if math.prod(result.shape) == 1 else result
        case "sympy" if result.is_Boolean:
            return bool(result)
        case "sympy" if result.is_Float:  # equal to no integer there
            return float(result)
    return result


def _library(result: object) -> str:
    return type(result).__module__.partition(".")[0]


def _shown(result: object) -> str:
    """Returns a result as it is written, with its type unless Python's own types show theirs."""
    try:
        kind, shown = type(result), repr(result)[:80]
        told = kind.__module__ in ("builtins", "numpy") or kind.__qualname__ in shown
        return shown if told else f"{shown} ({kind.__module__}.{kind.__qualname__})"
    except BaseException:  # noqa: BLE001 - a candidate's __repr__ may do anything
        return "something that cannot be shown"


def describe(error: BaseException) -> str:
    """Returns the exception's name and text, whatever its methods do."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - a candidate's __str__ may do anything
        return "an exception that cannot be shown"


def run(
    job: mmap.mmap | bytes,
    out: mmap.mmap | bytearray,
    send: Callable[[Any], object] | None = None,
) -> NoReturn:
    """Loads and calls the candidate of one job; never returns.

    Args:
        job: The output of ``payload.pack_job``.
        out: The map of outcomes and predictions.
        send: Sends the map to the parent; None if the parent shares its memory.
    """
    try:
        start = protocol.JOB.size + protocol.JOB.unpack_from(job)[0]
        described = job[protocol.JOB.size : start]
        labels, count, seed, source, groups = marshal.loads(described)  # noqa: S302 - the parent's
        report = Report(out, labels, count, send)
        # No variable of any frame may hold the inputs once the calls begin.
        decode = functools.partial(_decode, memoryview(job)[start:])
        hidden: list[Iterator[Any]] = [itertools.chain.from_iterable(map(decode, groups))]
        if send is not None:
            hidden = [_sending(hidden.pop(), out, send)]
        del job, decode, groups
        _prepare(seed)
        function = _load(source.decode("utf-8", "surrogatepass"), report)
        # Under a CPU limit of the machine, the kernel's clock only advances every few milliseconds.
        loaded = _cpu_seconds() or protocol.LEAST_LOAD_SECONDS
        struct.pack_into("<d", out, protocol.LOAD_SECONDS_OFFSET, loaded)
        gc.freeze()
        gc.enable()
        if labels is None:
            _call_each(function, hidden, out, report.failed, report.convert_float, direct=False)
        else:
            direct = list(labels) == list(range(len(labels)))
            _call_each(function, hidden, out, report.failed, report.convert, direct=direct)
        report.finish("ok")
    finally:
        _exit(1)


def _decode(texts: memoryview, group: tuple[int, int] | list[Any]) -> list[Any]:
    """Returns one group of inputs.

    Decoding group by group is faster, since memory is reused, and inputs to come are not yet
    objects that a call could find.
    """
    if isinstance(group, list):
        return group
    start, stop = group
    return str(texts[start:stop], "utf-8", "surrogatepass").split("\n")


def _sending(
    inputs: Iterator[Any], out: mmap.mmap | bytearray, send: Callable[[Any], object]
) -> Iterator[Any]:
    """Yields the inputs and sends the map from time to time between two of them."""
    sent = -math.inf
    for x in inputs:
        if _clock() > sent + SEND_SECONDS:
            send(out)
            sent = _clock()
        yield x


def hide_objects() -> None:
    """Removes what finds objects in the heap; called before the first job."""
    for name in ("get_objects", "get_referents", "get_referrers", "unfreeze"):
        delattr(gc, name)


def hide_machine(machine: str) -> None:
    """Removes the machine's name; called before anything could ask for it and keep the answer."""
    named = os.uname_result((sys.platform.capitalize(), "sandbox", "", "", machine))
    for name in ("os", "posix"):
        if name in sys.modules:
            setattr(sys.modules[name], "uname", lambda: named)  # noqa: B010 - two modules


def _prepare(seed: int) -> None:
    """Seeds random numbers, so that every execution is the same."""
    if (random := sys.modules.get("random")) is not None:
        random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed)
    depth = 0
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    # The candidate may recurse as deeply as in a module run directly.
    sys.setrecursionlimit(RECURSION_LIMIT + depth)


def _load(source: str, report: Report) -> Callable[[Any], object]:
    """Runs the module and returns its function, or exits with the reason that there is none."""
    try:
        code = compile(source, "<candidate>", "exec", dont_inherit=True)
    except MemoryError as error:
        report.finish("memory", describe(error))
    except BaseException as error:  # noqa: BLE001 - the compiler reads untrusted text here
        report.finish("syntax_error", describe(error))
    # A single namespace, as in any module, so that functions see imports, constants and helpers;
    # registered, since dataclasses and enums look up their module by name.
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - running the candidate is the purpose
        function = _entry_point(source, module.__dict__)
    except MemoryError:
        report.finish("memory", "MemoryError: the memory limit was reached")
    except PermissionError as error:
        report.finish("forbidden", describe(error))
    except BaseException as error:  # noqa: BLE001 - a candidate may raise anything
        report.finish("load_error", describe(error))
    if function is None:
        report.finish("no_function", "there is no function f and no other single function")
    return function


def _entry_point(source: str, names: dict[str, Any]) -> Callable[[Any], object] | None:
    """Returns ``f``, or else the only function (or only lambda) of the module, or None."""
    named: Callable[[Any], object] | None = names.get("f")
    if callable(named):
        return named
    functions, lambdas = [], []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            functions.append(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            lambdas += [target.id for target in node.targets if isinstance(target, ast.Name)]
    found = [names.get(name) for name in dict.fromkeys(functions or lambdas)]
    return found[0] if len(found) == 1 and callable(found[0]) else None


def _call_each(
    call: Callable[[Any], Any],
    hidden: list[Iterator[Any]],
    out: mmap.mmap | bytearray,
    failed: Callable[[BaseException], None],
    convert: Callable[[int, object], None],
    *,
    direct: bool,
) -> None:
    """Calls the function on each input; no variable of any frame holds the inputs to come."""
    if direct:
        for slot, x in enumerate(hidden.pop(), protocol.HEADER_BYTES):
            try:
                result = call(x)
            except BaseException as error:  # noqa: BLE001 - a candidate may raise anything
                failed(error)
                continue
            kind = type(result)
            if kind is int or kind is bool:  # anything else may say what it is equal to
                try:
                    out[slot] = result
                    continue
                except (OverflowError, TypeError, ValueError):  # it fits into no byte
                    pass
            convert(slot, result)
        return
    for slot, x in enumerate(hidden.pop(), protocol.HEADER_BYTES):
        try:
            result = call(x)
        except BaseException as error:  # noqa: BLE001 - a candidate may raise anything
            failed(error)
            continue
        convert(slot, result)
