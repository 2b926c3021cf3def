"""`llm-erm fit --model`: asks a language model for rules; rows that it has not seen decide.

The answers are in a folder the moment they arrive; the same command asks for none of them again.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from llm_erm.cli.estimate import estimate
from llm_erm.cli.flags import sentence
from llm_erm.cli.model_options import CallOptions, ModelOptions
from llm_erm.cli.models import choose, missing_key
from llm_erm.cli.observers import Shown
from llm_erm.cli.output import note, say
from llm_erm.cli.proposal_options import ProposalOptions
from llm_erm.cli.stopped import keeping
from llm_erm.errors import BudgetSpentError, InputError, UnfinishedError
from llm_erm.llms.llm import LLM, Completion
from llm_erm.llms.weights import EMBEDDED_NAME
from llm_erm.phrases import counted
from llm_erm.rulelists.asked_rules import ask
from llm_erm.rulelists.descriptions import read_descriptions
from llm_erm.rulelists.proposals import Proposals
from llm_erm.rulelists.proposing import (
    Asking,
    Proposing,
    asking_for,
    leaving,
    proposals_in,
    refuse_embedded,
)
from llm_erm.rulelists.replay import replayed_from
from llm_erm.rulelists.settings import TableSettings
from llm_erm.runs.events import Event
from llm_erm.runs.folder import RunFolder
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.tables.columns import Labelled


def proposals_for(
    options: ProposalOptions, data: Labelled, settings: TableSettings
) -> Proposals | None:
    """Returns the rules that the model proposes, or None if this is a dry run.

    Raises:
        UnfinishedError: Calls got no answer, or the budget is spent; it has been told.
        LLMERMError: A flag is not valid, or the model cannot be asked.
        KeyboardInterrupt: The command was stopped; answers are in the folder.
    """
    if (folder := _replayed(options)) is not None:
        proposing, check = replayed_from(folder)
        asking = asking_for(data, settings, proposing)
        check(asking)
        return proposals_in(asking, _asked(asking, None, options))
    asking = asking_for(data, settings, _proposing(options))
    if options.dry_run:
        _dry_run(asking)
        return None
    path = options.out_dir or Path("answers") / f"fit-{asking.fingerprint.digest}"
    jobs = [part.job for part in asking.parts]
    keyless = missing_key(_model_options(options), "name another model")
    if keyless is not None and options.fresh:  # before answers are deleted
        raise keyless
    answers_folder = RunFolder(path, asking.fingerprint, jobs, fresh=options.fresh)
    earlier = answers_folder.given_up()
    try:
        for notice in answers_folder.notices:
            note(notice)
        missing = any(
            len(answers_folder.answers(part.job)) < len(part.request.indices)
            for part in asking.parts
        )
        if missing and keyless is not None:
            raise keyless
        if missing and asking.proposing.llm.address:
            note(leaving(asking, data))
        answers = _asked(asking, answers_folder, options)
    finally:
        if given_up := answers_folder.given_up() - earlier:
            note(
                f"Cancelled {counted(given_up, 'call')} in flight when the command was stopped; "
                "they may still be billed."
            )
        answers_folder.close()
    note(f"Answers: {path}")
    return proposals_in(asking, answers)


def _replayed(options: ProposalOptions) -> Path | None:
    """Returns the folder whose answers are replayed, or None to ask the model.

    Raises:
        InputError: No folder is named, or flags would change the answers.
    """
    provider, _, named = (options.model or "").partition(":")
    by_name = options.provider is None and provider == "replay"
    if options.provider != "replay" and not by_name and options.replay_from is None:
        return None
    folder = options.replay_from or (Path(named) if by_name and named else None)
    allowed = {"provider", "replay_from", *(["model"] if by_name else [])}
    if folder is None or options.provider not in (None, "replay"):
        raise InputError("A replay needs the folder of the answers, as in --model replay:FOLDER.")
    given = [
        f"--{one.name.replace('_', '-')}"
        for one in fields(ProposalOptions)
        if one.name not in allowed and getattr(options, one.name) != one.default
    ]
    if given:
        raise InputError(
            f"A replay asks no model, and shows it what it was shown; omit {', '.join(given)}."
        )
    return folder


def _proposing(options: ProposalOptions) -> Proposing:
    """Returns the model that the flags name, and how it is asked."""
    descriptions: Mapping[str, str] = {}
    if options.describe is not None:
        descriptions = read_descriptions(options.describe)
    llm, usual = _chosen(options)
    return Proposing(
        llm=llm,
        attempts=Proposing.attempts if options.attempts is None else options.attempts,
        max_tokens=usual,
        blind=options.blind,
        descriptions=descriptions,
    )


def _chosen(options: ProposalOptions) -> tuple[LLM, int]:
    unnamed = options.model in (None, "local", "local:") and options.answers is None
    if unnamed and options.command is None and options.provider in (None, "local"):
        refuse_embedded(f"local:{EMBEDDED_NAME}")
    llm, usual = choose(_model_options(options))
    return llm, usual.max_tokens


def _model_options(options: ProposalOptions) -> ModelOptions:
    taken = {one.name: getattr(options, one.name) for one in fields(CallOptions)}
    wanted = Proposing.attempts if options.attempts is None else options.attempts
    return ModelOptions(**taken, speculative=max(1, min(wanted, options.concurrency)))


def _asked(
    asking: Asking, folder: RunFolder | None, options: ProposalOptions
) -> Mapping[JobKey, Mapping[int, Completion]]:
    """Returns all answers; says what is kept if they cannot be had for now."""
    earlier = {}
    if folder is not None:
        earlier = {part.job: folder.answers(part.job) for part in asking.parts}
    kept = ""
    if folder is not None:
        again = "without --fresh to resume" if options.fresh else "to resume"
        kept = f"Answers are kept in {folder.path}; run the same command {again}."
    try:
        with (
            keeping(lambda: kept),
            Shown(len(asking.parts), "prompts", named=_named) as shown,
            stopping_at_sigterm(),
        ):

            def observe(job: JobKey | None, event: Event) -> None:
                if folder is not None and job is not None:
                    folder(job, event)
                shown(job, event)

            return ask(asking, earlier, folder.completions() if folder else (), observe)
    except BudgetSpentError as error:
        said = sentence(error, type(options)).removesuffix(".")
        note(f"The budget is spent: {said}. {kept}".rstrip())
        raise
    except UnfinishedError:
        why = "There is no rule, since the model has not proposed all it was asked for."
        note(f"{why} {kept}".rstrip())
        raise


def _named(job: JobKey) -> str:
    return f"proposals {job.variant}"


def _dry_run(asking: Asking) -> None:
    proposing, prompts = asking.proposing, [part.request.prompt for part in asking.parts]
    for part in asking.parts:
        calls = counted(proposing.attempts, "call")
        note(f"{part.job.variant}: {calls} with this prompt")
        say(part.request.prompt)
    cost = estimate(prompts, proposing.attempts, proposing.max_tokens, proposing.llm)
    note(f"{cost}.")
