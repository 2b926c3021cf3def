"""A model that repeats the answers in a journal, without a key, calls or costs."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from llm_erm.llms.llm import LLM, Completion, Request


class ReplayLLM(LLM):
    """Answers each request with the completions of an earlier run's model.

    Args:
        name: The name of that model.
        answers: For the seed of each series of samples, its completions in order of arrival.
        described: What shaped that model's answers; see ``LLM.described``.
        reads_files: Whether that model may have read the files of the data.
    """

    def __init__(
        self,
        name: str,
        answers: Mapping[int, Sequence[Completion]],
        described: object = None,
        *,
        reads_files: bool = False,
    ) -> None:
        self._name = name
        self._reads_files = reads_files
        self._answers = answers
        self._described = described

    @property
    def name(self) -> str:
        """The name of the model whose answers these are."""
        return self._name

    @property
    def described(self) -> object:
        """The fact that this is a replay, and what shaped the original answers."""
        return {"name": self._name, "replayed": self._described}

    @property
    def reads_files(self) -> bool:
        """Whether that model may have read the files of the data."""
        return self._reads_files

    def answers(self, seed: int) -> Sequence[Completion]:
        """Returns the completions of the samples with a seed, in order of arrival."""
        return self._answers.get(seed, ())

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields those of the requested samples that exist, in their original order of arrival.

        They do not wait for the pace, because all of them have already arrived.
        """
        if request.pace is not None:
            request.pace.kept = True
        indices = set(request.indices)
        for completion in self.answers(request.seed):
            if completion.index in indices:
                yield completion
