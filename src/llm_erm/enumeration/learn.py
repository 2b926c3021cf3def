"""Learning without a language model: enumerates programs in order of description length."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from llm_erm.enumeration.growing.tables import check_columns
from llm_erm.enumeration.linear import linear_rules
from llm_erm.enumeration.lists import ENUMERATION, best_programs, exact_programs
from llm_erm.enumeration.memory import Clock, memory_for, peak_bytes
from llm_erm.enumeration.pool import kind_of, neighbours
from llm_erm.enumeration.prior import learned_costs
from llm_erm.enumeration.proposals import Proposal, Proposals
from llm_erm.enumeration.sampling import propose_sampled
from llm_erm.enumeration.search import BottomUpSearch, Level
from llm_erm.enumeration.settings import Settings
from llm_erm.enumeration.terms import Term, to_expression, to_program
from llm_erm.erm.bounds import certify
from llm_erm.erm.select import select_best
from llm_erm.erm.verify import failures, meet_test_data
from llm_erm.records import Attempt, Run
from llm_erm.sandbox import Outputs, Sandbox
from llm_erm.tasks.task import Splits

MAX_LINEAR_RULES = 3
"""Solutions of the linear equations that are proposed, at most."""

_OF_SELECTED = (
    "found_by",
    "bits",
    "candidates_to_first_exact",
    "seconds_to_first_exact",
)


@dataclass(frozen=True)
class Watch:
    """Callbacks that observe a search while it runs.

    Attributes:
        on_level: Called when all programs of one description length are done.
        on_attempt: Called when a program has been verified.
    """

    on_level: Callable[[Level], None] = lambda level: None
    on_attempt: Callable[[Attempt], None] = lambda attempt: None


UNWATCHED = Watch()


def learn(
    splits: Splits,
    sandbox: Sandbox,
    settings: Settings,
    watch: Watch = UNWATCHED,
    reveal: Callable[[], Splits] | None = None,
    prior: Sequence[Term] = (),
) -> Run:
    """Returns the program with the lowest validation error among the K that fit training best.

    Programs without training errors are verified as soon as all of their description length are
    known; one without validation errors ends the search soon after. If none is found before a limit
    is reached, those with the fewest training errors are verified, shorter ones first.

    Args:
        splits: The labelled data; labels range from 0 to the number of classes minus one.
        sandbox: Where programs run.
        settings: Settings of the search.
        watch: Callbacks to call during the search.
        reveal: Reads the splits with their test data, if ``splits`` came without them.
        prior: Programs that a model proposed, for the order ``prior``.

    Raises:
        InputError: If the memory limit leaves no room for a search, or the rows of a table have
            different columns.
    """
    check_columns(splits.train.inputs)
    clock, cpu_started = Clock(settings.max_seconds), time.process_time()
    labels = tuple(range(max(2, max(splits.train.labels) + 1)))
    proposals = Proposals(splits, labels, sandbox, settings, clock, watch.on_attempt)
    if settings.order == "uniform":
        facts = propose_sampled(splits, settings, clock, proposals)
    else:
        facts = _enumerate(splits, settings, clock, proposals, watch, prior)
    selected = select_best(proposals.attempts)
    splits = reveal() if reveal is not None else splits
    source = selected.candidate.source if selected is not None else None
    evaluated = meet_test_data(source, splits, sandbox, settings.limits, Outputs(labels))
    test, probe, length_shift = evaluated
    return Run(
        method="enumeration",
        function=splits.fn,
        length=splits.length,
        seed=splits.seed,
        trial=splits.trial,
        model=settings.order,
        settings=asdict(settings),
        attempts=tuple(proposals.attempts),
        selected=selected,
        test=test,
        probe=probe,
        length_shift=length_shift,
        certificate=(
            certify(
                splits,
                test,
                validation=selected.validation,
                budget=settings.attempts,
                train=selected.train,
                code_bits=_code_bits(proposals, selected, settings),
                confidence=settings.confidence,
            )
            if selected is not None
            else None
        ),
        isolation=sandbox.isolation,
        data_sha256=splits.sha256,
        examples=len(splits.train) + len(splits.validation),
        seconds=clock.seconds,
        notices=(*splits.warnings, *failures(*evaluated)),
        details=facts
        | _details(proposals, selected, facts["solutions"])
        | {
            "cpu_seconds": round(time.process_time() - cpu_started, 4),
            "peak_memory_bytes": peak_bytes(),
        },
    )


def _code_bits(proposals: Proposals, selected: Attempt, settings: Settings) -> float | None:
    """Returns the program's length in the data-independent code, if it was found in that code."""
    chosen = proposals.of(selected)
    fixed = settings.order == "length-first" and chosen.found_by == ENUMERATION
    return chosen.bits if fixed else None


