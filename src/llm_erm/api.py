"""The package from Python: run any method over a grid of data sets, and look at the results.

Everything that the command line can do is a call here; nothing here prints or exits, and a run
works where an event loop is running already, as in a notebook.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_erm.errors import MissingExtraError
from llm_erm.llms.llm import LLM
from llm_erm.llms.models import model as model_of
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.executors import Executor, InProcess
from llm_erm.runs.jobs import Method
from llm_erm.runs.run import plan
from llm_erm.runs.run import run as run_plan
from llm_erm.synthesis.replay import read_replay
from llm_erm.tasks.spec import DataGrid, DataSpec

if TYPE_CHECKING:
    import pandas

IN_PROCESS = InProcess()


def run(
    method: Method,
    data: DataGrid | Sequence[DataSpec],
    folder: Path | str | None = None,
    *,
    executor: Executor = IN_PROCESS,
    observers: Sequence[Observer] = (),
    fresh: bool = False,
) -> list[Result]:
    """Returns what a method learns from each data set, in the order of its jobs.

    With a folder, everything is journaled there as it happens, and the same call goes on from what
    an interrupted one left; the folder is the one that the command of the method writes.

    Args:
        method: How to learn: ``Synthesis``, ``Enumeration``, ``InContext``, ``Training`` or
            ``Baselines``, with their settings.
        data: Which data: a grid, or data sets one by one. They are drawn where they are not yet in
            the grid's ``dataset_dir``, or ``datasets`` for single ones.
        folder: Where to keep the run; None keeps nothing but the data.
        executor: Where jobs run: in this process, or in a pool of ``Processes``.
        observers: Are told of every event of every job.
        fresh: Whether to delete what an earlier run left in the folder.

    Raises:
        LLMERMError: The set-up cannot work; the message says what to change.
        BudgetSpentError: The model's budget is spent; finished jobs are in the folder.
    """
    planned = plan(method, data, None if folder is None else Path(folder))
    return run_plan(planned, fresh=fresh, executor=executor, observers=observers)


def model(name: str, **settings: Any) -> LLM:  # noqa: ANN401 - those of the provider
    """Returns a language model by its name; nothing is sent, and no environment is read.

    Args:
        name: ``provider:model``, such as ``openai:gpt-5``, ``anthropic:claude-opus-4-6``,
            ``local:model.gguf`` or ``scripted:answers.json``; a provider alone, for its default
            model, such as ``local`` for the embedded one; or ``replay:FOLDER`` for the answers that
            an earlier run got.
        settings: Fields of ``ModelSettings`` that the provider takes, such as ``api_key``.

    Raises:
        InputError: There is no such model, or a setting cannot be used.
        MissingExtraError: What the provider needs is not installed.
    """
    if name.startswith("replay:"):
        return read_replay(Path(name.removeprefix("replay:"))).llm
    return model_of(name, **settings)


def frame(results: Sequence[Result]) -> "pandas.DataFrame":
    """Returns one row per result: accuracies, bounds, costs and the program, by short names.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    try:
        from pandas import DataFrame
    except ImportError:
        raise MissingExtraError(
            "A data frame needs pandas; install it with: pip install 'llm-erm[reports]'"
        ) from None
    return DataFrame([result.flat() for result in results])
