"""How each production makes what is new at a price from what is kept at lower ones."""

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
    """Adds all expressions of a production with ``cost`` units left for what is under it.

    Raises:
        LimitReachedError: A limit of the search is spent; what was added stays.
    """
    _PIECES[production.name](bank, production, cost)
