"""Says whether feedback to the model helped, at equal budgets of candidates, tokens and dollars."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor
from pathlib import Path

from llm_erm.erm.trials import difference_of_shares
from llm_erm.facts import PAPERS, SynthesisFacts
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.reports.comparison import CONFIDENCE
from llm_erm.reports.results import Entry
from llm_erm.runs.files import SETTINGS
from llm_erm.runs.fingerprint import read_fingerprint

Pairs = Sequence[tuple[Result, Result]]
"""Results with feedback and without it, on the same data."""


def feedback_lines(entries: Sequence[Entry]) -> list[str]:
    """Returns sentences that compare each strategy with the paper's, on the data of both.

    Compared are searches that differ in nothing else: with the same model, prompt, budget K and
    other settings, as far as their runs' folders tell. A search counts as exact within so many
    tokens, or so much money, if its selected program is exact and was proposed by then. Both
    strategies get as much as the one that needed less for its longest search.
    """
    known = {run: _others(run) for run in {entry.run for entry in entries}}
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        result = entry.result
        if isinstance(result.facts, SynthesisFacts):
            groups.setdefault((result.model, result.variant), []).append(entry)
    said: list[str] = []
    for (model, variant), group in sorted(groups.items()):
        name = " ".join(filter(None, (model, variant)))
        strategies = dict.fromkeys(_facts(one.result).strategy for one in group)
        for strategy in [one for one in strategies if one != PAPERS]:
            said += _compared(name, strategy, group, known)
    return said


def _others(run: str) -> str:
    """Returns the settings of a run but for its strategy; empty if it has no folder."""
    if not run or not (Path(run) / SETTINGS).is_file():
        return ""
    settings = dict(read_fingerprint(Path(run), None).settings)
    settings.pop("strategy", None)
    own = dict(settings.get("settings") or {})
    own.pop("attempts", None)
    return json.dumps({**settings, "settings": own}, sort_keys=True)


def _compared(
    name: str, strategy: str, entries: Sequence[Entry], known: Mapping[str, str]
) -> Iterator[str]:
    """Yields what came of a strategy beside the paper's, with one model and prompt."""
    kinds: dict[str, dict[str, list[Entry]]] = {strategy: {}, PAPERS: {}}
    for entry in entries:
        if (kind := _facts(entry.result).strategy) in kinds:
            kinds[kind].setdefault(entry.result.data.sha256, []).append(entry)
    ours, theirs = kinds[strategy], kinds[PAPERS]
    shared = [data for data in ours if data in theirs]
    if not shared:
        return
    if any(len(ours[data]) > 1 or len(theirs[data]) > 1 for data in shared):
        yield (
            f"{name}: there are several runs of {strategy} or {PAPERS} on the same data, so "
            "nothing is said about feedback; name one run of each."
        )
        return
    pairs = [(ours[data][0], theirs[data][0]) for data in shared]
    if any(_facts(one.result).budget != _facts(other.result).budget for one, other in pairs):
        yield (
            f"{name}: {strategy} and {PAPERS} had different budgets K, so they show nothing about "
            "feedback; run both with the same --attempts."
        )
        return
    if any(known[one.run] != known[other.run] for one, other in pairs):
        yield (
            f"{name}: the runs of {strategy} and {PAPERS} differ in other settings too, so they "
            "show nothing about feedback; run both with the same flags but --strategy."
        )
        return
    for budget in dict.fromkeys(_facts(one.result).budget for one, _ in pairs):
        same = [
            (one.result, other.result)
            for one, other in pairs
            if _facts(one.result).budget == budget
        ]
        yield _line(name, strategy, budget, same)


def _line(name: str, strategy: str, budget: int | None, pairs: Pairs) -> str:
    place = f"{name}, K = {budget}, {counted(len(pairs), 'data set')}"
    parts = [_difference(strategy, pairs, lambda result: result.exact)]
    parts += _at_equal(strategy, pairs, _tokens, _tokens_to_exact, "{:,.0f} tokens")
    parts += _at_equal(strategy, pairs, _usd, _usd_to_exact, "${:.4f}")
    calls = [sum(pair[i].attempts for pair in pairs) for i in (0, 1)]
    return (
        f"{place}: {'; '.join(parts)}. {strategy} made {counted(calls[0], 'call')}, {PAPERS} "
        f"{calls[1]:,}."
    )


def _at_equal(
    strategy: str,
    pairs: Pairs,
    spent: Callable[[Result], float | None],
    to_exact: Callable[[Result], float | None],
    form: str,
) -> Iterator[str]:
    """Yields the difference if both strategies may spend the same; nothing if that is unknown."""
    ours = [spent(pair[0]) for pair in pairs]
    theirs = [spent(pair[1]) for pair in pairs]
    if any(one is None for one in (*ours, *theirs)):
        return
    most = min(max(one or 0.0 for one in ours), max(one or 0.0 for one in theirs))
    if not most:
        return

    def exact(result: Result) -> bool:
        needed = to_exact(result)
        return needed is not None and needed <= most

    yield f"within {form.format(most)} each, {_difference(strategy, pairs, exact)}"


def _difference(strategy: str, pairs: Pairs, exact: Callable[[Result], bool]) -> str:
    outcomes = [(exact(one), exact(other)) for one, other in pairs]
    ours, theirs = (sum(pair[i] for pair in outcomes) for i in (0, 1))
    points, low, high = difference_of_shares(outcomes, CONFIDENCE)
    verdict = "feedback helped" if low > 0 else "feedback harmed" if high < 0 else "undecided"
    return (
        f"{strategy} is exact on {ours}, {PAPERS} on {theirs}: {100 * points:+.0f} points "
        f"(95% interval {floor(100 * low):+d} to {ceil(100 * high):+d}), {verdict}"
    )


def _facts(result: Result) -> SynthesisFacts:
    assert isinstance(result.facts, SynthesisFacts)  # of a search
    return result.facts


def _tokens(result: Result) -> float:
    return result.cost.prompt_tokens + result.cost.completion_tokens


def _usd(result: Result) -> float | None:
    return result.cost.usd


def _tokens_to_exact(result: Result) -> float | None:
    return _facts(result).tokens_to_selected if result.exact else None


def _usd_to_exact(result: Result) -> float | None:
    return _facts(result).usd_to_selected if result.exact else None
