"""Reads the answers in a run's journal, so that they can be verified and selected from again."""

from pathlib import Path

from llm_erm.errors import InputError
from llm_erm.llms.llm import Completion
from llm_erm.runs.folder import AnswerLine
from llm_erm.runs.jobs import JobKey
from llm_erm.runs.journal import records_in


def read_answers(folder: Path) -> dict[JobKey, list[Completion]]:
    """Returns the model's answers by job, in the order in which they arrived.

    Raises:
        InputError: The folder holds no answers, or its journal is damaged.
    """
    answers: dict[JobKey, dict[int, Completion]] = {}
    for line in records_in(folder / "answers.jsonl", AnswerLine):
        if line.answer.finish_reason != "cancelled":
            answers.setdefault(line.job, {})[line.answer.index] = line.answer
    if not answers:
        raise InputError(
            f"{folder}/answers.jsonl holds no answers; name another run.", setting="replay_from"
        )
    return {job: list(there.values()) for job, there in answers.items()}
