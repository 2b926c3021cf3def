"""The one rule among those that a language model proposed for some rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_erm.rulelists.evidence import Size
from llm_erm.rulelists.rule import RuleList
from llm_erm.rulelists.search import Costs
from llm_erm.tables.columns import Table


def best_proposal(
    rules: Sequence[RuleList], table: Table, labels: NDArray[np.int32], costs: Costs
) -> list[Size]:
    """Returns the rule that costs least on the rows learned from; nothing if there is none.

    Of those, the one with the fewest conditions is taken, then the first. It stays as it was
    proposed: what no row learned from tells may be why it was.
    """
    cost_of = [int(costs[labels, rule.predict(table)].sum()) for rule in rules]
    order = sorted(range(len(rules)), key=lambda index: (cost_of[index], rules[index].conditions))
    return [
        Size(rules[index].conditions, rules[index], cost_of[index], 0, 0, "proposed")
        for index in order[:1]
    ]
