"""Drawn tasks, and the task files that hold them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from llm_erm.advice import advice
from llm_erm.errors import InputError
from llm_erm.runs.files import replace_bytes, writing

if TYPE_CHECKING:
    from llm_erm.enumeration.sieves import Sieve

_FILE = '''"""A random program of {bits:g} bits, drawn by `llm-erm tasks --draw`."""

{imports}def rule(x):
    return {expression}


def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length).tolist()))


name = "{name}"
kind = "binary"
description = {described}
lengths = ({length},)
uniform = True
bits = {bits}
'''


@dataclass(frozen=True)
class DrawnTask:
    """A random program as a task.

    Attributes:
        bits: Its description length, as enumeration counts it.
        length: Length of its inputs in characters; positions and halves depend on it.
        seed: The seed it was drawn with.
        number: Which task of its description length and seed it is, from 1.
        expression: The program, a Python expression over ``x``.
        share: The share of uniform inputs with label 1, measured on 1,000.
        checked_bits: All programs of up to this description length are known to differ from it on
            some of 512 inputs. If it is one bit less than ``bits``, no shorter program exists
            that agrees with it there.
    """

    bits: float
    length: int
    seed: int
    number: int
    expression: str
    share: float
    checked_bits: int

    @property
    def name(self) -> str:
        """The name of the task, which says how it was drawn."""
        return f"drawn_b{self.bits:02g}_l{self.length}_s{self.seed}_{self.number}"

    @property
    def source(self) -> str:
        """The contents of its task file, which imports nothing of this package."""
        return _FILE.format(
            name=self.name,
            bits=self.bits,
            imports="from functools import reduce\n\n\n" if "reduce(" in self.expression else "\n",
            expression=self.expression,
            described=json.dumps(self.expression),
            length=self.length,
        )


@dataclass(frozen=True)
class Drawing:
    """What a draw of tasks gave.

    Attributes:
        tasks: The tasks, in the order in which they were drawn.
        missing: For each description length of which there are fewer tasks than asked for, a
            sentence.
        rejected: How many programs each sieve held back.
    """

    tasks: tuple[DrawnTask, ...]
    missing: tuple[str, ...] = ()
    rejected: Mapping["Sieve", int] = field(default_factory=dict)

    def write(self, folder: Path | str) -> list[Path]:
        """Writes one task file per task into a folder and returns their paths, in order.

        Files that already hold these tasks stay as they are.

        Raises:
            InputError: A file of that name holds something else; then nothing is written. Or the
                folder cannot be written.
        """
        place = Path(folder)
        sources = {place / f"{task.name}.py": task.source.encode() for task in self.tasks}
        new = {path: source for path, source in sources.items() if not _holds(path, source)}
        for path, source in new.items():
            with writing(path, "out_dir"):
                replace_bytes(path, source)
        return list(sources)


def _holds(path: Path, source: bytes) -> bool:
    """Returns whether a file holds a task; False if there is no such file.

    Raises:
        InputError: It holds something else, or cannot be read.
    """
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(
            f"Cannot read {path}: {error.strerror}; {advice(error, path, 'name another folder')}.",
            setting="out_dir",
        ) from error
    if found != source:
        raise InputError(
            f"{path} holds another task, and would be overwritten; name another folder, or delete "
            "that file.",
            setting="out_dir",
        )
    return True
