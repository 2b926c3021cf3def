"""The suite: fn_a to fn_l as published, and fn_v and fn_aa of the follow-up (arXiv 2510.14331v2).

Its tasks on public tables, for which no rule is known, are in ``rows``. To add a task, add a row;
to use one without changing the package, see ``task_file``.
"""

from collections.abc import Callable
from difflib import get_close_matches

from llm_erm.errors import InputError
from llm_erm.phrases import counted, either
from llm_erm.tasks import existing, graphs, probes, rules, samplers
from llm_erm.tasks.rows import TABLES
from llm_erm.tasks.rules import Rule, label_strings
from llm_erm.tasks.samplers import by_class, by_rule
from llm_erm.tasks.task import MAX_LENGTH, Draw, Kind, PublishedDraw, Release, Task

LENGTHS = (100, 50, 30, 25, 20)

SCARCE_LENGTH = 20
"""The shortest published length, where the paper's release keeps repeats of fn_g and fn_h."""

Published = Callable[[Release, int], PublishedDraw | None]
"""``Task.published``; by default both releases draw like this package."""


def at_least(least: int, multiple: int = 1, most: int = MAX_LENGTH) -> Callable[[int], str | None]:
    """Returns a ``Task.why_not`` that admits multiples of a number within these bounds."""

    def why_not(length: int) -> str | None:
        if length < least:
            return f"it needs at least {counted(least, 'character')}"
        if length > most:
            return f"it takes at most {counted(most, 'character')}"
        return f"it needs a multiple of {multiple}" if length % multiple else None

    return why_not


def _task(
    id: str,
    name: str,
    computes: str,
    rule: Rule,
    draw: Draw,
    why_not: Callable[[int], str | None],
    *,
    kind: Kind = "binary",
    lengths: tuple[int, ...] = LENGTHS,
    draw_random: Draw | None = None,
    published: Published | None = None,
    existing: Callable[[int], tuple[int | None, int | None]] = lambda length: (None, None),
    draw_contrast: Draw | None = None,
    shift: Callable[[int], dict[int, Draw]] | None = None,
    uniform: bool = False,
    evaluation_version: int = 1,
) -> Task:
    return Task(
        id=id,
        name=name,
        kind=kind,
        computes=computes,
        lengths=lengths,
        why_not=why_not,
        label=label_strings(rule),
        draw=draw,
        draw_random=draw_random,
        published=published or (lambda release, length: PublishedDraw(draw)),
        existing=existing,
        draw_contrast=draw_contrast,
        shift=shift or probes.usual_shift(draw, why_not),
        uniform=uniform,
        evaluation_version=evaluation_version,
    )


def _uniform(
    id: str,
    name: str,
    computes: str,
    rule: Rule,
    least: int,
    existing: Callable[[int], tuple[int | None, int | None]] = lambda length: (None, None),
) -> Task:
    return _task(
        id, name, computes, rule, by_rule(rule), at_least(least), existing=existing, uniform=True
    )


def _pattern(id: str, name: str, pattern: str, repeats_in: Release | None = None) -> Task:
    rule = rules.contains(pattern)
    with_pattern = samplers.with_pattern(pattern)
    without = samplers.rejection(samplers.uniform_bits, rule, label=False)
    draw = by_class(without, with_pattern)
    return _task(
        id,
        name,
        f"{pattern} occurs",
        rule,
        draw,
        # Nearly all longer strings contain every pattern of eight bits; negatives become too rare.
        at_least(len(pattern), most=1000),
        published=lambda release, length: PublishedDraw(draw, repeats=release == repeats_in),
        existing=existing.with_pattern(pattern),
        draw_contrast=by_class(probes.near_pattern(pattern, rule), with_pattern),
        uniform=True,  # but for the few strings with two occurrences, which are twice as likely
    )


