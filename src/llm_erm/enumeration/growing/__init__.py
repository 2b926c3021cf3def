"""How each production builds new expressions of one cost from kept ones of lower cost."""

from llm_erm.enumeration.bank import Bank, Grow
from llm_erm.enumeration.growing import from_inputs, numbers, tables, truths
from llm_erm.enumeration.language import Production

_PIECES: dict[str, Grow] = {
    **from_inputs.PIECES,
    **numbers.PIECES,
    **truths.PIECES,
    **tables.PIECES,
}


def grow(bank: Bank, production: Production, cost: int) -> None:
    """Adds all expressions of a production that have ``cost`` units left for its parts.

    Raises:
        LimitReachedError: If the search reaches a limit; what was added is kept.
    """
    _PIECES[production.name](bank, production, cost)
