"""Reads the answers in a run's journal, so that they can be verified and selected from again."""

from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.kept import checked_contents


def read_answers(folder: Path) -> dict[JobKey, list[Completion]]:
    """Returns the model's answers by job, in the order in which they arrived.

    Raises:
        InputError: The folder holds no answers, or its journal is damaged.
    """
    kept = checked_contents(folder, "replay_from").kept
    answers = {job: list(one.answers.values()) for job, one in kept.items() if one.answers}
    if not answers:
        raise InputError(
            f"{folder}/answers.jsonl holds no answers; name another run.", setting="replay_from"
        )
    return answers
