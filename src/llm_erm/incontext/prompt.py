"""The prompt of a query; what comes before the query is the same for all queries of a task."""

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
"""The beginning that the answers for both labels share; ``score`` compares what may follow."""

GAP = "\ue000"
"""Stands for the query while a chat template is put around the prompt; it has no meaning."""


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

    It has the parts of the published prompt in the same order: what the inputs are, the examples
    in a fenced block, the query in another, and the form of the answer. The last part is short on
    purpose: everything after the query is computed anew for every query.
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
    """Returns the frame of a rendered prompt whose query is ``GAP``.

    An actual query would not do: a short one may also occur elsewhere in the prompt.

    Raises:
        InputError: The chat template does not pass the text on unchanged.
    """
    if rendered.count(GAP) != 1:
        raise InputError(
            "The model's chat template changes the text of the prompt; leave the template out.",
            setting="raw_prompt",
        )
    head, _, tail = rendered.partition(GAP)
    return Frame(head, tail)


def check_balance(size: int, what: str, setting: str) -> None:
    """Checks that half of ``size`` examples can have each label.

    Args:
        size: How many examples are wanted.
        what: What they are, for the message.
        setting: Name of the setting that says how many.

    Raises:
        InputError: The size is odd or less than two.
    """
    if size < 2 or size % 2:
        raise InputError(
            f"{size} {what} were requested; half of them have each label, so give an even number "
            "of at least 2.",
            setting=setting,
        )


def balanced(data: Dataset, size: int, what: str, setting: str) -> Dataset:
    """Returns the first ``size`` examples, half of each label, in the order of the data.

    Args:
        data: What to take from.
        size: How many; even.
        what: What they are, for the message.
        setting: Name of the setting that says how many.

    Raises:
        InputError: The size is odd, less than two, or there are fewer of a label.
    """
    check_balance(size, what, setting)
    places = [_places(data, label)[: size // 2] for label in (0, 1)]
    if min(map(len, places)) < size // 2:
        raise InputError(
            f"{size} {what} were requested, but there are {len(places[0])} examples of label 0 and "
            f"{len(places[1])} of label 1; ask for fewer.",
            setting=setting,
        )
    chosen = sorted(places[0] + places[1])
    return Dataset(tuple([data.inputs[i] for i in chosen]), tuple([data.labels[i] for i in chosen]))


def _places(data: Dataset, label: int) -> list[int]:
    return [i for i, y in enumerate(data.labels) if y == label]
