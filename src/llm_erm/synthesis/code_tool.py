"""A Python tool for any tool-calling model: it sees the training examples and nothing else."""

from llm_erm.execution import Evaluator, Limits, Outputs
from llm_erm.llms.llm import Tool
from llm_erm.tasks.task import Dataset

NAME = "run_python"
CALLS = 16
OUTPUT_BYTES = 6000
SECONDS = 10.0
CODE_CHARACTERS = 200_000
"""Longer code would take long to parse, before any limit of the sandbox applies."""

_BYTES = Outputs(labels=tuple(range(255)))
_END = 254  # no byte of UTF-8

_PROGRAM = """\
import ast, contextlib, io, traceback

class _Output(io.TextIOBase):
    said, size = [], 0
    def write(self, text):
        if self.size <= {limit}:
            self.said.append(text[: {limit} + 1])
            self.size += len(text)
        return len(text)

def _run(names):
    try:
        tree = ast.parse({code!r}, "<code>")
        ends_in_value = tree.body and isinstance(tree.body[-1], ast.Expr)
        value = ast.Expression(tree.body.pop().value) if ends_in_value else None
        exec(compile(tree, "<code>", "exec"), names)
        if value is not None:
            value = eval(compile(value, "<code>", "eval"), names)
        if value is not None:
            print(repr(value))
    except BaseException as error:
        own = [frame for frame in traceback.extract_tb(error.__traceback__)
               if frame.filename == "<code>"]
        print(*traceback.format_list(own), *traceback.format_exception_only(error), sep="", end="")

with contextlib.redirect_stdout(_Output()) as _output, contextlib.redirect_stderr(_output):
    _run({{"__name__": "__main__", "examples": {examples!r}}})
_said = "".join(_output.said).encode("utf-8", "replace")

def f(x):
    return _said[int(x)] if int(x) < len(_said) else {end}
"""
"""Runs the model's code while it loads; one byte per input then carries the text out."""


def code_tool(train: Dataset, sandbox: Evaluator, limits: Limits) -> Tool:
    """Returns a tool that runs Python in the sandbox, with the training examples as a variable.

    Each call runs in a new child process that ends with the call. It has no files, no network, no
    memory of other calls, and no access to data other than ``train``. It may use ``SECONDS`` of
    CPU time and print ``OUTPUT_BYTES`` bytes.

    Args:
        train: What the code sees as ``examples``, a list of ``(x, y)``.
        sandbox: Where it runs.
        limits: Limits of a candidate, of which the memory limit applies.
    """
    examples = list(zip(train.inputs, train.labels, strict=True))
    own_limits = Limits(SECONDS, SECONDS, limits.memory_bytes)
    places = [str(i) for i in range(OUTPUT_BYTES + 1)]

    def run(code: str) -> str:
        if len(code) > CODE_CHARACTERS:
            return f"The code has {len(code):,} characters; {CODE_CHARACTERS:,} are the most."
        program = _PROGRAM.format(code=code, examples=examples, limit=OUTPUT_BYTES, end=_END)
        execution = sandbox.execute(program, places, own_limits, _BYTES)
        if execution.status != "ok":
            return f"The code was ended: {execution.status} ({execution.message})."
        said = bytes(byte for byte in execution.predictions.tolist() if byte < _END)
        text = said[:OUTPUT_BYTES].decode("utf-8", "replace")
        if len(said) > OUTPUT_BYTES:
            return f"{text}\n(cut here: {OUTPUT_BYTES} bytes of output are the most)"
        return text or "(no output; print what you want to see)"

    return Tool(
        name=NAME,
        description=(
            "Runs Python code and returns what it prints, and the value of a last line that is an "
            f"expression. `examples` is the list of the {len(examples)} labelled examples of the "
            "prompt as (x, y) pairs: x a string, y an int. numpy and sympy are there. Every call "
            f"starts afresh; it may take {SECONDS:g} seconds and print {OUTPUT_BYTES} characters."
        ),
        run=run,
        calls=CALLS,
    )
