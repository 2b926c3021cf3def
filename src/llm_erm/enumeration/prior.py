"""Production costs learned from a language model's proposals, as in HYSYNTH (NeurIPS 2024).

A run of `llm-erm synthesize` whose answers were constrained to ``grammar.py`` contains expressions
that the model considers likely. Those that the language can express are parsed into trees. The
cost of a production as an argument of another follows from how often it occurs there, smoothed
towards the uniform distribution.
"""

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from llm_erm.enumeration.costs import ROOT, Costs, Place
from llm_erm.enumeration.language import InputKind, Sort, productions_for
from llm_erm.enumeration.parsing import term_of
from llm_erm.enumeration.terms import Term
from llm_erm.errors import InputError
from llm_erm.records import Attempt
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.kept import AttemptLine, checked_contents

UNIT = 2
"""Units per bit: costs are rounded to half bits."""

SMOOTHING = 1.0
"""Pseudocount of each production in each place, in occurrences."""


@dataclass(frozen=True)
class Prior:
    """The programs that a language model proposed, as a setting of a search.

    Attributes:
        sources: Their sources, including repetitions, in the order in which they were verified.
    """

    sources: tuple[str, ...]

    @property
    def described(self) -> dict[str, str]:
        """What shapes results: a digest of the sources, wherever they were read from."""
        digest = hashlib.sha256(json.dumps(self.sources).encode()).hexdigest()
        return {"sources_sha256": digest}

    @property
    def terms(self) -> list[Term]:
        """The programs that the language can express, as trees."""
        return terms_of(self.sources)


def read_prior(folder: Path) -> Prior:
    """Returns the programs that the run in a folder proposed.

    Raises:
        InputError: If the folder holds no proposed programs, or a damaged journal.
    """
    attempts: dict[tuple[JobKey, int], Attempt] = {}
    journal = checked_contents(folder, "prior_from").files["attempts"]
    for line, _ in journal.records(AttemptLine, "prior_from"):
        attempts[line.job, line.attempt.index] = line.attempt
    sources = tuple(
        source for attempt in attempts.values() if (source := attempt.candidate.source) is not None
    )
    if not sources:
        raise InputError(
            f"{folder} holds no proposed programs; give the folder of a run of `llm-erm "
            "synthesize` with the provider local.",
            setting="prior_from",
        )
    return Prior(sources)


def terms_of(sources: Iterable[str]) -> list[Term]:
    """Returns the programs that the language can express, as trees."""
    return [term for source in sources if (term := term_of(source)) is not None]


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
