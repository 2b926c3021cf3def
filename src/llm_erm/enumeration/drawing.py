"""Draws tasks that no model can have seen: random programs of given description lengths."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from textwrap import dedent

from llm_erm.checks import checking
from llm_erm.enumeration.behaviours import MAX_SAMPLED, Behaviours, Samples
from llm_erm.enumeration.sieves import Sieve, Sieves
from llm_erm.enumeration.terms import to_expression
from llm_erm.errors import InputError
from llm_erm.phrases import counted
from llm_erm.tasks.seeds import seed_from

LENGTHS = (10, 100)
"""The shortest and the longest inputs that tasks are drawn for, in characters."""

MOST_BITS = 64
"""The longest programs that are drawn."""

MOST_TASKS = 10_000
"""Tasks of one draw, at most."""


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
        needed = "from functools import reduce\n\n\n" if "reduce(" in self.expression else "\n"
        return dedent(f'''\
            """A random program of {self.bits:g} bits, drawn by llm-erm."""

            {{needed}}def rule(x):
                return {{expression}}


            def sample(rng, length):
                return "".join(map(str, rng.randint(2, size=length).tolist()))


            name = "{self.name}"
            kind = "binary"
            description = {{described}}
            lengths = ({self.length},)
            uniform = True
            bits = {self.bits!r}
            ''').format(
            needed=needed, expression=self.expression, described=repr(self.expression)
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
    rejected: Mapping[Sieve, int] = field(default_factory=dict)


@checking
def draw_tasks(
    count: int,
    bits: tuple[int, int],
    seed: int,
    length: int = 20,
    *,
    observe: Callable[[str], None] = lambda step: None,
) -> Drawing:
    """Draws random programs, spread evenly over description lengths, as tasks.

    Up to the description length to which all programs can be enumerated (34 bits at length 20),
    a task is any program that differs from all shorter ones, each as likely as any other of its
    length. Beyond, programs are sampled from the language, each as likely as any other of its
    length; programs of up to 34 bits are then still known to differ, while one in between may
    agree. ``sieves`` says what else holds programs back.

    The same arguments give the same tasks in any process, and a smaller count gives the first of
    them.

    Args:
        count: Number of tasks.
        bits: The lowest and the highest description length, in bits.
        seed: Seed of the draw; tasks of different seeds have different names.
        length: Length of the inputs in characters.
        observe: Called with ``length`` whenever all programs of a description length are known,
            and with ``task`` for each task.

    Raises:
        InputError: An argument is out of range, or no task exists of any of these lengths.
    """
    _check(count, bits, seed, length)
    low, high = bits
    behaviours = Behaviours(length, high, lambda: observe("length"))
    sieves = Sieves(length, behaviours)
    samples = Samples(behaviours.inputs, seed)
    rejected: Counter[Sieve] = Counter()

    def tasks_of(wanted: int) -> Iterator[DrawnTask]:
        number = 0
        for program in behaviours.programs(wanted, seed) or samples.programs(wanted):
            if (fault := sieves.fault(program)) is not None:
                rejected[fault] += 1
                continue
            number += 1
            yield DrawnTask(
                bits=float(wanted),
                length=length,
                seed=seed,
                number=number,
                expression=to_expression(program),
                share=sieves.share,
                checked_bits=min(wanted - 1, behaviours.complete_bits),
            )

    sources = {wanted: tasks_of(wanted) for wanted in spread(low, high, seed)}
    drawn: list[DrawnTask] = []
    missing: list[str] = []
    while sources and len(drawn) < count:
        for wanted in list(sources)[: count - len(drawn)]:
            task = next(sources[wanted], None)
            if task is None:
                del sources[wanted]
                found = sum(one.bits == wanted for one in drawn)
                missing.append(_exhausted(wanted, length, found, behaviours.complete_bits))
            else:
                drawn.append(task)
                observe("task")
    if not drawn:
        raise InputError(
            " ".join([*missing, "The range 13:40 has tasks at every length."]), setting="bits"
        )
    return Drawing(tuple(drawn), tuple(missing), rejected)


def spread(low: int, high: int, seed: int) -> list[int]:
    """Returns all whole numbers of a range so that the first of them are spread evenly over it.

    Each is as far from the one before as the golden ratio of the range, going round.
    """
    size = high - low + 1
    near = round(size * (math.sqrt(5) - 1) / 2)
    step = next(near + off for off in range(size + 1) if math.gcd(near + off, size) == 1)
    start = seed_from(f"{seed}|bits={low}:{high}") % size
    return [low + (start + i * step) % size for i in range(size)]


def _exhausted(bits: int, length: int, found: int, complete_bits: int) -> str:
    where = f"of {bits} bits at length {length}"
    if bits > complete_bits:
        return (
            f"Among {MAX_SAMPLED:,} sampled programs, {counted(found, 'task')} {where} "
            f"{'was' if found == 1 else 'were'} found; ask for fewer bits."
        )
    if not found:
        return f"No task {where} exists."
    return f"Only {counted(found, 'task')} {where} {'exists' if found == 1 else 'exist'}."


def _check(count: int, bits: tuple[int, int], seed: int, length: int) -> None:
    """Checks that the arguments are in range.

    Raises:
        InputError: One is not.
    """
    low, high = bits
    if not 1 <= count <= MOST_TASKS:
        raise InputError(
            f"The number of tasks is {count}; give one from 1 to {MOST_TASKS:,}.", setting="draw"
        )
    if not 1 <= low <= high <= MOST_BITS:
        raise InputError(
            f"The description lengths are {low}:{high}; give the lowest, a colon and the highest, "
            f"each from 1 to {MOST_BITS} bits, such as 12:40.",
            setting="bits",
        )
    if seed < 0:
        raise InputError(f"The seed is {seed}; give 0 or more.", setting="seed")
    if not LENGTHS[0] <= length <= LENGTHS[1]:
        raise InputError(
            f"The length of the inputs is {length}; tasks are drawn for lengths from {LENGTHS[0]} "
            f"to {LENGTHS[1]}.",
            setting="length",
        )
