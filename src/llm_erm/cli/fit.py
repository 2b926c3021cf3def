"""`llm-erm fit`: learns a rule from a table."""

import re
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli import output
from llm_erm.cli.asking import ask, check_answers
from llm_erm.cli.compiling import load_compiled
from llm_erm.cli.places import check_files
from llm_erm.cli.proposal_options import ProposalOptions
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError, MissingExtraError, UnfinishedError
from llm_erm.phrases import counted, either, listed
from llm_erm.rulelists.alternatives import Open
from llm_erm.rulelists.answers import read_answers
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.rivals import rival_accuracies
from llm_erm.rulelists.rule import Above, AtMost
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.stored import write_rule
from llm_erm.rulelists.words import conditions_of, found, new_rows, proof, proposals
from llm_erm.tables.answers import NO_ANSWERS, Answers
from llm_erm.tables.columns import Labelled
from llm_erm.tables.reading import MAX_ROWS, load

QUICK_SECONDS = 3.0
"""CPU time that loading the machine code stays below, unless it is compiled."""

MOST_SHOWN = 10
"""Rows that the rule gets wrong are named, up to so many."""


MOST_OTHERS = 2
"""Other conditions that could stand in the place of one are named, up to so many."""


@dataclass(frozen=True)
class Options(ProposalOptions):
    """Flags of `llm-erm fit`."""

    data: Annotated[Path, tyro.conf.Positional] = tyro.MISSING
    """Table: CSV, TSV, JSON Lines or Parquet."""
    target: str = tyro.MISSING
    """Column to predict."""
    ignore: tuple[str, ...] = ()
    """Columns to leave out."""
    columns: tuple[str, ...] = ()
    """Columns to learn from (default: all)."""
    categories: tuple[str, ...] = ()
    """Columns to read as categories, even if they hold numbers."""
    groups: str | None = None
    """Column whose equal values say which rows belong together, such as a patient's."""
    time: str | None = None
    """Column of dates or numbers that orders the rows: the rule is checked on the latest."""
    ask: bool = False
    """Ask for the labels that would tell most, of rows that have none, before the rule is learned;
    the answers are kept in the file that `--answered` names."""
    answered: Path | None = None
    """File of labels that `--ask` asked for: rows to learn from, never to check on."""
    max_rows: int = MAX_ROWS
    """Rows to keep at most, drawn at random from those that have a label."""
    max_conditions: int = TableSettings.max_conditions
    """Most conditions of the rule; an interval counts as two."""
    positive: str | None = None
    """Class to look for: say how many of its rows are found, and how many finds are right."""
    cost: tuple[str, ...] = ()
    """What errors cost: `yes:no=5` says that no for what is yes is as bad as five errors."""
    checked: float = TableSettings.checked
    """Share of the rows that a rule is checked on which was learned from the others."""
    keep_checked: bool = False
    """Keep the rule that was checked, learned from a part of the rows: usually a tighter bound."""
    confidence: float = TableSettings.confidence
    """Probability with which each bound on new rows holds."""
    dependent: bool = False
    """Say that the rows are no independent draws, so that no bound on new rows is given."""
    looks: int = TableSettings.looks
    """Conditions to look at in each search, some 10 to 40 million per second: with more of them,
    rules for thousands of rows get better, and more is proved."""
    seed: int = 0
    """Of the random division of the rows."""
    out: Path | None = None
    """Write the rule into this file, for `llm-erm predict` and `llm-erm export`."""
    json: bool = False
    """Print one JSON object."""


def fit(options: Options) -> int:
    """Learn a rule from a table: readable, proved on its rows, bounded on new ones."""
    settings = _settings(options)
    if options.json and options.positive is not None:
        raise InputError(
            "--positive adds a sentence to the report, which --json leaves out; leave out either.",
            setting="positive",
        )
    if find_spec("numba") is None:
        raise MissingExtraError(
            "The search for rules needs numba; install it with: pip install 'llm-erm[tables]'"
        )
    check_answers(
        options.data,
        options.answered,
        asking=options.ask,
        out=options.out,
        drawn=options.groups is None and options.time is None,
    )
    answers = NO_ANSWERS
    if options.answered is not None:
        answers = read_answers(options.answered, options.target)
    asks = options.asks
    if asks:
        check_files({"--out": options.out}, options.out_dir)
    data = _load(options, answers)
    if options.positive not in (None, *data.schema.classes):
        raise InputError(
            f"There is no class {options.positive!r}; the classes are "
            f"{listed(data.schema.classes)}.",
            setting="positive",
        )
    from llm_erm.rulelists.learn import learn
    from llm_erm.rulelists.search import prepare

    load_compiled(prepare, QUICK_SECONDS)
    if options.ask and not options.dry_run:
        data = ask(options.data, answers, settings, options.max_rows, partial(_load, options))
    _say_notices(data)
    proposed = None
    if asks:
        from llm_erm.cli.proposing import proposals_for

        try:
            proposed = proposals_for(options, data, settings)
        except UnfinishedError:
            return 3
        if options.dry_run:
            return 0
    learned = learn(data, settings, proposed)
    if options.out is not None:
        write_rule(options.out, learned)
    if options.json:
        output.say_json(learned)
        return 0
    _print(learned, options.positive)
    accuracies = rival_accuracies(data, divide(data, settings), options.seed)
    output.say_below("\n".join(_beside(learned, accuracies)))
    if options.out is not None:
        output.note(f"Rule: {options.out}")
    return 0


