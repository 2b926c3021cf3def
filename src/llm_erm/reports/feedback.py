"""Says whether feedback to the model helped, at equal budgets of candidates, tokens and dollars."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from math import ceil, floor

from llm_erm.erm.trials import difference_of_shares
from llm_erm.facts import PAPERS, SynthesisFacts
from llm_erm.phrases import counted
from llm_erm.records import Result
from llm_erm.reports.comparison import CONFIDENCE
from llm_erm.reports.results import Entry

Pairs = Sequence[tuple[Result, Result]]
"""Results with feedback and without it, on the same data."""


def feedback_lines(entries: Sequence[Entry]) -> list[str]:
    """Returns sentences that compare each strategy with the paper's, on the data of both.

    Compared are searches of the same model, prompt and budget K. A search counts as exact within so
    many tokens, or so much money, if its selected program is exact and was proposed by then. Both
    strategies get as much as the one that needed less for its longest search.
    """
    searches = sorted(
        (entry.result for entry in entries if isinstance(entry.result.facts, SynthesisFacts)),
        key=lambda result: (result.model, result.variant),
    )
    said: list[str] = []
    for _, group in groupby(searches, key=lambda result: (result.model, result.variant)):
        results = list(group)
        strategies = dict.fromkeys(_facts(one).strategy for one in results)
        for strategy in [one for one in strategies if one != PAPERS]:
            said += _compared(strategy, results)
    return said


def _compared(strategy: str, results: Sequence[Result]) -> Iterator[str]:
    """Yields what came of a strategy beside the paper's, with one model and prompt."""
    kinds: dict[str, dict[tuple[str, int | None], Result]] = {strategy: {}, PAPERS: {}}
    for result in results:
        facts = _facts(result)
        if facts.strategy in kinds:
            kinds[facts.strategy][result.data.sha256, facts.budget] = result
    ours, theirs = kinds[strategy], kinds[PAPERS]
    budgets = sorted({budget for _, budget in ours.keys() & theirs.keys() if budget is not None})
    name = " ".join(filter(None, (results[0].model, results[0].variant)))
    if not budgets and {data for data, _ in ours} & {data for data, _ in theirs}:
        yield (
            f"{name}: {strategy} and {PAPERS} had different budgets K, so they show nothing about "
            "feedback; run both with the same --attempts."
        )
    for budget in budgets:
        keys = [key for key in ours if key in theirs and key[1] == budget]
        pairs = [(ours[key], theirs[key]) for key in keys]
        place = f"{name}, K = {budget}, {counted(len(pairs), 'data set')}"
        parts = [_difference(strategy, pairs, lambda result: result.exact)]
        parts += _at_equal(strategy, pairs, _tokens, _tokens_to_exact, "{:,.0f} tokens")
        parts += _at_equal(strategy, pairs, _usd, _usd_to_exact, "${:.4f}")
        calls = [sum(pair[i].attempts for pair in pairs) for i in (0, 1)]
        yield (
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