def _details(proposals: Proposals, selected: Attempt | None, solved: int) -> dict[str, Any]:
    """Returns the details of the selected program and of those tied with it."""
    if selected is None:
        return dict.fromkeys(_OF_SELECTED) | {"tied": []}
    chosen = proposals.of(selected)
    exact = selected.train.perfect and selected.validation.perfect
    before = solved if chosen.found_by == ENUMERATION else 0
    values = (
        chosen.found_by,
        chosen.bits,
        before + (chosen.considered or 0) if exact else None,
        round(proposals.seconds[selected.index - 1], 4) if exact else None,
    )
    tied = [{"program": o.source, "bits": o.bits} for o in proposals.tied_with(selected)]
    return dict(zip(_OF_SELECTED, values, strict=True)) | {"tied": tied}


def _enumerate(
    splits: Splits,
    settings: Settings,
    clock: Clock,
    proposals: Proposals,
    watch: Watch,
    prior: Sequence[Term],
) -> dict[str, Any]:
    """Proposes programs, shortest first, and returns the details of the search."""
    inputs, labels = splits.train.inputs, np.array(splits.train.labels)
    kind = kind_of(inputs)
    classes = int(labels.max(initial=1)) + 1
    wanted = [1] if classes == 2 else range(classes)
    search = BottomUpSearch(
        kind,
        inputs,
        np.array([labels == label for label in wanted]),
        neighbours(inputs, settings.seed),
        memory=memory_for(settings.max_memory_bytes),
        clock=clock,
        costs=learned_costs(prior, kind) if settings.order == "prior" else None,
        max_bits=settings.max_bits,
        max_programs=settings.max_programs,
    )
    solved = 0
    if kind == "bits" and classes == 2:
        for rule in linear_rules(inputs, splits.train.labels, MAX_LINEAR_RULES, clock):
            solved = rule.considered
            if rule.bits <= settings.max_bits:
                source = to_program(to_expression(rule.term))
                proposals.add(Proposal(source, rule.bits, rule.considered, "elimination"))
    levels, stopped_by = _levels(search, splits.train.labels, settings, clock, proposals, watch)
    if not proposals.found:
        for proposal in best_programs(search, splits.train.labels, settings.attempts):
            proposals.add(proposal)
    return {
        "inputs": kind,
        "solutions": solved,
        "considered": solved + search.considered,
        "kept": search.kept,
        "stopped_by": stopped_by,
        "levels": [asdict(level) for level in levels],
    }


def _levels(
    search: BottomUpSearch,
    labels: Sequence[int],
    settings: Settings,
    clock: Clock,
    proposals: Proposals,
    watch: Watch,
) -> tuple[list[Level], str]:
    """Goes up in description length until a limit, or until all exact programs sought are known."""
    levels: list[Level] = []
    seen = 0
    _limit_time_left(clock, proposals, settings)
    for level in search.levels():
        levels.append(level)
        watch.on_level(level)
        for proposal in exact_programs(search, labels, settings.attempts, seen):
            proposals.add(proposal)
        seen = len(search.exact)
        _limit_time_left(clock, proposals, settings)
        if proposals.found and (
            level.bits >= proposals.exact_bits + settings.tie_bits or clock.over
        ):
            return levels, "found"
        if proposals.spent:
            return levels, "attempts"
    return levels, search.stopped_by or "bits"


def _limit_time_left(clock: Clock, proposals: Proposals, settings: Settings) -> None:
    """Once a program is exact, limits the time left to find shorter ones or ties."""
    if proposals.found:
        clock.limit_cpu(settings.more_cpu_seconds)