def planted_parity(id: str, name: str, count: int) -> Task:
    """Returns a task like fn_e and fn_f: the parity of the bits at ``count`` fixed positions."""
    rule = rules.parity_at(count)
    why_not = at_least(count)

    def shift(length: int) -> dict[int, Draw]:
        # Only longer inputs have all the positions of the training length.
        draw = by_rule(rules.parity_at(count, length))
        others = (length * 3 // 2, 2 * length)
        return {other: draw for other in others if other > length and why_not(other) is None}

    return _task(
        id,
        name,
        f"the number of ones at {count} fixed positions is odd",
        rule,
        by_rule(rule),
        why_not,
        existing=existing.halves,
        shift=shift,
        uniform=True,
    )


def _primes(id: str, name: str, computes: str, last_digits: str, offset: int = 0) -> Task:
    why_not = at_least(4, most=rules.MAX_DIGITS)
    primes = samplers.primes_plus(offset)
    draw = by_class(samplers.products(offset, last_digits), primes)

    def published(release: Release, length: int) -> PublishedDraw | None:
        return None if offset and release == "erm" else PublishedDraw(draw)

    return _task(
        id,
        name,
        computes,
        rules.prime_plus_47 if offset else rules.prime,
        draw,
        why_not,
        kind="decimal",
        published=published,
        draw_contrast=by_class(samplers.products(offset, "1379", of_primes=True), primes),
        # Not twice the length: a prime of 200 digits takes milliseconds to find and to check.
        shift=probes.usual_shift(draw, why_not, factors=(0.5, 1.5)),
    )


def _published_palindromes(release: Release, length: int) -> PublishedDraw:
    if release == "erm" and length != SCARCE_LENGTH:
        return PublishedDraw(by_class(samplers.uniform_non_palindromes, samplers.palindromes))
    draw = by_class(samplers.flipped_palindromes, samplers.palindromes)
    return PublishedDraw(draw, repeats=True)


_draw_dyck2 = by_class(samplers.broken_dyck2_words, samplers.dyck2_words)


def _published_graphs(release: Release, length: int) -> PublishedDraw | None:
    draw = by_class(graphs.published_trees, graphs.published_triangles)
    return PublishedDraw(draw) if release == "pv" else None


_TASKS = (
    _uniform("fn_a", "parity_all", "the number of ones is odd", rules.parity, 1, existing.halves),
    _uniform(
        "fn_b",
        "parity_first_half",
        "the number of ones in the first half (rounded down) is odd",
        rules.parity_first_half,
        2,
        existing.halves,
    ),
    _pattern("fn_c", "patternmatch1", "10101010"),
    _pattern("fn_d", "patternmatch2", "00111111", repeats_in="pv"),
    planted_parity("fn_e", "parity_rand_3", 3),
    planted_parity("fn_f", "parity_rand_10", 10),
    _task(
        "fn_g",
        "palindrome",
        "the string equals its reverse",
        rules.palindrome,
        by_class(samplers.near_palindromes, samplers.palindromes),
        at_least(2),
        draw_random=by_class(samplers.uniform_non_palindromes, samplers.palindromes),
        published=_published_palindromes,
        existing=existing.palindromes,
        draw_contrast=by_class(probes.hard_non_palindromes, samplers.palindromes),
        uniform=True,
    ),
    _task(
        "fn_h",
        "dyck2",
        "the pairs 00 ( 01 ) 10 [ 11 ] form balanced, matching brackets",
        rules.dyck2,
        _draw_dyck2,
        at_least(4, multiple=4),
        lengths=(100, 80, 60, 40, 20),
        published=lambda release, length: PublishedDraw(
            _draw_dyck2, repeats=length == SCARCE_LENGTH
        ),
        existing=existing.dyck2,
        draw_contrast=by_class(probes.hard_non_dyck2_words, samplers.dyck2_words),
    ),
    _primes("fn_i", "prime_decimal", "the number is prime", "0123456789"),
    _uniform(
        "fn_j",
        "automata_parity",
        "after one step of cellular automaton rule 30 the number of ones is odd",
        rules.rule30_parity,
        1,
    ),
    _primes(
        "fn_k",
        "prime_decimal_tf_check",
        "the number is prime (the composites end in 1, 3, 7 or 9)",
        "1379",
    ),
    _uniform(
        "fn_l",
        "sha256_parity",
        "the SHA-256 of the string has an odd number of one-bits",
        rules.sha256_parity,
        4,
    ),
    _primes("fn_v", "prime_plus_47", "the number minus 47 is prime", "1379", offset=47),
    _task(
        "fn_aa",
        "graph_has_cycle",
        "the graph of E edges has more than max(1, E // 6) independent cycles",
        graphs.cyclic,
        by_class(graphs.rewired_clusters, graphs.clusters),
        at_least(36, most=599),
        kind="graph",
        lengths=(300,),
        published=_published_graphs,
        draw_contrast=by_class(graphs.with_cycles_beyond(0), graphs.with_cycles_beyond(1)),
        evaluation_version=2,
    ),
)

SUITE: dict[str, Task] = {task.id: task for task in _TASKS}
"""The tasks whose rule is known, by id, the published suite first."""

TASKS = SUITE | TABLES
"""All tasks by id, also those that draw rows of public tables."""

PUBLISHED = tuple(f"fn_{letter}" for letter in "abcdefghijkl")
"""The ids of the published suite, the default grid."""

IDS = {task.name: task.id for task in TASKS.values()}
"""The ids of the tasks by name."""


def get(name: str) -> Task:
    """Returns a task of the suite, by its id or its name.

    Raises:
        InputError: There is no such task; the message says which have similar names, or lists all.
    """
    id = IDS.get(name, name)
    if id in TASKS:
        return TASKS[id]
    meant = name.lower().replace("-", "_")
    if meant in TASKS:
        close = [TASKS[meant].name]
    else:
        close = [meant] if meant in IDS else get_close_matches(meant, IDS)
    if close:
        similar = either([f"{one} ({IDS[one]})" for one in close])
        raise InputError(
            f"There is no task {name!r}; did you mean {similar}? `llm-erm tasks` lists all."
        )
    raise InputError(
        f"There is no task {name!r}; choose one of {' '.join(TASKS)}, which `llm-erm tasks` "
        "describes, or give your own task file.",
        setting="task_file",
    )


def name_of(id: str) -> str:
    """Returns the name of a task; of one that is not of the suite, its id."""
    return TASKS[id].name if id in TASKS else id


def in_words(id: str, own: Task | None = None) -> str:
    """Returns the name, id and rule of a task, as far as they are known.

    Args:
        id: The task's id.
        own: The task in a user's file, which may be this one.
    """
    if id in TASKS:
        return f"{TASKS[id].name} ({id}): {TASKS[id].computes}"
    if own is not None and own.id == id and own.computes:
        return f"{id}: {own.computes}"
    return f"{id} (own task)"