def _load(options: Options, answers: Answers) -> Labelled:
    return load(
        options.data,
        options.target,
        groups=options.groups,
        time=options.time,
        ignore=options.ignore,
        columns=options.columns or None,
        categories=options.categories,
        max_rows=options.max_rows,
        seed=options.seed,
        answers=answers,
    )


def _say_notices(data: Labelled) -> None:
    for notice in data.notices:
        output.note(notice)
    if data.asked is not None:
        asked = counted(
            int(data.asked.sum()), "row that was asked about", "rows that were asked about"
        )
        output.note(f"The rule is also learned from {asked}, on which no bound rests.")


_COST = re.compile(r"(.+):(.+)=(\d+)")


def _settings(options: Options) -> TableSettings:
    """Returns the settings that the flags ask for.

    Raises:
        InputError: A flag's value is none.
    """
    costs = []
    for text in options.cost:
        match = _COST.fullmatch(text)
        if match is None:
            raise InputError(
                f"{text!r} is not a cost; write TRUE:GIVEN=N, such as yes:no=5.", setting="cost"
            )
        costs.append(ErrorCost(match[1], match[2], int(match[3])))
    return TableSettings(
        max_conditions=options.max_conditions,
        checked=options.checked,
        keep_checked=options.keep_checked,
        costs=tuple(costs),
        confidence=options.confidence,
        independent=not options.dependent,
        seed=options.seed,
        looks=options.looks,
    )


def _print(learned: Learned, positive: str | None) -> None:
    output.say_below(
        f"Rule for {learned.schema.target}, learned from {counted(learned.learned_rows, 'row')}:"
    )
    classes = learned.schema.classes
    rule = learned.rule
    labels = [line.label for line in rule.lines] + [rule.otherwise]
    output.table(
        ["line", Column("rule", text=True), "gives", "rows", "right"],
        [
            [str(number), text, classes[label], f"{count.rows:,}", f"{count.right:,}"]
            for number, (text, label, count) in enumerate(
                zip(conditions_of(learned), labels, learned.lines, strict=True), 1
            )
        ],
        wider=False,
    )
    output.say_below("\n".join(["", *_sentences(learned, positive)]))


def _sentences(learned: Learned, positive: str | None) -> list[str]:
    sentences = new_rows(learned)
    if positive is not None:
        sentences.append(found(learned, positive))
    sentences.append(f"Your rows: {proof(learned)}")
    if learned.proposed is not None:
        sentences.append(proposals(learned))
    if learned.wrong:
        shown = ", ".join(f"{number:,}" for number in learned.wrong[:MOST_SHOWN])
        more = "" if len(learned.wrong) <= MOST_SHOWN else ", …"
        sentences.append(f"Rows that it gets wrong ({len(learned.wrong):,} of all): {shown}{more}")
    sentences += [text for one in learned.open if (text := _open(learned, one))]
    return sentences + ([_ties(learned)] if learned.ties else [])


def _ties(learned: Learned) -> str:
    """Returns how many other rules are as good."""
    number = len(learned.ties)
    least = "" if learned.ties_complete else "at least "
    err = "errs" if number == 1 else "err"
    one, *_ = (str(tie.rule).replace("\n", " ") for tie in learned.ties)
    return (
        f"Open: {least}{counted(number, 'other rule')} with up to "
        f"{counted(learned.rule.conditions, 'condition')} {err} no more often on these rows"
        f"{':' if number == 1 else ', such as'} {one}. `llm-erm predict --undetermined mark` says "
        "on which new rows the rules disagree."
    )


def _open(learned: Learned, one: Open) -> str:
    """Returns what the rows leave open about a condition; empty if that is nothing."""
    condition = learned.rule.lines[one.line].conditions[one.place]
    texts = [str(other) for other in one.others[:MOST_OTHERS]]
    if more := len(one.others) - len(texts):
        texts.append(f"one of {more:,} more")
    if isinstance(condition, AtMost | Above) and one.room is not None:
        low, high = one.room
        whole = {column.name for column in learned.schema.columns if column.integral}
        if high - low > 1 or condition.column not in whole:
            ends = (str(replace(condition, value=end)).rpartition(" ")[2] for end in one.room)
            texts.insert(0, "have any threshold from {} to below {}".format(*ends))
    if not texts:
        return ""
    what = " or be ".join(filter(None, (texts[0], either(texts[1:]))))
    be = "" if what.startswith("have") else "be "
    return f"Open: {condition} (line {one.line + 1}) could {be}{what}, the same on all rows."


def _beside(learned: Learned, accuracies: dict[str, float]) -> list[str]:
    check = learned.check
    own = 1 - check.errors / check.rows
    texts = [f"{name} {output.percent(accuracy)}" for name, accuracy in accuracies.items()]
    sentences = [
        f"Beside it, learned and checked on the same rows: {' · '.join(texts)}; the rule "
        f"{output.percent(own)}"
    ]
    better = [name for name, accuracy in accuracies.items() if accuracy >= own]
    if better:
        sentences.append(f"The rule is no better there than {', '.join(better)}.")
    return sentences
