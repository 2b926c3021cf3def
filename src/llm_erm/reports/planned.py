"""Which results a run has once it is finished, and how many steps each takes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from llm_erm.baselines.learners import OWN, PUBLISHED, Learner
from llm_erm.errors import InputError
from llm_erm.incontext.questions import variant_of
from llm_erm.runs.files import SETTINGS
from llm_erm.runs.fingerprint import Fingerprint
from llm_erm.runs.jobs import Job, JobKey
from llm_erm.synthesis.method import variants
from llm_erm.tasks.suite import TASKS
from llm_erm.training.method import TrainingJob, training_jobs


def planned_jobs(known: Fingerprint, folder: Path) -> dict[JobKey, int | None]:
    """Returns the jobs of a run, each with the most steps that it takes; None if that is unknown.

    A step is an attempt, a query or an epoch.

    Args:
        known: What shapes the run's results.
        folder: Its folder, for the message.

    Raises:
        InputError: Another version wrote its settings.
    """
    try:
        jobs = {job.key: steps for job, steps in _jobs(known)}
        if not all(isinstance(steps, int | None) for steps in jobs.values()):
            raise TypeError
        return jobs
    except (KeyError, TypeError) as error:
        lacking = f"lacks {error}" if isinstance(error, KeyError) else "has other parts"
        raise InputError(
            f"Another version of llm-erm wrote {folder / SETTINGS}, which {lacking}; name another "
            "run."
        ) from None


def planned_trainings(known: Fingerprint) -> list[TrainingJob]:
    """Returns the jobs of a run of trainings, which those of a shard have from the whole grid."""
    jobs, shard = training_jobs([one.spec for one in known.data]), known.shard
    if shard is None:
        return jobs
    if shard.sizes:
        sizes = (job.spec.train_size + job.spec.val_size for job in jobs)
        jobs = [replace(job, variant=f"n={n}") for job, n in zip(jobs, sizes, strict=True)]
    return [replace(job, several=shard.count > 1 or len(jobs) > 1) for job in jobs]


def _jobs(known: Fingerprint) -> Iterator[tuple[Job, int | None]]:
    settings, specs = known.settings, [one.spec for one in known.data]
    if known.method == "training":
        yield from ((job, settings["settings"]["n_epochs"]) for job in planned_trainings(known))
        return
    for spec in specs:
        match known.method:
            case "baselines":
                own = settings["grids"] == "own"
                learners, suffix = (OWN, "") if own else (PUBLISHED, "-published")
                for name in dict.fromkeys(settings["learners"]):
                    if _takes(learners.get(name), spec.function):
                        yield Job(spec, f"{name}{suffix}"), None
            case "incontext":
                for shots in dict.fromkeys(settings["shots"] or (spec.train_size,)):
                    yield Job(spec, variant_of(shots)), settings["queries"]
            case "synthesis":
                for variant in variants(settings.get("prompts", {})):
                    yield Job(spec, variant), settings["settings"]["attempts"]
            case _:
                yield Job(spec), None


def _takes(learner: Learner | None, function: str) -> bool:
    """Returns whether a learner is known to take the inputs of a task; TabPFN takes all."""
    if learner is None or learner.kinds is None:
        return True
    return learner.takes(TASKS[function].kind) if function in TASKS else learner.takes("text")
