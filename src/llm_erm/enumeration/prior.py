"""Production costs learned from a language model's proposals, as in HYSYNTH (NeurIPS 2024).

A run of `llm-erm synthesize` whose answers were constrained to ``grammar.py`` contains expressions
that the model considers likely. Those that the language can express are parsed into trees. The
cost of a production as an argument of another follows from how often it occurs there, smoothed
towards the uniform distribution.
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
"""Units per bit: costs are rounded to half bits."""

SMOOTHING = 1.0
"""Pseudocount of each production in each place, in occurrences."""


def proposed(folder: Path) -> list[str]:
    """Returns the sources that a run proposed, including repetitions.

    Raises:
        InputError: If the folder holds no attempts.
    """
    candidates = [line.get("candidate") for _, line in lines_of(folder / "attempts.jsonl")]
    sources = [
        source
        for candidate in candidates
        if isinstance(candidate, dict) and isinstance(source := candidate.get("source"), str)
    ]
    if not sources:
        raise InputError(
            f"{folder} holds no proposed programs; give the folder of a run of `llm-erm "
            "synthesize` with the provider local.",
            setting="prior_from",
        )
    return sources


def terms_of(sources: Iterable[str]) -> list[Term]:
    """Returns the programs that the language can express, as trees."""
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


def learned_costs(terms: Iterable[Term], kind: InputKind) -> Costs:
    """Returns costs from how often each production is an argument of each other in ``terms``."""
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
    costs: dict[Place, int] = {}
    for parent, sort in parents.items():
        total = sum(seen[child, parent] + SMOOTHING for child in of_sort[sort])
        for child in of_sort[sort]:
            share = (seen[child, parent] + SMOOTHING) / total
            costs[child, parent] = max(math.ceil(-math.log2(share) * UNIT), 1)
    base: dict[str, int] = {}
    for (child, _), cost in costs.items():
        base[child] = min(cost, base.get(child, cost))
    extra = {place: cost - base[place[0]] for place, cost in costs.items()}
    return Costs(UNIT, base, extra)


def _places(term: Term, parent: str) -> Iterator[Place]:
    yield term.production, parent
    for argument in term.arguments:
        yield from _places(argument, term.production)
