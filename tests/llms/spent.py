"""What a budget has counted, read from what it says when no more fits."""

import asyncio
import re

import pytest

from llm_erm.errors import BudgetSpentError
from llm_erm.llms.budget import Budget

ROOM = 10**6
"""A limit in tokens that no test reaches."""


def spent(budget: Budget) -> int:
    """Tokens that the calls took from a budget of ``ROOM`` tokens."""
    with pytest.raises(BudgetSpentError) as raised:
        asyncio.run(budget.reserve(2 * ROOM, 0))
    found = re.search(r"([\d,]+) of the limit", str(raised.value))
    assert found is not None
    return int(found[1].replace(",", ""))
