"""The machine code of a search, for all tests of this room."""

import pytest

from compiled import prepare_alone


@pytest.fixture(scope="session", autouse=True)
def prepared(compile_lock):
    """No test's own time or memory goes into compiling, or into loading what was compiled."""
    prepare_alone(compile_lock)
