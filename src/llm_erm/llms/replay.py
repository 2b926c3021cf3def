"""A model that says again what a journal holds: no key, no calls, nothing paid."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from llm_erm.llms.llm import LLM, Completion, Request


class ReplayLLM(LLM):
    """Answers each request with the completions that a finished run's model gave to it.

    Args:
        name: The name of that model.
        answers: For the seed of each series of samples, its completions in the order they came.
        described: What shaped that model's answers; see ``LLM.described``.
    """

    def __init__(
        self, name: str, answers: Mapping[int, Sequence[Completion]], described: object = None
    ) -> None:
        self._name = name
        self._answers = answers
        self._described = described

    @property
    def name(self) -> str:
        """The name of the model whose answers these are."""
        return self._name

    @property
    def described(self) -> object:
        """That these are answers again, and what shaped them."""
        return {"name": self._name, "replayed": self._described}

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields what there is of the samples wanted, in the order in which it came.

        All of it has arrived already, so none of it waits for the pace.
        """
        if request.pace is not None:
            request.pace.kept = True
        wanted = set(request.indices)
        for completion in self._answers.get(request.seed, ()):
            if completion.index in wanted:
                yield completion

    async def aclose(self) -> None:
        """Does nothing: there is nothing to free."""
