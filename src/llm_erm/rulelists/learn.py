"""Learns a rule from a table: its size by cross-validation, the rule itself from all rows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llm_erm.erm.binomial import binomial_upper
from llm_erm.errors import InputError
from llm_erm.phrases import listed
from llm_erm.rulelists.alternatives import left_open
from llm_erm.rulelists.as_good import as_good
from llm_erm.rulelists.description import upper_error
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Check, Learned, LineCount, Size
from llm_erm.rulelists.m_of_n import FEWEST
from llm_erm.rulelists.parts import Part, Searches, part_of, search
from llm_erm.rulelists.proposals import Proposals
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Costs
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.runs.cluster import RayCluster
from llm_erm.runs.executors import InProcess, Processes
from llm_erm.runs.mapping import mapped
from llm_erm.tables.columns import Labelled, Table

MOST_COST = 1_000_000


def learn(
    data: Labelled,
    settings: TableSettings,
    proposals: Proposals | None = None,
    executor: InProcess | Processes | RayCluster | None = None,
) -> Learned:
    """Returns a rule learned from labelled rows.

    The rows are divided into folds. For each, the best rule of each form and size is found on the
    other rows, and its errors on the fold are counted. The form and size whose errors cost least in
    all is taken, and its best rule on all rows.

    Two bounds hold, each at the confidence asked for. One is about the rule: all rules of its size
    are few enough for its errors on all rows to tell (``description``). The other is usually
    tighter, and about the rule of the same form and size from all rows but the first fold: the
    fold's rows decided among one rule per form and size.

    What a language model proposed is one further form: of each part, the best of its proposals.

    Args:
        data: The rows.
        settings: How to learn.
        proposals: Rules that a model proposed for the same rows and settings.
        executor: Where to search, for each fold and for all rows at the same time; in this process,
            one after another, if left out. The result is the same.

    Raises:
        InputError: A setting is impossible for these rows, or the executor for this search.
        LLMERMError: A process of the search was lost.
    """
    costs = cost_matrix(settings.costs, data.schema.classes)
    division = divide(data, settings)
    everything = np.ones(len(data.labels), dtype=bool)
    learned_from = [*division.folds] if settings.keep_checked else [*division.folds, everything]
    proposed = ((),) * len(learned_from) if proposals is None else proposals.of_parts
    searches = Searches(data, settings, costs, tuple(learned_from), proposed)
    longest_first = range(len(learned_from))[::-1]
    found = mapped(executor or InProcess(), search, searches, longest_first)[::-1]
    of_rows = [part_of(data, *one) for one in zip(learned_from, found, strict=True)]
    parts = of_rows[: len(division.folds)]
    final = of_rows[0 if settings.keep_checked else -1]
    sizes = [
        replace(size, checked_cost=sum(part.checked_cost(size, costs) for part in parts))
        for size in final.found.sizes
    ]
    chosen = best_size(sizes)
    size = sizes[chosen]
    rule = size.rule
    checked = parts[0].of(size)
    shares = most_candidates(settings, len(data.schema.classes))
    candidates = shares + (proposals is not None)
    delta = 1 - settings.confidence
    errors = parts[0].errors(size)
    rows = len(parts[0].truth)
    check = Check(
        checked.rule,
        len(data.labels) - rows,
        rows,
        errors,
        parts[0].confusion(size, len(data.schema.classes)),
        candidates,
        None if division.no_bound else binomial_upper(errors, rows, delta / candidates),
        checked.form,
    )
    error_at_most = check.error_at_most
    wrong = rule.predict(data.table) != data.labels
    drawn = everything if data.asked is None else ~data.asked
    if not (division.no_bound or settings.keep_checked):
        made, of = int(wrong[drawn].sum()), int(drawn.sum())
        error_at_most = upper_error(rule, data.schema, made, of, shares, delta)
    validated = np.sum([~learning for learning in division.folds], axis=0)[drawn].min() == 1
    ties, complete = as_good(size, final.table, final.labels, costs, settings.looks // 10)
    return Learned(
        rule,
        data.schema,
        tuple(sizes),
        chosen,
        line_counts(rule, final.table, final.labels),
        len(final.labels),
        tuple(int(number) for number in data.row_numbers[wrong]),
        check,
        _estimated_error(parts, sizes, size) if validated else None,
        settings.costs,
        final.found.thresholds,
        final.found.skipped,
        left_open(rule, data.table),
        settings.confidence,
        error_at_most,
        division.no_bound,
        (*data.notices, *(() if proposals is None else proposals.notices)),
        ties,
        complete,
        int((~drawn).sum()),
        None if proposals is None else proposals.record,
    )


def best_size(sizes: Sequence[Size]) -> int:
    """Returns the index of the form and size whose errors cost least on the rows checked on.

    Of several, the smallest, unless a larger one costs at most half as much on the rows learned
    from: with few rows, that is the one that a larger table would show to be better.
    """
    least = min(size.checked_cost for size in sizes)
    tied = [index for index, size in enumerate(sizes) if size.checked_cost == least]
    chosen, *larger = sorted(tied, key=lambda index: sizes[index].conditions)
    for index in larger:
        if 0 < sizes[chosen].cost >= 2 * sizes[index].cost:
            chosen = index
    return chosen


def cost_matrix(costs: Sequence[ErrorCost], classes: tuple[str, ...]) -> Costs:
    """Returns what an error costs, shape ``(n_classes, n_classes)``, by true and given class.

    Raises:
        InputError: A class is unknown, or a cost is none.
    """
    matrix = 1 - np.eye(len(classes), dtype=np.int64)
    for one in costs:
        true, given, cost = one.true, one.given, one.cost
        for name in (true, given):
            if name not in classes:
                raise InputError(
                    f"There is no class {name!r}; the classes are {listed(classes)}.",
                    setting="cost",
                )
        if true == given or not 1 <= cost <= MOST_COST:
            raise InputError(
                f"{true}:{given}={cost} is not the cost of an error; name two different classes "
                f"and a whole number from 1 to {MOST_COST:,}.",
                setting="cost",
            )
        matrix[classes.index(true), classes.index(given)] = cost
    return matrix


def line_counts(rule: RuleList, table: Table, labels: NDArray[np.int32]) -> tuple[LineCount, ...]:
    """Returns what each line of a rule does on some rows, and the last one of those left over."""
    deciding, given = rule.lines_of(table), rule.predict(table)
    return tuple(
        LineCount(int(decided.sum()), int((given == labels)[decided].sum()))
        for decided in (deciding == index for index in range(len(rule.lines) + 1))
    )


def _estimated_error(parts: Sequence[Part], sizes: Sequence[Size], chosen: Size) -> float:
    """Returns the cross-validated share of errors, and the bias of the size's choice by it.

    The bias is the mean over the folds of what the chosen size errs more often than the best one of
    the fold. Source: Tibshirani and Tibshirani, Annals of Applied Statistics 3 (2009).
    """
    rows = [len(part.truth) for part in parts]
    errors = [part.errors(chosen) for part in parts]
    least = [min(part.errors(size) for size in sizes) for part in parts]
    shares = [(more - less) / of for more, less, of in zip(errors, least, rows, strict=True)]
    return sum(errors) / sum(rows) + sum(shares) / len(parts)


def most_candidates(settings: TableSettings, classes: int) -> int:
    """Returns how many rules of the search can meet the rows of a fold: one per form and size."""
    lists = settings.max_conditions + 1
    return lists + (max(settings.max_conditions - FEWEST + 1, 0) if classes == 2 else 0)
