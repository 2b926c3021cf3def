"""Prompts of the user's own: texts with gaps for the examples, the inputs and the answer's form."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from llm_erm.advice import advice
from llm_erm.errors import InputError

GAPS = ("examples", "inputs", "answer")
"""What a template has gaps for: ``{examples}``, one ``input -> label`` per line; ``{inputs}``, what
an input is, as part of a sentence; ``{answer}``, the form of the answer."""

_GAP = re.compile(r"\{(examples|inputs|answer)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


def fill(template: str, **parts: str) -> str:
    """Returns a template with its gaps filled; all other braces stay as they are.

    Args:
        template: The text.
        parts: What goes into each of ``GAPS``.
    """
    return _GAP.sub(lambda gap: parts[gap[1]], template)


def check_prompts(prompts: Mapping[str, str]) -> None:
    """Checks templates by their names.

    Raises:
        InputError: A name cannot be part of a file's name, or a template does not show the examples
            exactly once.
    """
    for name, template in prompts.items():
        if not _NAME.fullmatch(name):
            raise InputError(
                f"A prompt is called {name!r:.60}; give it a name of up to 40 letters, digits, "
                "dots, - and _, which begins with a letter or digit.",
                setting="prompts",
            )
        shown = _GAP.findall(template).count("examples")
        if shown != 1:
            many = f"{{examples}} {shown} times" if shown else "no {examples}"
            raise InputError(
                f"The prompt {name!r} has {many}; put it once where the training examples belong.",
                setting="prompts",
            )


def read_prompts(path: Path) -> dict[str, str]:
    """Returns the prompts in a JSON file: an object with a template by each name.

    Raises:
        InputError: The file cannot be read, or is no such object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique)
    except OSError as error:
        raise InputError(
            f"The prompts in {path} cannot be read ({error.strerror or error}); "
            f"{advice(error, path, 'name a JSON file')}.",
            setting="prompts",
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} cannot be read as JSON ({error}); prompts are an object with a text by each "
            "name.",
            setting="prompts",
        ) from error
    if (
        not isinstance(found, dict)
        or not found
        or not all(isinstance(t, str) for t in found.values())
    ):
        raise InputError(
            f"{path} holds no prompts; write a JSON object with a text by each name, such as "
            '{"short": "{examples}\\n\\n{answer}"}.',
            setting="prompts",
        )
    check_prompts(found)
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(names := [name for name, _ in pairs]) > len(set(names)):
        raise ValueError("two prompts have the same name")
    return dict(pairs)
