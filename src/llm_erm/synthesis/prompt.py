"""The one prompt of a search, built from training examples alone."""

from collections.abc import Sequence

from llm_erm.synthesis.templates import fill
from llm_erm.tasks.task import Dataset, Kind, describe_inputs

ANSWER_SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string"}},
    "required": ["code"],
    "additionalProperties": False,
}
"""JSON schema of the answer that the prompt asks for."""

BLOCK_GRAMMAR = r"""
root ::= "```python\n" line* "def f(x):\n" body+ line* "```"
line ::= ([^`\n] [^\n]*)? "\n"
body ::= "    " [^\n]+ "\n"
""".lstrip()
"""GBNF of one fenced block that defines ``f``; in it, code has the line breaks it has in files."""

ANSWER_HEADING = "# Answer"
"""Heading of the last part of a prompt, which says what the answer looks like."""

_JSON = """\
Reply with one JSON object and nothing else:
{"code": "<python function>"}"""

_BLOCK = """\
Reply with one fenced block of Python code and nothing else:
```python
def f(x):
    ...
```"""


def build_prompt(
    train: Dataset,
    kind: Kind,
    length: int,
    *,
    block: bool = False,
    columns: Sequence[str] = (),
    template: str | None = None,
) -> str:
    """Returns the prompt that asks for a program explaining ``train``.

    Its parts follow the paper's (section 4): what the inputs and labels are, the wish for a short
    function that states the rule itself, the examples, and the form of the answer.

    Args:
        train: The training examples.
        kind: What the inputs are.
        length: Their length.
        block: Whether to ask for a fenced block of code instead of JSON, as published.
        columns: Names of the columns of a table, in order; empty if they are not to be told.
        template: A text of the user's own with gaps for these parts; see ``fill``.
    """
    examples = "\n".join(f"{x} -> {y}" for x, y in zip(train.inputs, train.labels, strict=True))
    inputs = describe_inputs(kind, length)
    if columns:
        named = ", ".join(f"x{index} is {name}" for index, name in enumerate(columns))
        inputs += f". The columns are: {named}"
    form = _BLOCK if block else _JSON
    if template is not None:
        return fill(template, examples=examples, inputs=inputs, answer=form)
    return f"""\
# Task
Below are labelled examples of an unknown rule. Every input x is {inputs}.
Every label is 0 or 1 and depends on the input alone.

Find the rule and write it down as a short Python function f(x) that takes such an input and \
returns its label as an int. State the rule directly, in logic or arithmetic. Do not fit, train or \
look up anything: no learned weights, no stored examples. The function will be run on inputs that \
are not shown here.

# Examples
```
{examples}
```

{ANSWER_HEADING}
{form}
"""
