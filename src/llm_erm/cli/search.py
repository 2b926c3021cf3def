"""Searches the grid points of one command, several at a time, and keeps what they find."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import Progress

from llm_erm.cli import output
from llm_erm.cli.models import Choice
from llm_erm.cli.options import Problem
from llm_erm.cli.result import result_of
from llm_erm.erm.trials import success_at
from llm_erm.errors import BudgetSpentError, LLMERMError
from llm_erm.journal import writing
from llm_erm.llms.llm import Completion
from llm_erm.records import Attempt, Run
from llm_erm.sandbox import Sandbox
from llm_erm.store import Point, Store
from llm_erm.synthesis.export import judge_all, record, write_csv, write_jsonl
from llm_erm.synthesis.learn import Journal, learn
from llm_erm.synthesis.settings import Settings
from llm_erm.tasks.task import Splits

TEST_ACCURACIES = "attempt_test_accuracies"
"""Key of a result that holds the test accuracy of every attempt, where the published files do."""

BARS = 20
"""Searches with a bar of their own at most; more share one."""


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
        judging: bool,
    ) -> None:
        self._choice = choice
        self._sandbox = sandbox
        self._settings = settings
        self._store = store
        self._log = log
        self._judging = judging
        self._stopped: BudgetSpentError | None = None
        # Threads of its own: programs that run long must not hold up the calls' name look-ups.
        self._threads = ThreadPoolExecutor(sandbox.workers + 1, "verify")

    async def run(self, problems: Sequence[Problem]) -> list[dict[str, Any]]:
        """Returns the result of every grid point, in order; those in the store are not redone.

        Raises:
            BudgetSpentError: The budget is spent; the results so far are in the store.
            LLMERMError: The model refuses to work or the disk is full; the other searches are
                stopped and the journal keeps what they had.
        """
        places = asyncio.Semaphore(len(problems) if self._choice.at_once else 1)
        try:
            with self._threads, output.progress() as progress:
                many = len(problems) > BARS
                total = progress.add_task("searches", total=len(problems), visible=many)
                async with asyncio.TaskGroup() as searches:
                    for problem in problems:
                        bar = None if many else progress
                        searches.create_task(
                            self._in_place(problem, places, bar)
                        ).add_done_callback(lambda _: progress.advance(total))
        except* LLMERMError as group:
            error = group.exceptions[0]
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None
        finally:
            await self._choice.llm.aclose()
        if self._stopped is not None:
            raise self._stopped
        return [self._store.results[point_of(problem.splits)] for problem in problems]

    async def _in_place(
        self, problem: Problem, places: asyncio.Semaphore, progress: Progress | None
    ) -> None:
        async with places:
            try:
                await self._point(problem, progress)
            except BudgetSpentError as error:  # what others have in flight is paid for: no end yet
                self._stopped = error

    async def _point(self, problem: Problem, progress: Progress | None) -> None:
        point = point_of(problem.splits)
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        result = self._store.results.get(point)
        if result is None:
            run = await self._learn(problem, point, progress)
            result = result_of(run)
            if self._judging:
                result |= await in_thread(self._judged, problem, point)
            self._store.finish(run, result)
            self._log.info("search_finished", extra={"facts": result})
        elif self._judging and TEST_ACCURACIES not in result:
            more = await in_thread(self._judged, problem, point)
            self._store.add_result(point, result | more)

    async def _learn(self, problem: Problem, point: Point, progress: Progress | None) -> Run:
        done = self._store.attempts(point)
        bar = None
        if progress is not None:
            bar = progress.add_task(
                f"{point.function} L={point.length}",
                total=self._settings.attempts,
                completed=len(done),
            )

        def keep(attempt: Attempt) -> None:
            self._store.append(point, attempt)
            self._log.info("attempt", extra={"facts": _facts(point, attempt)})
            if progress is not None and bar is not None:
                progress.advance(bar)

        def keep_answer(completion: Completion) -> None:
            self._store.append(point, completion)

        run = await learn(
            problem.splits,
            self._choice.llm,
            self._sandbox,
            replace(self._settings, seed=point.seed),
            Journal(done, self._store.answers(point), keep_answer, keep),
            problem.reveal,
            self._threads,
        )
        if progress is not None and bar is not None:
            progress.remove_task(bar)
        return run

    def _judged(self, problem: Problem, point: Point) -> dict[str, Any]:
        """Meets every attempt with the test data: the choice is made, so this can change none."""
        judged = judge_all(
            self._store.attempts(point), problem.reveal(), self._sandbox, self._settings.limits
        )
        more: dict[str, Any] = {TEST_ACCURACIES: [one.test_accuracy for one in judged]}
        # With early stopping the best candidates would be missing by design.
        if judged and not self._settings.early_stop:
            exact, drawn = sum(one.exact for one in judged), len(judged)
            sizes = sorted({1, drawn} | {2**i for i in range(1, drawn.bit_length())})
            more["exact_attempts"] = exact
            more["success_at"] = {str(k): success_at(k, exact, drawn) for k in sizes if k <= drawn}
        return more


def export(
    store: Store, points: Iterable[Point], isolation: str, jsonl: Path | None, csv: Path | None
) -> None:
    """Writes the published files anew from the journal; nothing where it holds no attempt.

    Attempts of a search that has not ended have no test accuracy: no choice was made yet.

    Raises:
        InputError: One of them cannot be written.
    """
    records = []
    for point in points:
        attempts = store.attempts(point)
        result = store.results.get(point, {})
        accuracies = result.get(TEST_ACCURACIES, [None] * len(attempts))
        first_perfect = next((a.index for a in attempts if a.validation.perfect), None)
        records += [
            record(point, attempt, accuracy, ended=attempt.index == first_perfect)
            | {"isolation": result.get("isolation", isolation)}
            for attempt, accuracy in zip(attempts, accuracies, strict=True)
        ]
    if jsonl is not None and records:
        with writing(jsonl, "--out-jsonl"):
            write_jsonl(jsonl, records)
    if csv is not None and records:
        with writing(csv, "--out-csv"):
            write_csv(csv, records)


def point_of(splits: Splits) -> Point:
    """Returns the grid point that the splits are of."""
    return Point(splits.fn, splits.length, splits.seed, splits.trial)


def _facts(point: Point, attempt: Attempt) -> dict[str, Any]:
    completion = attempt.candidate.completion
    return {
        "fn": point.function,
        "length": point.length,
        "trial": point.trial,
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
