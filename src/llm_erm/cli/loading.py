"""Shows how far the data of a command are drawn or read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from llm_erm.cli.output import note
from llm_erm.cli.progress import Bars
from llm_erm.errors import InputError
from llm_erm.tasks.drawing import seconds_to_draw
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task import Splits

NOTABLE_SECONDS = 2.0
"""Drawing that takes less is not timed."""


@contextmanager
def loading(
    specs: Sequence[DataSpec], dataset_dir: Path, *, fresh: bool, warn: bool = True
) -> Iterator[Callable[[Splits], None]]:
    """Shows a bar while data are loaded; yields what is to be told of each data set.

    Args:
        specs: The data sets.
        dataset_dir: The folder of all data sets.
        fresh: Whether existing ones are drawn again.
        warn: Whether to print the warnings about them.
    """
    with Bars() as bars:
        bar = bars.add("data", len(specs))
        with suppress(InputError, OSError):  # loading them says more about it
            new = [spec for spec in specs if fresh or not spec.folder(dataset_dir).exists()]
            if (seconds := sum(map(seconds_to_draw, new))) >= NOTABLE_SECONDS:
                bars.expect(bar, seconds)

        def loaded(splits: Splits) -> None:
            bars.advance(bar)
            if warn:
                say_warnings(splits)

        yield loaded


def say_warnings(splits: Splits) -> None:
    """Prints the warnings about a data set."""
    for warning in splits.warnings:
        note(f"Note: {warning}")
