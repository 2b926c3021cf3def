"""One sandbox for all sandbox tests."""

import pytest

from llm_erm.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox():
    with Sandbox(workers=2) as opened:
        yield opened
