"""Compiles inner loops, and keeps their machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compiles a function on its first call and caches the machine code on disk.

    Numba keeps it beside the function's file, or in the user's cache folder if that is not
    writable, for each kind of processor by itself. If no folder can be written, every process
    compiles anew.
    """
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no place for a cache
        compiled = numba.njit(nogil=True)(function)
    return cast(Function, compiled)


@intrinsic
def _bits_set(_context: Any, word: Any) -> Any:  # noqa: ANN401 - numba's own types
    """Number of bits set, as one machine instruction."""

    def emit(_: Any, builder: Any, __: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


bits_set = cast("Callable[[Any], Any]", _bits_set)
"""Number of bits set of a 64-bit word; for use in kernels."""
