"""Whoever stops a search does not wait for the model's next token."""

import asyncio
import gc
import threading
import time

import pytest

from llm_erm.errors import InputError
from llm_erm.llms import local, runtime
from llm_erm.llms.llm import Request
from llm_erm.llms.local import LocalLLM, _Copy


class Slow:
    """A model that computes until it is told to end."""

    def __init__(self) -> None:
        self.begun, self.end, self.freed = (threading.Event() for _ in range(3))

    def load(self, **_) -> None:
        """Loads nothing."""

    def stream(self, query, take) -> None:
        """Computes a long prompt."""
        self.begun.set()
        self.end.wait(60)
        take({"choices": []})

    def unload(self) -> None:
        """Notes it."""
        self.freed.set()


@pytest.fixture
def slow(monkeypatch):
    """A slow model, whose end is at the latest that of the test."""
    monkeypatch.setattr(local, "STOP_SECONDS", 0.05)
    made = Slow()
    yield made
    made.end.set()
    assert made.freed.wait(20)
    ends = time.monotonic() + 20
    while runtime.still_computing():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_cancelled_search_ends_while_the_model_reads_its_prompt(slow):
    llm = LocalLLM()
    llm._copies = [_Copy(slow, 100, 1, {})]
    request = Request(prompt="x", indices=range(1, 3), seed=1, max_tokens=5)

    async def search() -> None:
        async def read() -> None:
            async for _ in llm.complete(request):
                raise AssertionError("there is no answer")

        reading = asyncio.create_task(read())
        while not slow.begun.is_set():
            await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
        await llm.aclose()

    asyncio.run(search())  # would wait for the executor of the event loop
    assert not slow.freed.is_set()
    assert runtime.still_computing()


def test_an_interrupted_request_to_the_model_is_waited_for_elsewhere(monkeypatch):
    waited, ended = threading.Event(), threading.Event()

    def interrupted(*_):
        raise KeyboardInterrupt

    def settle(loaded):
        assert loaded == "loaded"
        waited.set()
        ended.wait(60)

    monkeypatch.setattr(runtime, "_response", interrupted)
    monkeypatch.setattr(runtime, "_settle", settle)
    model = runtime.GGUFModel("x.gguf", "x", 1)
    model._loaded = "loaded"
    with pytest.raises(KeyboardInterrupt):
        model.ask("/completion", {})
    assert waited.wait(20)
    assert runtime.still_computing()
    assert model._loaded is None
    ended.set()
    ends = time.monotonic() + 20
    while runtime.still_computing():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_what_a_second_copy_fails_with_is_not_reported_as_never_retrieved():
    class Failing:
        def read_prompt(self, request, stop, tell) -> int:
            return 1

        def draw(self, request, seed, count, stop, **_):
            raise InputError(f"batch {seed}")

        def unload(self) -> None:
            """Frees nothing."""

    llm = LocalLLM()
    llm._copies = [Failing(), Failing()]
    reported = []

    async def search() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: reported.append(about))
        request = Request(prompt="x", indices=range(1, 1000), seed=1, max_tokens=5)
        with pytest.raises(InputError, match="batch"):
            async for _ in llm.complete(request):
                raise AssertionError("there is no answer")

    asyncio.run(search())
    gc.collect()
    assert reported == []
