"""Draws tasks that no model can have seen: random programs of given description lengths."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from llm_erm.checks import checking
from llm_erm.enumeration.drawn import Drawing, DrawnTask
from llm_erm.enumeration.method import check_packages
from llm_erm.enumeration.terms import Term, to_expression
from llm_erm.errors import InputError
from llm_erm.tasks.seeds import seed_from

if TYPE_CHECKING:
    from llm_erm.enumeration.sieves import Sieve

LENGTHS = (10, 100)
"""The shortest and the longest inputs that tasks are drawn for, in characters."""

MOST_BITS = 64
"""The longest programs that are drawn."""

USUAL_BITS = (18, 40)
"""Description lengths of which there are a hundred tasks or more at every length."""

MOST_TASKS = 10_000
"""Tasks of one draw, at most."""


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

    Up to the description length to which all programs can be enumerated (34 bits at length 20), a
    task is a program that differs from all shorter ones; see ``Behaviours.programs``. Beyond,
    programs are sampled from the language, each as likely as any other of its length. All programs
    of up to 34 bits are known to differ from these as well, but a shorter one of 35 bits or more
    may agree. ``Sieves.fault`` says what else holds programs back.

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
        MissingExtraError: A package that the enumeration needs is not installed.
    """
    _check(count, bits, seed, length)
    check_packages()
    from llm_erm.enumeration.behaviours import MAX_SAMPLED, Behaviours, Samples
    from llm_erm.enumeration.sieves import Sieves

    low, high = bits
    behaviours = Behaviours(length, high, lambda: observe("length"))
    sieves = Sieves(length, behaviours)
    samples = Samples(behaviours.inputs, seed)
    rejected: Counter[Sieve] = Counter()

    def programs_of(wanted: int) -> Iterator[Term]:
        if wanted <= behaviours.complete_bits:
            return behaviours.programs(wanted, seed)
        return samples.programs(wanted)

    def tasks_of(wanted: int) -> Iterator[DrawnTask]:
        number = 0
        for program in programs_of(wanted):
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

    drawn: list[DrawnTask] = []
    missing: dict[int, str] = {}
    for wanted, task in _in_turn({one: tasks_of(one) for one in spread(low, high, seed)}):
        if task is None:
            found = sum(one.bits == wanted for one in drawn)
            sampled = 0 if wanted <= behaviours.complete_bits else MAX_SAMPLED
            missing[wanted] = _exhausted(wanted, length, found, sampled)
        else:
            drawn.append(task)
            observe("task")
        if len(drawn) == count:
            break
    sentences = tuple(missing[wanted] for wanted in sorted(missing))
    if not drawn:
        raise InputError(
            f"{' '.join(sentences)} There are many of {USUAL_BITS[0]} to {USUAL_BITS[1]} bits.",
            setting="bits",
        )
    return Drawing(tuple(drawn), sentences, rejected)


def _in_turn(
    sources: Mapping[int, Iterator[DrawnTask]],
) -> Iterator[tuple[int, DrawnTask | None]]:
    """Yields a task of each description length in turn; None once one has no more."""
    left = dict(sources)
    while left:
        for bits in list(left):
            if (task := next(left[bits], None)) is None:
                del left[bits]
            yield bits, task


def spread(low: int, high: int, seed: int) -> list[int]:
    """Returns all whole numbers of a range so that the first of them are spread evenly over it.

    Each is as far from the one before as the golden ratio of the range, going round.
    """
    size = high - low + 1
    near = round(size * (math.sqrt(5) - 1) / 2)
    step = next(near + off for off in range(size + 1) if math.gcd(near + off, size) == 1)
    start = seed_from(f"{seed}|bits={low}:{high}") % size
    return [low + (start + i * step) % size for i in range(size)]


def _exhausted(bits: int, length: int, found: int, sampled: int) -> str:
    """Returns a sentence on a description length whose tasks are all drawn.

    Args:
        bits: The description length.
        length: Length of the inputs.
        found: How many tasks there were.
        sampled: Among how many sampled programs; 0 if all programs are known.
    """
    tasks = (
        f"{f'Only {found}' if found else 'No'} {'tasks' if found > 1 else 'task'} of {bits} bits"
    )
    if sampled:
        return f"{tasks} came up among {sampled:,} sampled programs at length {length}."
    return f"{tasks} {'exist' if found > 1 else 'exists'} at length {length}."


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
