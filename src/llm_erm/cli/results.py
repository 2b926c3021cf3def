"""Prints results: tables and sentences for people, JSON lines for scripts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from llm_erm.certificates import Certificate
from llm_erm.cli import output
from llm_erm.cli.progress import Bars
from llm_erm.cli.tables import Column
from llm_erm.erm.trials import Estimate, mean_over_trials
from llm_erm.facts import SynthesisFacts
from llm_erm.phrases import bound_percent, counted, listed
from llm_erm.records import Result, accuracy
from llm_erm.reports.results import Entry, entries_in, exactness, without_results
from llm_erm.source import one_line
from llm_erm.tasks.suite import name_of

TASK = Column("task", legend=name_of)

LENGTH = Column("length", setting=True)

TRIAL = Column("trial", usual="1")

BOUNDS = (Column("error at most"), Column("by validation", wide=True))
"""Columns of the bounds from test and validation data."""

SURE = "'Error at most' is a bound from the test data that holds with 95% confidence."


def finished_runs(runs: Iterable[Path]) -> list[Path]:
    """Returns the folders of runs that have results, without repeats, and names those left out.

    If no run has a result, all folders are returned, so that the caller reports the error.
    """
    distinct = list(dict.fromkeys(runs))
    empty = without_results(distinct)
    rest = [run for run in distinct if run not in empty]
    if rest and empty:
        holds = "holds" if len(empty) == 1 else "hold"
        output.note(f"Left out {listed([*map(str, empty)])}, which {holds} no result yet.")
    return rest or distinct


def entries_of_runs(runs: Iterable[Path]) -> list[Entry]:
    """Returns the results of finished runs, each with its folder; shows a bar meanwhile.

    Raises:
        InputError: A folder holds no results, or damaged ones.
    """
    folders = finished_runs(runs)
    entries = []
    with Bars() as bars:
        bar = bars.add("runs read", len(folders))
        for folder in folders:
            entries += entries_in([folder])
            bars.advance(bar)
    return entries


def print_json(results: Sequence[Result]) -> None:
    """Prints one JSON object per result."""
    for result in results:
        output.say_json(result)


def cost_line(results: Sequence[Result]) -> str:
    """Returns one sentence on what all results cost together."""
    attempts = sum(result.attempts for result in results)
    prompt_tokens = sum(result.cost.prompt_tokens for result in results)
    completion_tokens = sum(result.cost.completion_tokens for result in results)
    prices = [result.cost.usd for result in results]
    known = [price for price in prices if price is not None]
    dollars = f"${sum(known):.4f}" if sum(known) else "at no cost"
    dollars = dollars if len(known) == len(prices) else "of unknown cost"
    return (
        f"{counted(attempts, 'answer')}: {prompt_tokens:,} prompt and "
        f"{counted(completion_tokens, 'output token')}, "
        f"{dollars}."
    )


def trial_lines(results: Sequence[Result]) -> list[str]:
    """Returns summaries over the trials of each task and length, one sentence each."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        data, prompt = result.data, _prompt(result)
        place = f"{data.function} L={data.length}" + (f" with the prompt {prompt}" * bool(prompt))
        groups.setdefault(place, []).append(result)
    return [f"{place}: {line}" for place, group in groups.items() for line in _about_trials(group)]


def _prompt(result: Result) -> str:
    """Returns the name of a search's prompt; empty if it is the usual one."""
    return result.variant.removeprefix("prompt=")


def _about_trials(group: Sequence[Result]) -> list[str]:
    lines = []
    if len(group) > 1:
        accuracies = [accuracy(result.test) or 0.0 for result in group]
        lines.append(f"mean test accuracy: {_estimate(mean_over_trials(accuracies))}")
        exact = [float(result.exact) for result in group]
        lines.append(
            f"trials with a program exact at this length: {_estimate(mean_over_trials(exact))}"
        )
    measured = [
        result.facts.pass_at
        for result in group
        if isinstance(result.facts, SynthesisFacts) and result.facts.pass_at
    ]
    if len(measured) == len(group):
        one = mean_over_trials([pass_at[1] for pass_at in measured])
        lines.append(f"probability that one proposal is right: {_estimate(one)}")
        known_by_all = set.intersection(*(set(pass_at) for pass_at in measured))
        for k in sorted(known_by_all - {1}):
            share = mean_over_trials([pass_at[k] for pass_at in measured])
            lines.append(f"pass@{k}: {_estimate(share)}")
    return lines


def _estimate(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.1%} (one trial gives no interval; give --num-trials)"
    interval = f"95% interval {output.interval(estimate.low, estimate.high)}"
    return f"{estimate.mean:.1%} ({interval}, {counted(estimate.trials, 'trial')})"


def result_table(results: Sequence[Result], *, wide: bool) -> None:
    """Prints the final table of a search; its prompts have a column if they have names."""
    named = any(map(_prompt, results))
    prompts = (Column("prompt", text=True),) if named else ()
    columns = (
        TASK,
        LENGTH,
        TRIAL,
        *prompts,
        Column("attempts", wide=True),
        Column("validation", wide=True),
        "test",
        Column("contrast set", wide=True),
        Column("other lengths", wide=True),
        *BOUNDS,
        Column("isolation", wide=True, setting=True),
        Column("program", text=True),
    )
    output.table(columns, [_row(result, named=named) for result in results], wide=wide)


def _row(result: Result, *, named: bool) -> tuple[str, ...]:
    return (
        result.data.function,
        str(result.data.length),
        str(result.data.trial),
        *([_prompt(result)] if named else []),
        str(result.attempts),
        output.percent(accuracy(result.validation)),
        output.percent(accuracy(result.test)),
        output.percent(accuracy(result.contrast)),
        output.percent(accuracy(result.length_generalization)),
        *at_most(result.certificate),
        result.isolation or "–",
        _program(result),
    )


def at_most(certificate: Certificate | None) -> tuple[str, str]:
    """Returns the bounds from test and validation data, rounded up so that each still holds."""
    if certificate is None:
        return "no certificate", "–"
    test, validation = (
        "–" if bound is None else bound_percent(bound.error_upper_bound)
        for bound in (certificate.test, certificate.validation)
    )
    return test, validation


def bound_lines(results: Sequence[Result]) -> list[str]:
    """Returns what the bounds in a table say, and what holds of later results on the same data."""
    certified = any(result.certificate is not None for result in results)
    return [*([SURE] if certified else []), *_look_lines(results)]


def _look_lines(results: Sequence[Result]) -> list[str]:
    """Returns what holds of results that are not the first on their data, those alike together."""
    alike: dict[str, list[str]] = {}
    for result in results:
        looks = None if result.certificate is None else result.certificate.all_looks
        if looks is None or looks.number < 2:
            continue
        said = looks.in_words
        name = " ".join(filter(None, (result.data.name, result.variant)))
        alike.setdefault(said, []).append(name)
    return [f"{', '.join(names)}: {said}" for said, names in alike.items()]


def _program(result: Result) -> str:
    if result.program is None:
        return "no program ran"
    text = one_line(result.program)
    if result.validation is None or not result.validation.perfect:
        return f"nothing exact; best: {text}"
    elsewhere = result.length_generalization
    everywhere = result.exact and (elsewhere is None or elsewhere.perfect)
    return text if everywhere else f"{exactness(result)}: {text}"
