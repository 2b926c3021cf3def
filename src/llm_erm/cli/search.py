"""Searches the grid points of one command, several at a time, and keeps what they find."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from llm_erm.cli import output
from llm_erm.cli.models import Choice
from llm_erm.cli.result import result_of
from llm_erm.errors import LLMERMError
from llm_erm.records import Attempt
from llm_erm.sandbox import Sandbox
from llm_erm.store import Point, Store, writing
from llm_erm.synthesis.export import record, test_accuracies, write_csv, write_jsonl
from llm_erm.synthesis.learn import learn
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Splits

TEST_ACCURACIES = "attempt_test_accuracies"
"""Key of a result that holds the test accuracy of every attempt, where the published files do."""


class Search:
    """What the searches of one command share."""

    def __init__(
        self,
        choice: Choice,
        sandbox: Sandbox,
        settings: Settings,
        store: Store,
        log: logging.Logger,
        *,
        exporting: bool,
    ) -> None:
        self._choice = choice
        self._sandbox = sandbox
        self._settings = settings
        self._store = store
        self._log = log
        self._exporting = exporting
        self._places = asyncio.Semaphore(choice.concurrency)

    async def run(self, data: Sequence[Splits]) -> list[dict[str, Any]]:
        """Returns the result of every grid point, in order; those in the store are not redone.

        Raises:
            LLMERMError: The model refuses to work or the disk is full; the other searches are
                stopped and the journal keeps what they had.
        """
        try:
            with output.progress() as progress:
                async with asyncio.TaskGroup() as searches:
                    for splits in data:
                        searches.create_task(self._point(splits, progress))
        except* LLMERMError as group:
            error = group.exceptions[0]
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None
        finally:
            await self._choice.llm.aclose()
        return [self._store.results[_point(splits)] for splits in data]

    async def _point(self, splits: Splits, progress: Progress) -> None:
        async with self._places:
            point = _point(splits)
            done = self._store.attempts(point)
            result = self._store.results.get(point)
            if result is None:
                bar = progress.add_task(
                    f"{splits.fn} L={splits.length}",
                    total=self._settings.attempts,
                    completed=len(done),
                )

                def keep(attempt: Attempt) -> None:
                    self._store.append(point, attempt)
                    self._log.info("attempt", extra={"facts": _facts(point, attempt)})
                    progress.advance(bar)

                run = await learn(
                    splits, self._choice.llm, self._sandbox, self._settings, keep, done
                )
                progress.remove_task(bar)
                result = result_of(run)
                self._store.finish(run, result)
                self._log.info("search_finished", extra={"facts": result})
            if self._exporting and TEST_ACCURACIES not in result:
                accuracies = await asyncio.to_thread(
                    test_accuracies,
                    self._store.attempts(point),
                    splits.test,
                    self._sandbox,
                    self._settings.limits,
                )
                self._store.add_result(point, result | {TEST_ACCURACIES: accuracies})


def export(
    store: Store, results: Sequence[dict[str, Any]], jsonl: Path | None, csv: Path | None
) -> None:
    """Writes the published files anew from the journal.

    Raises:
        InputError: One of them cannot be written.
    """
    records = []
    for result in results:
        function, length = result["function"], result["length"]
        attempts = store.attempts((function, length, result["seed"]))
        first_perfect = next((a.index for a in attempts if a.validation.perfect), None)
        records += [
            record(function, length, attempt, accuracy, ended=attempt.index == first_perfect)
            | {"isolation": result["isolation"]}
            for attempt, accuracy in zip(attempts, result[TEST_ACCURACIES], strict=True)
        ]
    if jsonl is not None:
        with writing(jsonl, "--out-jsonl"):
            write_jsonl(jsonl, records)
    if csv is not None:
        with writing(csv, "--out-csv"):
            write_csv(csv, records)


def _point(splits: Splits) -> Point:
    return splits.fn, splits.length, splits.seed


def _facts(point: Point, attempt: Attempt) -> dict[str, Any]:
    completion = attempt.candidate.completion
    return {
        "fn": point[0],
        "length": point[1],
        "attempt": attempt.index,
        "duration_ms": round(completion.latency_seconds * 1000),
        "prompt_tokens": completion.usage.prompt_tokens,
        "completion_tokens": completion.usage.completion_tokens,
        "reasoning_tokens": completion.usage.reasoning_tokens,
        "status": attempt.validation.status,
        "val_acc": attempt.validation.accuracy,
        "perfect": attempt.validation.perfect,
        "error": attempt.candidate.reason,
    }
