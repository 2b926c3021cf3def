"""The Python API: run any method over a grid of data sets and look at the results.

It can do everything that the command line can. Nothing here prints or exits, and runs also work
inside a running event loop, as in a notebook.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from llm_erm.checks import checking
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms.llm import LLM
from llm_erm.llms.models import model as model_of
from llm_erm.records import Result
from llm_erm.runs.events import Observer
from llm_erm.runs.executors import Executor
from llm_erm.runs.jobs import Method
from llm_erm.runs.run import IN_PROCESS, plan
from llm_erm.runs.run import run as run_plan
from llm_erm.synthesis.replay import read_replay
from llm_erm.tasks.spec import DataGrid, DataSpec

if TYPE_CHECKING:
    import pandas


METHOD = "a method with its settings, such as Synthesis(llm=model('local'), ...) or Enumeration()"
DATA = "a grid, such as DataGrid(functions=['fn_a'], lengths=[20]), or a list of DataSpec"


@checking
def run(
    method: Annotated[Method, METHOD],
    data: Annotated[DataGrid | Sequence[DataSpec], DATA],
    folder: Path | str | None = None,
    *,
    executor: Executor = IN_PROCESS,
    observers: Sequence[Observer] = (),
    fresh: bool = False,
    shard: str | None = None,
    hide_data: bool = False,
) -> list[Result]:
    """Returns what a method learns from each data set, in the order of its jobs.

    With a folder, everything is journaled there as it happens, and the same call resumes an
    interrupted run. The commands write folders with the same layout.

    Args:
        method: How to learn: ``Synthesis``, ``Enumeration``, ``InContext``, ``Training`` or
            ``Baselines``, with their settings.
        data: The data sets: a grid, or a list of specs. Missing data sets are drawn and written to
            the grid's ``dataset_dir`` (for a list: ``datasets``).
        folder: Where to keep the run; None to keep nothing but the data.
        executor: Where jobs run: in this process, in a pool of ``Processes``, or on a
            ``RayCluster``.
        observers: Receive every event of every job.
        fresh: Whether to delete what an earlier run left in the folder.
        shard: Which part of the data sets to run, as in ``3/16``; ``merge`` joins the parts. None
            for all.
        hide_data: Whether to draw the data by chance and write them, into the folder, only when the
            run has stopped, so that a model that can read files cannot read them.

    Raises:
        LLMERMError: The run cannot start or continue; the message says what to change.
        UnfinishedError: The model's budget is spent or calls got no answer; finished jobs are in
            the folder.
    """
    place = None if folder is None else Path(folder)
    fresh_data = hide_data and fresh
    planned = plan(method, data, place, shard=shard, hide_data=hide_data, fresh_data=fresh_data)
    return run_plan(planned, fresh=fresh, executor=executor, observers=observers)


@checking
def model(name: Annotated[str, "a text, such as 'local'"], **settings: Any) -> LLM:  # noqa: ANN401 - those of the provider
    """Returns the language model of that name; sends nothing and reads no environment variables.

    Args:
        name: ``provider:model``, such as ``openai:gpt-5``, ``anthropic:claude-opus-4-6``,
            ``local:model.gguf`` or ``scripted:answers.json``; a provider alone, for its default
            model, such as ``local`` for the embedded one; or ``replay:FOLDER`` for the answers of
            an earlier run.
        settings: Fields of ``ModelSettings`` that the provider takes, such as ``api_key``.

    Raises:
        InputError: There is no such model, or a setting is not valid.
        MissingExtraError: A package that the provider needs is not installed.
    """
    provider, _, named = name.partition(":")
    if provider == "replay":
        if not named:
            raise InputError("replay needs the folder of a run, as in 'replay:runs/NAME'.")
        return read_replay(Path(named)).llm
    return model_of(name, **settings)


@checking
def frame(results: Sequence[Result]) -> "pandas.DataFrame":
    """Returns a data frame with one row per result: accuracies, bounds, cost and the program.

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
