"""The machine code of a search, for all tests of this room."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled(prepared):
    """Every test here may search."""
