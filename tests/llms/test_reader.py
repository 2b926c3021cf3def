"""Reading ahead of whoever deals with the completions, only where the model allows it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from llm_erm.errors import InputError, ProviderError
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.reader import Reader


class OneByOne:
    """A model as simple as can be: it answers one sample after the other and knows no pace."""

    name = "one:by-one"

    def __init__(self, fails_at: int | None = None, hangs_at: int | None = None) -> None:
        self.begun: list[int] = []
        self.closed = False
        self._fails_at = fails_at
        self._hangs_at = hangs_at

    async def complete(self, request: Request) -> AsyncGenerator[Completion]:
        try:
            for index in request.indices:
                self.begun.append(index)
                if index == self._hangs_at:
                    await asyncio.sleep(3600)
                if index == self._fails_at:
                    raise ProviderError("no more")
                yield Completion(index, str(index))
        finally:
            self.closed = True

    async def aclose(self) -> None:
        pass


def read(llm, *, last: int = 9, stop_at: int | None = None, on_arrival=lambda one: None):
    async def reading() -> list[int]:
        got = []
        async with Reader(llm, Request("", range(1, last + 1)), on_arrival) as completions:
            async for completion in completions:
                got.append(completion.index)
                await asyncio.sleep(0.01)
                if completion.index == stop_at:
                    await completions.stop()
        return got

    return asyncio.run(asyncio.wait_for(reading(), 60))


def test_a_model_without_a_pace_is_asked_for_the_next_sample_when_the_last_was_dealt_with():
    llm = OneByOne()
    assert read(llm, stop_at=3) == [1, 2, 3]
    assert llm.begun == [1, 2, 3]
    assert llm.closed
    assert read(OneByOne(), last=4) == [1, 2, 3, 4]


def test_what_the_model_raises_comes_after_what_it_had_yielded():
    got = []
    with pytest.raises(ProviderError, match="no more"):
        read(OneByOne(fails_at=3), on_arrival=lambda one: got.append(one.index))
    assert got == [1, 2]


def test_what_the_journal_raises_ends_the_reading():
    def full(completion: Completion) -> None:
        raise InputError("the disk is full")

    llm = OneByOne()
    with pytest.raises(InputError, match="disk is full"):
        read(llm, on_arrival=full)
    assert llm.begun == [1]


def test_a_bug_of_the_model_is_never_swallowed():
    class Broken(OneByOne):
        async def complete(self, request: Request) -> AsyncGenerator[Completion]:
            request.pace.kept = True
            yield Completion(1, "")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read(Broken(), stop_at=1)


def test_leaving_the_block_ends_a_call_that_never_would():
    llm = OneByOne(hangs_at=2)

    async def leaving() -> None:
        async with Reader(llm, Request("", (1, 2)), lambda one: None) as completions:
            await anext(completions)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(completions), 0.05)

    asyncio.run(asyncio.wait_for(leaving(), 60))
    assert llm.begun == [1, 2]
    assert llm.closed
