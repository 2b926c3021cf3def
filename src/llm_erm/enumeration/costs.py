"""What productions cost: as defined by the language, or as learned from a model's proposals."""

from collections.abc import Mapping
from dataclasses import dataclass

from llm_erm.enumeration.language import InputKind, productions_for

Place = tuple[str, str]
"""A production and the one it is an argument of, by name; ``root`` if it is the whole program."""

ROOT = "root"


@dataclass(frozen=True)
class Costs:
    """Costs of productions, in whole units.

    Attributes:
        unit: Units per bit.
        base: The lowest cost of each production in any place.
        extra: The additional cost of a production in certain places.
    """

    unit: int
    base: Mapping[str, int]
    extra: Mapping[Place, int]


def language_costs(kind: InputKind) -> Costs:
    """Returns the costs that the language defines, in bits; they are the same in every place."""
    return Costs(1, {production.name: production.bits for production in productions_for(kind)}, {})
