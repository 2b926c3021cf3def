import gc
import sys
import threading
from collections.abc import Iterator

import pytest

from llm_erm.source import parse

PROGRAM = "def f(x):\n    return " + " + ".join(f"x[{place}]" for place in range(40))


class Finalized:
    """Garbage that the collector finalizes, which lets another thread run."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        sum(range(50))


@pytest.fixture
def eager_threads() -> Iterator[None]:
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_threads")
def test_threads_can_parse_at_the_same_time():
    failures: list[SystemError] = []

    def parse_often() -> None:
        for _ in range(300):
            garbage = [Finalized() for _ in range(5)]
            del garbage
            try:
                parse(PROGRAM)
            except SystemError as error:
                failures.append(error)

    threads = [threading.Thread(target=parse_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
