"""`llm-erm replicate`: runs the published experiments, and compares with the published figures."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from llm_erm.cli import output
from llm_erm.cli.experiments import Options, Part, checked, has_gpu, plan
from llm_erm.cli.flags import sentence
from llm_erm.cli.foretold import alike, dry_run, foretell, in_words, together
from llm_erm.cli.models import check_budget
from llm_erm.cli.parts import Outcome, perform, placed
from llm_erm.cli.placing import check_executor, cluster_of
from llm_erm.cli.repeat import repeat
from llm_erm.cli.tables import Column
from llm_erm.errors import InputError, LLMERMError, MissingExtraError
from llm_erm.llms.clients import checked_address
from llm_erm.llms.providers import PROVIDERS
from llm_erm.phrases import listed
from llm_erm.reports.page.read import read_page
from llm_erm.reports.page.records import Table
from llm_erm.reports.page.render import renderer
from llm_erm.reports.published import Published, published
from llm_erm.reports.replicated import FILE, PartRecord, Replicated, Terms
from llm_erm.reports.replication import Line, beside_published
from llm_erm.reports.replication_tables import (
    COLUMNS,
    INTERVALS,
    as_csv,
    as_markdown,
    cells,
    record,
    summaries,
)
from llm_erm.runs.files import replace as write_whole
from llm_erm.runs.files import writing
from llm_erm.runs.journal import lock
from llm_erm.runs.stopping import stopping_at_sigterm


@stopping_at_sigterm()
def replicate(options: Options) -> int:
    """Run the published experiments, and set the published figures beside ours."""
    _check(options)
    known = published()
    parts = [checked(part) for part in plan(options, known, gpu=has_gpu(options))]
    _say_asked(options, parts)
    if options.dry_run:
        return dry_run(options, parts)
    if all(part.reason for part in parts):
        why = "; ".join(f"{name}: {reason}" for name, reason in alike(parts))
        raise MissingExtraError(f"Nothing can be run here. {why}.")
    parts = placed(options, parts)
    with closing(lock(options.folder)), cluster_of(options):
        terms = Terms(options.quick, options.seed, options.tests, options.num_trials)
        due = [part.folder for part in parts if not part.reason]
        kept = Replicated(options.folder, terms, due)
        if kept.notice:
            output.note(kept.notice)
        outcome = perform(options, parts, lambda ended: kept.keep(ended.record(kept)))
        try:
            # First without what the rest would take: finding that out takes time.
            for brief in (True,) if outcome.stopped else (True, False):
                records, lines, sentences = _tables(options, known, kept, outcome, brief=brief)
            if not outcome.stopped:
                _report(options, known, lines, sentences)
        except KeyboardInterrupt as stopped:
            outcome.stop(stopped)
            _tables(options, known, kept, outcome, brief=True)
        _say_unknown(kept)
        if outcome.stopped:
            kept.stop()
            output.note(
                f"Tables of what is finished: {options.folder}. Run the same command to continue."
            )
            return outcome.status
    asked = {kept.name(part.folder) for part in parts}
    _show(options, known, [one for one in records if one.folder in asked])
    return outcome.status


def _tables(
    options: Options, known: Published, kept: Replicated, outcome: Outcome, *, brief: bool
) -> tuple[list[PartRecord], list[Line], list[str]]:
    """Keeps what came of all parts, and writes the tables.

    Args:
        options: The flags.
        known: The published figures.
        kept: What is kept in the folder.
        outcome: What came of the parts.
        brief: Whether to leave out what the parts that were not run would take.

    Returns:
        What is kept of the parts, and the lines and sentences of the tables.
    """
    reasons = _not_run([one.part for one in outcome.ended], brief=brief)
    there = {one.folder for one in kept.parts()}
    for ended in outcome.ended:
        part = ended.part
        if ended.due and not ended.measured and kept.name(part.folder) in there:
            continue  # what an earlier call found there is still so
        kept.keep(ended.record(kept, reasons.get((part.name, part.reason), "")), due=ended.due)
    records = kept.parts()
    lines, sentences = _lines(known, records), _sentences(records)
    _write(options.folder / "replicate.csv", as_csv(lines))
    _write(options.folder / "replicate.md", as_markdown(known, lines, sentences))
    return records, lines, sentences


def _say_unknown(kept: Replicated) -> None:
    """Names the runs of which the tables cannot hold anything."""
    if names := kept.unknown():
        output.note(
            f"The tables lack the results in {listed(names)}, which {kept.folder / FILE} says "
            "nothing of; run the commands that made them again, which repeats nothing that is "
            "finished."
        )


def _lines(known: Published, records: Sequence[PartRecord]) -> list[Line]:
    measured = [one for record in records for one in record.measured]
    missing = [one for record in records if (one := record.missing) is not None]
    return beside_published(known, measured, missing)


def _sentences(records: Sequence[PartRecord]) -> list[str]:
    """Returns what is not as published, and what was not run."""
    said = [record.sentence for record in records if record.sentence]
    return [*_differs(records), *dict.fromkeys(said)]


def _show(options: Options, known: Published, records: Sequence[PartRecord]) -> None:
    """Prints the table of the parts of this call."""
    lines = _lines(known, records)
    if options.json:
        for line in lines:
            output.say_json(record(line))
        return
    _table(known, lines, wide=options.wide)
    rest = [
        *_sentences(records),
        *summaries(known, lines),
        INTERVALS,
        f"Tables and report: {options.folder}",
    ]
    output.say_below("\n".join(("", *rest)))


def _check(options: Options) -> None:
    """Checks the flags that all parts share.

    Raises:
        InputError: One of them is not valid.
    """
    size = options.test_size
    if size is not None and (size < 2 or size % 2):
        raise InputError(f"--test-size is {size}; give an even number of at least 2, or omit it.")
    if options.num_trials < 1:
        raise InputError(f"--num-trials is {options.num_trials}; give 1 or more, or omit it.")
    check_budget(options.max_cost_usd, None)
    check_executor(options)
    for flag, given in (("--model", options.model), ("--base-url", options.base_url)):
        if given is not None and options.provider is None:
            raise InputError(
                f"{flag} is for searches with a remote model, which run only if a provider is "
                f"named; add --provider, or omit {flag}."
            )
    if options.base_url is not None:
        checked_address(options.base_url)


def _say_asked(options: Options, parts: Sequence[Part]) -> None:
    """Says which model is asked where, if an address is given, or that no part asks any."""
    if options.provider is None:
        return
    if not any(part.contender.paid for part in parts):
        output.note("--provider is not used: none of the methods asks a remote model.")
        return
    provider = PROVIDERS[options.provider]
    named = (os.environ.get(name) for name in provider.address_variables)
    address = options.base_url or next(filter(None, named), None)
    model = options.model or provider.default_model
    if address is not None and model is not None:
        said = f"Searches with a remote model ask {address} for {model}"
        if options.model is None:
            said += (
                f", the default of --provider {provider.name}; if the server has other models, "
                "name one with --model"
            )
        output.note(f"{said}.")


def _differs(records: Sequence[PartRecord]) -> list[str]:
    """Returns what is not as published, besides the methods."""
    groups: dict[Terms, list[PartRecord]] = {}
    for one in records:
        groups.setdefault(one.terms, []).append(one)
    said = []
    for terms, group in groups.items():
        tasks: dict[str, dict[str, None]] = {}
        for point in (point for one in group for point in one.points):
            tasks.setdefault(point.experiment, {})[point.task] = None
        names = "" if len(groups) == 1 else f"In {listed(list(tasks))}, "
        if terms.quick:
            rest = [f"{name} with {' '.join(those)}" for name, those in tasks.items()]
            said.append(
                f"This is the quick version: {'; '.join(rest)}; at most 200 examples; "
                f"{terms.tests:,} test examples; slow methods left out, and the others with less "
                "time, fewer attempts and fewer steps. Omit --quick for the whole."
            )
        elif terms.tests != 10_000:
            there = f"{names}there are {terms.tests:,} test examples; published were 10,000."
            said.append(there[0].upper() + there[1:])
        if len({one.seed for one in groups}) > 1:
            said.append(f"{names}the seed of the data is {terms.seed}.")
    return said


def _not_run(parts: Sequence[Part], *, brief: bool) -> Mapping[tuple[str, str], str]:
    """Returns one sentence per method and reason on what was not run and would take.

    Args:
        parts: The parts.
        brief: Whether to leave out what they would take, which takes time to find out.
    """
    said = {}
    with tempfile.TemporaryDirectory() as scratch:
        for (name, reason), group in alike([part for part in parts if part.reason]).items():
            needs = ""
            if not brief:
                needs = in_words(together([foretell(part, Path(scratch)) for part in group]))
            said[name, reason] = f"Not run: {name}: {reason}. {needs}".rstrip()
    return said


def _table(known: Published, lines: Sequence[Line], *, wide: bool) -> None:
    first, *shown = COLUMNS[:6]
    columns: list[str | Column] = [Column(first, wide=True, setting=True), *shown]
    columns += [Column(name, wide=True, text=name == "remark") for name in COLUMNS[6:]]
    output.table(columns, [cells(known, line) for line in lines], wide=wide)


def _report(
    options: Options, known: Published, lines: Sequence[Line], sentences: Sequence[str]
) -> None:
    """Writes the report on all runs, with the table first; says why if that is not possible."""
    try:
        rendered = renderer()
        page = read_page([options.folder], repeat)
        table = Table(
            "Published and ours",
            COLUMNS,
            tuple(cells(known, line) for line in lines),
            (*sentences, *summaries(known, lines), INTERVALS, *known.sources),
        )
        _write(options.folder / "report.html", rendered(replace(page, tables=(table,))))
    except LLMERMError as error:
        output.note(f"There is no report: {sentence(error, Options)}")


def _write(path: Path, text: str) -> None:
    with writing(path):
        write_whole(path, text)
