"""What a parsed program defines, what it lacks, and which of its functions is the answer.

It is used on untrusted text in another process (``bounded.py``), so it needs nothing but the
standard library.
"""

import ast
import builtins
from collections.abc import Iterator
from enum import IntEnum

_BUILTINS = {*dir(builtins), "__name__", "__file__", "__doc__"}
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_TARGETS = ("targets", "target", "items", "names", "pattern")


class Standing(IntEnum):
    """How well a program fits what was asked for, from worst to best."""

    NOTHING = 0
    """It defines no function but tests."""
    DOUBTFUL = 1
    """Its function cannot be called with one argument, or returns nothing, as a stub."""
    FUNCTION = 2
    """One of its functions is the answer under another name than ``f``."""
    F = 3
    """It defines ``f``."""


def standing(tree: ast.Module) -> Standing:
    """Returns how well a program fits what was asked for."""
    functions = _functions(tree.body)
    if "f" in defined(tree):
        named = functions.get("f")
        return Standing.F if named is None or _is_answer(named) else Standing.DOUBTFUL
    if answer(tree) is not None:
        return Standing.FUNCTION
    doubtful = any(not name.startswith("test") for name in functions)
    return Standing.DOUBTFUL if doubtful else Standing.NOTHING


def answer(tree: ast.Module) -> str | None:
    """Returns an expression for the function that answers in a program without ``f``, or None.

    It takes one argument, returns something and is no test. Of several, it is the one that no other
    uses. Without any, it may be the only such method of the only class.
    """
    functions = _candidates(tree.body)
    by_def: dict[str, _Function] = {
        name: one for name, one in functions.items() if not isinstance(one, ast.Lambda)
    }
    if (name := _root(by_def or functions)) is not None:
        return name
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if functions or len(classes) != 1:
        return None
    method = _root(_candidates(classes[0].body, bound=True))
    return None if method is None else f"{classes[0].name}().{method}"


def is_found(tree: ast.Module) -> bool:
    """Returns whether the sandbox finds the function by itself: ``f``, or the only one."""
    if "f" in defined(tree):
        return True
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    lambdas = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return len(functions or lambdas) == 1


def defined(tree: ast.Module) -> set[str]:
    """Returns the names that running a program defines at its top level."""
    return {name for statement in _in_scope(tree) for name in _bound_in(statement)}


def missing(tree: ast.Module) -> set[str]:
    """Returns the names that a program uses and neither it nor Python defines."""
    nodes = list(ast.walk(tree))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    return used - {name for node in nodes for name in _bound_by(node)} - _BUILTINS


def _in_scope(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields the statements below a node, but not within another scope, nor any expressions."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        for child in (each for field in _BODIES for each in getattr(node, field, ())):
            yield child
            if not isinstance(child, _DEFINITIONS):
                waiting.append(child)


def _bound_in(statement: ast.AST) -> Iterator[str]:
    """Yields the names that a statement itself binds, except those within its expressions."""
    yield from _bound_by(statement)
    for field in _TARGETS:
        value = getattr(statement, field, ())
        for target in value if isinstance(value, list | tuple) else (value,):
            if isinstance(target, ast.AST):  # names of nonlocal and global are text
                yield from (name for node in ast.walk(target) for name in _bound_by(node))


def _bound_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return [name]
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.alias(name=name, asname=other):
            return [other or name.partition(".")[0]]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
    return []


def _functions(body: list[ast.stmt]) -> dict[str, _Function]:
    found: dict[str, _Function] = {}
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found[node.name] = node
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as value):
                found[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Lambda() as value):
                found[name] = value
    return found


def _candidates(body: list[ast.stmt], *, bound: bool = False) -> dict[str, _Function]:
    return {
        name: function
        for name, function in _functions(body).items()
        if not name.startswith(("test", "_")) and _is_answer(function, bound=bound)
    }


def _root(functions: dict[str, _Function]) -> str | None:
    """Returns the only function that no other one uses, or None."""
    uses = {name: _names_in(function) for name, function in functions.items()}
    roots = [n for n in functions if not any(n in uses[other] for other in functions if other != n)]
    return roots[0] if len(roots) == 1 else None


def _names_in(node: ast.AST) -> set[str]:
    below = list(ast.walk(node))
    names = {each.id for each in below if isinstance(each, ast.Name)}
    return names | {each.attr for each in below if isinstance(each, ast.Attribute)}


def _is_answer(function: _Function, *, bound: bool = False) -> bool:
    """Returns whether a function can be called with one argument and returns something."""
    if isinstance(function, ast.AsyncFunctionDef):
        return False
    given = function.args
    takes = len(given.posonlyargs) + len(given.args)
    if isinstance(function, ast.FunctionDef):
        if not any(map(_returns, _in_scope(function))):
            return False
        marks = {mark.id for mark in function.decorator_list if isinstance(mark, ast.Name)}
        takes -= bound and "staticmethod" not in marks
    required = takes - len(given.defaults)
    keywords = any(default is None for default in given.kw_defaults)
    return required <= 1 <= (takes or (given.vararg is not None)) and not keywords


def _returns(node: ast.AST) -> bool:
    match node:
        case ast.Return(value=None | ast.Constant(value=None)):
            return False
    return isinstance(node, ast.Return)
