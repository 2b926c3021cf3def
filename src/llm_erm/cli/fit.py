"""`llm-erm fit`: learns a rule from a table."""

import re
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import tyro

from llm_erm.cli import output
from llm_erm.cli.asking import ask, check_answers
from llm_erm.cli.compiling import load_compiled
from llm_erm.cli.places import refuse_inputs
from llm_erm.cli.placing import Executors, PlaceOptions
from llm_erm.cli.progress import Bars
from llm_erm.cli.proposal_options import ProposalOptions
from llm_erm.cli.stopped import keeping
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError, MissingExtraError, UnfinishedError
from llm_erm.phrases import counted, listed
from llm_erm.rulelists.answers import read_answers
from llm_erm.rulelists.division import divide
from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.openness import left_open, ties
from llm_erm.rulelists.rivals import rival_accuracies
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.rulelists.stored import write_rule
from llm_erm.rulelists.words import conditions_of, found, new_rows, proof, proposals, wrong
from llm_erm.runs.mapping import check_mapping
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.tables.answers import NO_ANSWERS, Answers
from llm_erm.tables.columns import Labelled
from llm_erm.tables.reading import MAX_ROWS, load

QUICK_SECONDS = 3.0
"""CPU time that loading the machine code stays below, unless it is compiled."""


@dataclass(frozen=True)
class Options(ProposalOptions, PlaceOptions):
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
    """State that the rows are not independent draws; no bound on new rows is given."""
    looks: int = TableSettings.looks
    """Conditions to look at in each search, some 10 to 40 million per second: with more of them,
    rules for thousands of rows get better, and more is proved."""
    seed: int = 0
    """Of the random division of the rows."""
    executor: Executors = PlaceOptions.executor
    """Where to search for rules, for each part of the rows that is learned from and for all rows,
    each as one job: in this process, in a pool of processes, or on a Ray cluster."""
    out: Path | None = None
    """Write the rule into this file, for `llm-erm predict` and `llm-erm export`."""
    json: bool = False
    """Print one JSON object."""


@stopping_at_sigterm()
def fit(options: Options) -> int:
    """Learn a rule from a table: readable, proved on its rows, bounded on new ones."""
    settings = _settings(options)
    if options.json:
        _check_json(options)
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
    executor = options.chosen_executor()
    check_mapping(executor)
    answers = NO_ANSWERS
    if options.answered is not None:
        answers = read_answers(options.answered, options.target)
    asks = options.asks
    if not options.dry_run:  # before a search that takes minutes, or costs something
        refuse_inputs(options.out, *_read(options), out_dir=options.out_dir)
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
    with keeping(partial(_kept_labels, options)):
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
        with keeping(partial(_kept, options)), Bars() as bars:
            bars.add("searching for the rule", None)
            learned = learn(data, settings, proposed, executor)
    if options.out is not None:
        write_rule(options.out, learned)
    with keeping(lambda: "" if options.out is None else f"The rule is in {options.out}."):
        _say(learned, data, settings, options)
    return 0


def _say(learned: Learned, data: Labelled, settings: TableSettings, options: Options) -> None:
    """Prints a rule, what is known of it, and how other learners do."""
    if options.json:
        output.say_json(learned)
        return
    _print(learned, options.positive)
    accuracies = rival_accuracies(data, divide(data, settings), options.seed)
    output.say_below("\n".join(_beside(learned, accuracies)))
    if options.out is not None:
        output.note(f"Rule: {options.out}")


def _read(options: Options) -> list[Path]:
    """Returns the files that the command reads, as far as flags name them."""
    given = (options.data, options.answered, options.describe, options.answers)
    model = options.model or ""  # of some providers a file, with or without the provider's name
    named = (model, model.partition(":")[2])
    return [*filter(None, given), *(Path(name) for name in named if name)]


def _kept(options: Options) -> str:
    """Returns what is kept if the search is stopped."""
    kept = ["There is no rule yet."]
    if options.asks:
        kept.append("The model's answers are kept; run the same command to search again.")
    return " ".join(kept)


def _kept_labels(options: Options) -> str:
    """Returns where the labels are that the user gave; empty if there are none."""
    if not (options.ask and options.answered is not None and options.answered.exists()):
        return ""
    return f"Your answers are kept in {options.answered}; run the same command to continue."


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


def _check_json(options: Options) -> None:
    """Refuses flags for what is not printed as JSON.

    Raises:
        InputError: One is given.
    """
    if options.positive is not None:
        raise InputError(
            "--positive adds a sentence to the report, which --json leaves out; leave out either.",
            setting="positive",
        )
    if options.dry_run:
        raise InputError("--dry-run prints prompts, not JSON; leave out --json.")


def _say_notices(data: Labelled) -> None:
    for notice in data.notices:
        output.note(notice)
    if data.asked is not None:
        asked = counted(
            int(data.asked.sum()), "row that was asked about", "rows that were asked about"
        )
        output.note(f"The rule was also learned from {asked}; no bound counts them.")


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
    return [*sentences, *wrong(learned), *left_open(learned), *ties(learned)]


def _beside(learned: Learned, accuracies: dict[str, float]) -> list[str]:
    check = learned.check
    own = 1 - check.errors / check.rows
    texts = [f"{name} {output.percent(accuracy)}" for name, accuracy in accuracies.items()]
    sentences = [
        f"For comparison, on the same rows: {' · '.join(texts)}; the rule {output.percent(own)}."
    ]
    better = [name for name, accuracy in accuracies.items() if accuracy >= own]
    if better:
        sentences.append(f"On those rows, the rule does no better than {listed(better)}.")
    return sentences
