"""Parses Python programs, from any thread."""

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def parse(source: str) -> ast.Module:
    """Returns the syntax tree of a program; ``ast.parse`` for programs that run in threads.

    Up to CPython 3.12, threads share the counter of nesting in ``ast.parse``. If a thread gets its
    turn while another one parses, both can fail with ``SystemError``.

    Raises:
        SyntaxError: It is not valid Python.
        ValueError: It contains a null byte.
        RecursionError: It is nested too deeply; so is ``MemoryError``.
    """
    with _ONE_AT_A_TIME:
        return ast.parse(source)
