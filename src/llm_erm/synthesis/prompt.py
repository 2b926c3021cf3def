"""The one prompt of a search, built from training examples alone."""

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

_JSON = """\
Reply with one JSON object and nothing else:
{"code": "<python function>"}"""

_BLOCK = """\
Reply with one fenced block of Python code and nothing else:
```python
def f(x):
    ...
```"""


def build_prompt(train: Dataset, kind: Kind, length: int, *, block: bool = False) -> str:
    """Returns the prompt that asks for a program explaining ``train``.

    Its parts follow the paper's (section 4): what the inputs and labels are, the wish for a short
    function that states the rule itself, the examples, and the form of the answer.

    Args:
        train: The training examples.
        kind: What the inputs are.
        length: Their length.
        block: Whether to ask for a fenced block of code instead of JSON, as published.
    """
    return f"""\
{build_question(train, kind, length)}
# Answer
{_BLOCK if block else _JSON}
"""


def build_question(train: Dataset, kind: Kind, length: int) -> str:
    """Returns the prompt without the form of the answer."""
    examples = "\n".join(f"{x} -> {y}" for x, y in zip(train.inputs, train.labels, strict=True))
    inputs = describe_inputs(kind, length)
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
"""
