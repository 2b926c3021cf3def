"""The prompt of a query: what comes before the query is the same for all queries of a task."""

from dataclasses import dataclass

from llm_erm.errors import InputError
from llm_erm.tasks.task import Dataset, Kind, describe_inputs

ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"label": {"type": "string", "enum": ["0", "1"]}},
    "required": ["label"],
    "additionalProperties": False,
}
"""JSON schema of the answer that the prompt asks for."""

ANSWER_START = '{"label": "'
"""The answer as far as it is the same for both labels; ``score`` compares what may follow."""

GAP = "\ue000"
"""Stands for the query while a template is put around the prompt; a character without a meaning."""


@dataclass(frozen=True)
class Frame:
    """A prompt with a gap for the query.

    Attributes:
        head: What comes before the query, the same bytes for every query.
        tail: What comes after it.
    """

    head: str
    tail: str

    def around(self, query: str) -> str:
        """Returns the prompt of a query."""
        return self.head + query + self.tail


def build_frame(examples: Dataset, kind: Kind, length: int) -> Frame:
    """Returns the prompt that asks for the label of one more input.

    Its parts follow the published ones in their order: what the inputs are, the examples in a
    fenced block, the query in another, the form of the answer. The last is short on purpose: all
    that follows the query is computed again for every query.
    """
    lines = "".join(f"{x} -> {y}\n" for x, y in zip(examples.inputs, examples.labels, strict=True))
    head = f"""\
# Task
Every input is {describe_inputs(kind, length)}.
One unknown rule gives each input its label, 0 or 1. Find the rule that explains the labelled \
examples, then apply it to the new input.

# Examples
```
{lines}```

# New input
```
"""
    tail = """
```

Its label, as JSON and nothing else: {"label": "0" | "1"}"""
    return Frame(head, tail)


def split_at_gap(rendered: str) -> Frame:
    """Returns the frame of a prompt that a chat template was put around, with ``GAP`` as its query.

    A query itself would not do: a short one may also be found in what follows it.

    Raises:
        InputError: The template does not hand on the text as it is.
    """
    if rendered.count(GAP) != 1:
        raise InputError(
            "The model's chat template changes the text of the prompt; give --raw-prompt to leave "
            "the template out."
        )
    head, _, tail = rendered.partition(GAP)
    return Frame(head, tail)


def balanced(data: Dataset, size: int, what: str) -> Dataset:
    """Returns the first ``size`` examples, half of each label, in the order of the data.

    Args:
        data: What to take from.
        size: How many; even.
        what: What they are, for the message.

    Raises:
        InputError: The size is odd, less than two, or there are fewer of a label.
    """
    if size < 2 or size % 2:
        raise InputError(
            f"{size} {what} were asked for; half are of each label, so give an even number, 2 or "
            "more."
        )
    places = [_places(data, label)[: size // 2] for label in (0, 1)]
    if min(map(len, places)) < size // 2:
        raise InputError(
            f"{size} {what} were asked for and there are {len(places[0])} of label 0 and "
            f"{len(places[1])} of label 1; ask for fewer."
        )
    chosen = sorted(places[0] + places[1])
    return Dataset(tuple([data.inputs[i] for i in chosen]), tuple([data.labels[i] for i in chosen]))


def _places(data: Dataset, label: int) -> list[int]:
    return [i for i, y in enumerate(data.labels) if y == label]
