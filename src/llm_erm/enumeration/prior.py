"""Prices from a language model's proposals, in the manner of HYSYNTH (NeurIPS 2024).

A run of `llm-erm synthesize` whose answers were constrained to ``grammar.py`` holds expressions
that the model thought likely. Those that the language can say are read as trees; how often a
production is the argument of another, mixed with a uniform share for each, is its price there.
"""

import ast
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from llm_erm.enumeration.costs import ROOT, Costs, Place
from llm_erm.enumeration.language import InputKind, Sort, productions_for
from llm_erm.enumeration.parsing import to_term
from llm_erm.enumeration.terms import Term
from llm_erm.errors import InputError
from llm_erm.journal import lines_of

UNIT = 2
"""Prices are rounded to parts of a bit: halves."""

SMOOTHING = 1.0
"""Proposals' worth of evidence that each production starts with, the same everywhere."""


def proposed(folder: Path) -> list[str]:
    """Returns the sources that a run proposed, repetitions included.

    Raises:
        InputError: The folder holds no attempts.
    """
    candidates = [line.get("candidate") for _, line in lines_of(folder / "attempts.jsonl")]
    sources = [
        source
        for candidate in candidates
        if isinstance(candidate, dict) and isinstance(source := candidate.get("source"), str)
    ]
    if not sources:
        raise InputError(
            f"{folder} holds no proposed programs; give --prior-from the folder of a run of "
            "`llm-erm synthesize --provider local`."
        )
    return sources


def terms_of(sources: Iterable[str]) -> list[Term]:
    """Returns the programs that the language can say, as trees."""
    return [term for source in sources if (term := _term(source)) is not None]


def _term(source: str) -> Term | None:
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    if len(body) == 1 and isinstance(body[0], ast.FunctionDef):
        statement = body[0].body[0]
        if isinstance(statement, ast.Return) and statement.value is not None:
            return to_term(statement.value)
    return None


def learned(terms: Iterable[Term], kind: InputKind) -> Costs:
    """Returns prices by how often each production is an argument of each other in ``terms``."""
    of_sort: dict[Sort, list[str]] = defaultdict(list)
    for production in productions_for(kind):
        of_sort[production.sort].append(production.name)
    seen = Counter(place for term in terms for place in _places(term, ROOT))
    parents: dict[str, Sort] = {ROOT: "truth"}
    parents |= {
        production.name: production.arguments[0]
        for production in productions_for(kind)
        if production.arguments
    }
    prices: dict[Place, int] = {}
    for parent, sort in parents.items():
        total = sum(seen[child, parent] + SMOOTHING for child in of_sort[sort])
        for child in of_sort[sort]:
            share = (seen[child, parent] + SMOOTHING) / total
            prices[child, parent] = max(math.ceil(-math.log2(share) * UNIT), 1)
    base: dict[str, int] = {}
    for (child, _), price in prices.items():
        base[child] = min(price, base.get(child, price))
    extra = {place: price - base[place[0]] for place, price in prices.items()}
    return Costs(UNIT, base, extra)


def _places(term: Term, parent: str) -> Iterator[Place]:
    yield term.production, parent
    for argument in term.arguments:
        yield from _places(argument, term.production)
