"""The parent's side of the sandbox."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from llm_erm.sandbox.execution import BINARY, Execution, Input, Limits, Outputs


class Sandbox:
    """Runs candidate programs in processes of their own.

    Start it from the main thread (``with Sandbox() as sandbox``). ``execute`` blocks, and may be
    called from several threads at once.
    """

    @property
    def isolation(self) -> str:
        """The level that the start-up self-test found: strong, standard, basic or none."""
        raise NotImplementedError

    def execute(
        self,
        source: str,
        inputs: Sequence[Input],
        limits: Limits = Limits(),
        outputs: Outputs = BINARY,
    ) -> Execution:
        """Runs the function that ``source`` defines on each input, in shuffled order."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends every process of the sandbox."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
