"""What results and rules say of themselves on a page."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from llm_erm.erm.binomial import binomial_interval
from llm_erm.facts import (
    BaselineFacts,
    EnumerationFacts,
    IncontextFacts,
    SynthesisFacts,
    TrainingFacts,
)
from llm_erm.mistakes import DATA_NAMES
from llm_erm.phrases import counted, interval, percent
from llm_erm.records import Result, Verdict
from llm_erm.reports.comparison import CONFIDENCE
from llm_erm.reports.page.highlight import highlighted
from llm_erm.reports.page.records import Accuracy, Fact, Learned, RuleLine, Wrong
from llm_erm.reports.results import Entry, exactness
from llm_erm.rulelists import evidence
from llm_erm.rulelists.openness import left_open, ties
from llm_erm.rulelists.words import certificate, conditions_of
from llm_erm.tasks.suite import in_words

MOST_TIES = 10
"""Equally good rules that are shown, up to so many."""
MOST_WRONG = 100
"""Rows that a rule gets wrong are named, up to so many."""
SHARED = ("training", "validation")
"""The data that the choice was made by, so that their accuracies have no interval."""
CHOSE = "none: used to choose it"


def of_result(entry: Entry, repeat: str) -> Learned:
    """Returns what a page shows of a result.

    Args:
        entry: The result.
        repeat: The command that repeats its run; empty if it is not known.
    """
    result = entry.result
    facts = result.facts
    tied = facts.tied if isinstance(facts, EnumerationFacts) else ()
    return Learned(
        title=result.data.name,
        about=in_words(result.data.function),
        by=entry.method,
        verdict=_verdict(entry),
        exact=result.exact,
        program=None if result.program is None else highlighted(result.program),
        accuracies=tuple(_accuracies(entry)),
        wrong=tuple(_wrong_inputs(result)),
        certificate=tuple(result.certificate.in_words if result.certificate else ()),
        ties=tuple(Fact(f"{one.bits:.0f} bits", one.program) for one in tied),
        tied=f"As good on these examples: {len(tied):,} more",
        facts=(
            *_facts(result),
            Fact("run", f"{entry.run} (not finished)" if entry.unfinished else entry.run),
            *([Fact("command that repeats the run", repeat)] if repeat else []),
        ),
        notices=result.notices,
    )


def _verdict(entry: Entry) -> str:
    result = entry.result
    if isinstance(result.facts, IncontextFacts) or result.test is None:
        return "no verdict" if result.test is None else f"{percent(entry.accuracy)} right"
    said = exactness(result)
    return said if result.exact else f"{said}, {percent(entry.accuracy)} right"


def _accuracies(entry: Entry) -> Iterator[Accuracy]:
    for data, verdict in entry.result.verdicts.items():
        if verdict.status != "ok":
            yield Accuracy(data, f"none: {verdict.status}", "", verdict.message or "")
            continue
        within = CHOSE if data in SHARED else _interval(entry, data, verdict)
        counts = f"{verdict.correct:,} of {verdict.total:,}"
        if verdict.invalid:
            counts += f", {verdict.invalid:,} without a label"
        yield Accuracy(data, percent(verdict.accuracy), counts, within)


def _interval(entry: Entry, data: str, verdict: Verdict) -> str:
    """Returns the exact interval, of the examples that a bound may count if that is known."""
    correct, total = entry.counted if data == "test" else (verdict.correct, verdict.total)
    text = interval(*binomial_interval(correct, total, CONFIDENCE))
    return text if total == verdict.total else f"{text} (from {total:,} that ran alone)"


def _wrong_inputs(result: Result) -> Iterator[Wrong]:
    """Yields the mistakes on each data set, most of which a result keeps only in part."""
    for name, mistakes in result.mistakes.items():
        verdict: Verdict = getattr(result, name)
        if not mistakes:
            continue
        part = "" if len(mistakes) == verdict.errors else f", the first {len(mistakes)}"
        yield Wrong(
            f"{DATA_NAMES[name]}: {verdict.errors:,} wrong{part}",
            tuple(
                (
                    one.input,
                    str(one.label),
                    "none" if one.prediction is None else f"{one.prediction}",
                )
                for one in mistakes
            ),
        )


def _facts(result: Result) -> Iterator[Fact]:
    data, cost = result.data, result.cost
    yield Fact("method", result.method)
    yield Fact("model", result.model)
    yield Fact("labelled examples", f"{result.examples:,}")
    yield Fact("seed", f"{data.seed} (trial {data.trial})")
    yield Fact("digest of the data", data.sha256)
    if result.attempts:
        repeats = f", {result.duplicates:,} of them repeats" if result.duplicates else ""
        yield Fact("attempts", f"{result.attempts:,}{repeats}")
    if result.candidates_to_selected is not None:
        seconds = result.seconds_to_selected
        after = "" if seconds is None else f", after {seconds:,.2f} s"
        yield Fact("candidates to the selected one", f"{result.candidates_to_selected:,}{after}")
    yield Fact("time", f"{result.seconds:,.2f} s")
    if cost.prompt_tokens or cost.completion_tokens:
        tools = f", {counted(cost.tool_calls, 'tool call')}" if cost.tool_calls else ""
        yield Fact(
            "tokens", f"{cost.prompt_tokens:,} prompt, {cost.completion_tokens:,} output{tools}"
        )
    yield Fact("cost", "not known" if cost.usd is None else f"${cost.usd:.4f}")
    yield Fact("isolation of its programs", result.isolation or "none was needed")
    yield from _of_method(result)


def _of_method(result: Result) -> Iterator[Fact]:
    """Yields what is particular to the method."""
    match result.facts:
        case SynthesisFacts(pass_at=pass_at) if pass_at:
            yield Fact("pass@k", ", ".join(f"{k}: {share:.1%}" for k, share in pass_at.items()))
        case EnumerationFacts() as facts:
            yield Fact("programs considered", f"{facts.considered:,}")
            yield Fact("search ended by", facts.stopped_by)
            if facts.bits is not None:
                yield Fact("description length", counted(facts.bits, "bit"))
            yield Fact("peak memory", f"{facts.peak_memory_bytes / 2**20:,.0f} MiB")
        case IncontextFacts() as facts:
            yield Fact("examples in the prompt", f"{facts.shots:,}")
        case TrainingFacts() as facts:
            yield Fact("parameters", f"{facts.parameters:,}, {facts.trained_parameters:,} trained")
            yield Fact("epochs", f"{facts.epochs:,} ({counted(facts.steps, 'step')})")
            yield Fact("device", facts.device)
        case BaselineFacts() as facts:
            chosen = ", ".join(f"{name} {value}" for name, value in facts.parameters.items())
            yield Fact("parameters", chosen or "none to choose")
            if facts.circuit is not None:
                yield Fact("gates", facts.circuit)


def of_rule(path: Path, learned: evidence.Learned) -> Learned:
    """Returns what a page shows of a rule for a table."""
    rule, check, schema = learned.rule, learned.check, learned.schema
    labels = [line.label for line in rule.lines] + [rule.otherwise]
    right = learned.learned_rows - len(learned.wrong)
    of_all = percent(right / learned.learned_rows)
    checked = percent(1 - check.errors / check.rows)
    kept = check.learned_rows == learned.learned_rows
    of_part = f", by a rule learned from {check.learned_rows:,} rows only" if not kept else ""
    return Learned(
        title=schema.target,
        about=f"Rule for {schema.target}, by {', '.join(one.name for one in schema.columns)}",
        by=str(path),
        verdict=f"{of_all} of its own rows right",
        lines=tuple(
            RuleLine(when, rule.classes[label], count.rows, count.right)
            for when, label, count in zip(
                conditions_of(learned), labels, learned.lines, strict=True
            )
        ),
        accuracies=(
            Accuracy(
                "rows learned from",
                of_all,
                f"{right:,} of {learned.learned_rows:,}",
                CHOSE,
            ),
            Accuracy(
                f"rows checked on{of_part}",
                checked,
                f"{check.rows - check.errors:,} of {check.rows:,}",
                interval(*binomial_interval(check.rows - check.errors, check.rows, CONFIDENCE)),
            ),
        ),
        certificate=tuple(certificate(learned)),
        open=(*left_open(learned), *ties(learned)),
        ties=tuple(
            Fact(counted(one.rule.conditions, "condition"), str(one.rule))
            for one in learned.ties[:MOST_TIES]
        ),
        tied=_tied(learned),
        facts=(
            Fact("file", str(path)),
            Fact("rows", f"{learned.learned_rows:,}"),
            Fact("conditions", f"{rule.conditions}"),
            Fact("rows that it gets wrong", _wrong(learned.wrong)),
        ),
        notices=learned.notices,
    )


def _tied(learned: evidence.Learned) -> str:
    """Returns how many other rules are as good as this one."""
    least = "" if learned.ties_complete else "at least "
    more = f", {MOST_TIES} of them here" if len(learned.ties) > MOST_TIES else ""
    return f"As good on these rows: {least}{len(learned.ties):,} more{more}"


def _wrong(rows: Sequence[int]) -> str:
    """Returns which rows of the table a rule gets wrong."""
    shown = ", ".join(f"{row:,}" for row in rows[:MOST_WRONG])
    more = len(rows) - MOST_WRONG
    return f"{len(rows):,}: {shown}{f' and {more:,} more' if more > 0 else ''}" if rows else "none"
