"""Learning without a language model: enumerates programs in order of description length."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from llm_erm.enumeration.evaluation import UNLIMITED, OwnPrograms
from llm_erm.enumeration.events import LevelDone
from llm_erm.enumeration.growing.tables import check_columns
from llm_erm.enumeration.language import InputKind
from llm_erm.enumeration.linear import linear_rules
from llm_erm.enumeration.lists import ENUMERATION, exact_programs, front_programs
from llm_erm.enumeration.memory import Clock, memory_for, peak_bytes
from llm_erm.enumeration.pool import kind_of, neighbours
from llm_erm.enumeration.prior import learned_costs
from llm_erm.enumeration.proposals import Proposal, Proposals, SearchOutcome
from llm_erm.enumeration.sampling import propose_sampled
from llm_erm.enumeration.search import BottomUpSearch
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.enumeration.terms import Term, to_expression, to_program
from llm_erm.erm.result import result_of
from llm_erm.execution import Outputs
from llm_erm.facts import EnumerationFacts, LevelCount, Tied
from llm_erm.records import Attempt, Result
from llm_erm.runs.events import Observe, ignore
from llm_erm.tasks.task import Kind, Splits

MAX_LINEAR_RULES = 3
"""Solutions of the linear equations that are proposed, at most."""

CODED: Mapping[Kind, InputKind] = {"binary": "bits", "decimal": "digits"}
"""The kinds of task whose inputs have an alphabet that is known before any of them is seen."""


def learn(
    splits: Splits,
    settings: EnumerationSettings,
    *,
    observe: Observe = ignore,
    attempts: Sequence[Attempt] = (),
    prior: Sequence[Term] = (),
) -> Result:
    """Returns the program with the lowest validation error among K chosen by training data.

    Programs without training errors are verified as soon as all of their description length are
    known; one without validation errors ends the search soon after. If none is found before a limit
    is reached, those on the front of description length against training errors are verified.

    Args:
        splits: The labelled data; labels range from 0 to the number of classes minus one. What is
            held out is read once, after the choice is made.
        settings: Settings of the search.
        observe: Told of each description length that is done and of each attempt.
        attempts: What an interrupted search with the same settings verified. The search starts
            again, and does not run their programs again; those that it does not propose again
            count for nothing.
        prior: Programs that a model proposed, for the order ``prior``.

    Raises:
        InputError: If the memory limit leaves no room for a search, or the rows of a table have
            different columns.
    """
    check_columns(splits.train.inputs)
    clock, cpu_started = Clock(settings.max_seconds), time.process_time()
    labels = tuple(range(max(2, max(splits.train.labels) + 1)))
    proposals = Proposals(splits, labels, settings, clock, attempts, observe)
    if settings.order == "uniform":
        outcome = propose_sampled(splits, settings, clock, proposals)
    else:
        outcome = _enumerate(splits, settings, clock, proposals, observe, prior)
    chosen = proposals.select()
    selected = None if chosen is None else chosen.attempt
    candidates, seconds = _cost_of(selected, proposals, outcome)
    return result_of(
        splits,
        chosen,
        OwnPrograms(),
        UNLIMITED,
        budget=settings.attempts,
        confidence=settings.confidence,
        started=clock.started,
        outputs=Outputs(labels),
        code_bits=None if selected is None else _code_bits(splits, proposals, selected, settings),
        method="enumeration",
        model=settings.order,
        attempts=len(proposals.attempts),
        candidates_to_selected=candidates,
        seconds_to_selected=seconds,
        facts=_facts(outcome, proposals, selected, time.process_time() - cpu_started),
    )


def _code_bits(
    splits: Splits, proposals: Proposals, selected: Attempt, settings: EnumerationSettings
) -> float | None:
    """Returns the program's length in a code that does not depend on the data, if it has one.

    The code of other text depends on which characters occur, that of a table on its thresholds and
    categories, and that of positions on the shortest input.
    """
    chosen, inputs = proposals.of(selected), splits.train.inputs
    fixed = (
        settings.order == "length-first"
        and chosen.found_by == ENUMERATION
        and kind_of(inputs) == CODED.get(splits.kind)
        and all(len(x) == splits.key.length for x in inputs)
    )
    return chosen.bits if fixed else None


def _cost_of(
    selected: Attempt | None, proposals: Proposals, outcome: SearchOutcome
) -> tuple[int | None, float | None]:
    """Returns the programs considered and the seconds up to the selected one, if it is exact."""
    if selected is None or not (selected.train.perfect and selected.validation.perfect):
        return None, None
    chosen = proposals.of(selected)
    before = outcome.solutions if chosen.found_by == ENUMERATION else 0
    seconds = proposals.seconds[selected.index - 1]
    return before + (chosen.considered or 0), round(seconds, 4)


def _facts(
    outcome: SearchOutcome, proposals: Proposals, selected: Attempt | None, cpu_seconds: float
) -> EnumerationFacts:
    """Returns what only this method tells of the search and of the programs that tied."""
    chosen = None if selected is None else proposals.of(selected)
    tied = () if selected is None else proposals.tied_with(selected)
    return EnumerationFacts(
        **vars(outcome),
        found_by=None if chosen is None else chosen.found_by,
        bits=None if chosen is None else chosen.bits,
        tied=tuple(Tied(other.source, other.bits) for other in tied),
        cpu_seconds=round(cpu_seconds, 4),
        peak_memory_bytes=peak_bytes(),
    )


def _enumerate(
    splits: Splits,
    settings: EnumerationSettings,
    clock: Clock,
    proposals: Proposals,
    observe: Observe,
    prior: Sequence[Term],
) -> SearchOutcome:
    """Proposes programs, shortest first, and returns how far the search went."""
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
    levels, stopped_by = _levels(search, splits.train.labels, settings, clock, proposals, observe)
    proposals.fill(front_programs(search, splits.train.labels, settings.attempts))
    return SearchOutcome(
        inputs=kind,
        solutions=solved,
        considered=solved + search.considered,
        kept=search.kept,
        stopped_by=stopped_by,
        levels=tuple(levels),
    )


def _levels(
    search: BottomUpSearch,
    labels: Sequence[int],
    settings: EnumerationSettings,
    clock: Clock,
    proposals: Proposals,
    observe: Observe,
) -> tuple[list[LevelCount], str]:
    """Goes up in description length until a limit, or until all exact programs sought are known."""
    levels: list[LevelCount] = []
    seen = 0
    _limit_time_left(clock, proposals, settings)
    for level in search.levels():
        levels.append(level)
        observe(LevelDone(level))
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


def _limit_time_left(clock: Clock, proposals: Proposals, settings: EnumerationSettings) -> None:
    """Once a program is exact, limits the time left to find shorter ones or ties."""
    if proposals.found:
        clock.limit_cpu(settings.more_cpu_seconds)
