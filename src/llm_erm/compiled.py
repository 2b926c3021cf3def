"""Compiles inner loops, and keeps their machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

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
