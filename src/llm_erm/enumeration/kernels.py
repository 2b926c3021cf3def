"""The inner loops, compiled by numba: they build new columns and keep one per behaviour.

A truth is a column of W 64-bit words with one bit per input, training inputs first and zero
padding. It is stored with its first bit cleared (complemented if necessary), so that a truth and
its negation coincide. A number is a column of int16. Observational equivalence is decided by 64-bit
hashes: among ten million distinct columns, two share a hash with a probability of about 3 in a
million.

Functions that call each other must stay in this file: numba recompiles its cached machine code when
the function's own file changes, but not when another file does.

``state`` counts the columns kept, the columns considered, and the hits: truths kept without
training errors, each stored in ``hits`` as its index and the number considered up to it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_erm.compiled import kernel
from llm_erm.enumeration.language import NUMBER_OF

Array = NDArray[Any]
Arrays = tuple[Array, ...]
"""The arrays of ``Truths.arrays`` or ``Numbers.arrays``, in that order."""

KEPT, CONSIDERED, HITS = 0, 1, 2
NEGATE_LEFT, NEGATE_RIGHT, FLIPPED = 1, 2, 4

LARGEST = 32_000
"""Largest magnitude of a number that is kept on every input; columns hold 16-bit integers."""

DIFFER = NUMBER_OF["differ"]
SAME = NUMBER_OF["same"]
ADD = NUMBER_OF["add"]
EXCEEDS = NUMBER_OF["exceeds"]
PARITY_AT = NUMBER_OF["parity_at"]
ODD = NUMBER_OF["odd"]

PARITIES_PER_CALL = 1 << 16
"""Sets of positions that one call tries."""

LOOKUP_BATCH = 256
"""Signed pairs of truths that are looked up together."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(32)
_ONE = np.uint64(1)
_NONE = np.uint64(0)
_ALL = np.uint64(2**64 - 1)
_M1 = np.uint64(0x5555555555555555)
_M2 = np.uint64(0x3333333333333333)
_M4 = np.uint64(0x0F0F0F0F0F0F0F0F)
_H01 = np.uint64(0x0101010101010101)


@kernel
def _ones(word: np.uint64) -> np.uint64:
    word = word - ((word >> _ONE) & _M1)
    word = (word & _M2) + ((word >> np.uint64(2)) & _M2)
    word = (word + (word >> np.uint64(4))) & _M4
    return (word * _H01) >> np.uint64(56)


@kernel
def _mix(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> _SHIFT)) * _SECOND
    word = word ^ (word >> _SHIFT)
    return word if word != _NONE else _ONE  # zero marks a free slot


@kernel
def _absorbed(word: np.uint64) -> np.uint64:
    """Spreads every bit of a word over the whole word.

    A single multiplication would turn the top bit of a word into only two bits, and the many
    columns with just a few ones would share hashes.
    """
    word = word * _MULTIPLIER
    word = (word ^ (word >> _SHIFT)) * _SECOND
    return word ^ (word >> np.uint64(29))


@kernel
def _is_new(table: Array, key: np.uint64) -> bool:
    """Enters a key into the table; returns False if it was already there."""
    mask = np.uint64(table.size - 1)
    slot = key & mask
    while table[slot] != _NONE:
        if table[slot] == key:
            return False
        slot = (slot + _ONE) & mask
    table[slot] = key
    return True


@kernel
def rehash(old: Array, new: Array) -> None:
    """Enters the keys of one table into a larger one."""
    for key in old:
        if key != _NONE:
            _is_new(new, key)


@kernel
def _enter(work: Array, masks: Array, table: Array) -> int:
    """Complements the column ``work`` if its first bit is set, and enters its hash.

    Returns:
        -1 if the hash was known; otherwise ``FLIPPED`` if ``work`` was complemented, 0 if not.
    """
    sign = 0
    if work[0] & _ONE:
        sign = FLIPPED
        for w in range(work.size):
            work[w] = ~work[w] & masks[0, w]
    key = _NONE
    for w in range(work.size):
        key = _absorbed(key ^ work[w])
    return sign if _is_new(table, _mix(key)) else -1


@kernel
def _keep_truth(t: Arrays, seen: int, production: int, sign: int, left: int, right: int) -> None:
    """Keeps the column in ``work``, which is new; ``t`` is ``Truths.arrays``."""
    columns, errors, productions, signs, lefts, rights, _, state, hits, work, targets, masks = t
    at = state[KEPT]
    columns[at] = work
    productions[at], signs[at], lefts[at], rights[at] = production, sign, left, right
    state[KEPT] = at + 1
    exact = False
    for c in range(targets.shape[0]):
        wrong = _NONE
        for w in range(work.size):
            wrong += _ones((work[w] ^ targets[c, w]) & masks[1, w])
        least = min(wrong, masks[2, 0] - wrong)  # negated if that fits the training examples better
        errors[at, c] = least
        exact = exact or least == _NONE
    if exact and state[HITS] < hits.shape[0]:
        hits[state[HITS], 0], hits[state[HITS], 1] = at, state[CONSIDERED] + seen
        state[HITS] += 1


@kernel
def keep_truths(t: Arrays, production: int, left: int, rights: Array, block: Array) -> None:
    """Keeps the new ones among a block of columns of shape (n, W)."""
    table, state, work, masks = t[6], t[7], t[9], t[11]
    seen = 0
    for i in range(block.shape[0]):
        for w in range(work.size):
            work[w] = block[i, w]
        seen += 1
        sign = _enter(work, masks, table)
        if sign >= 0:
            _keep_truth(t, seen, production, sign, left, rights[i])
    state[CONSIDERED] += seen


@kernel
def _look_up(
    t: Arrays, production: int, i: int, first: int, keys: Array, flips: Array, there: Array
) -> None:
    """Computes the hashes of some signed pairs with the left truth ``i`` and reads their slots.

    Args:
        t: As in ``_keep_truth``.
        production: ``both``, with four signed pairs per pair of truths, or ``differ``, with one.
        i: The left truth.
        first: The first signed pair: the right truth times the signs per pair, plus the sign.
        keys: Set to the hashes.
        flips: Set to whether the hash is that of the complement.
        there: Set to the keys in the table's first slot for each hash.
    """
    columns, table, masks = t[0], t[6], t[11]
    free = np.uint64(table.size - 1)
    signs = 1 if production == DIFFER else 4
    for m in range(keys.size):
        j, sign = divmod(first + m, signs)
        negate_left = _ALL if sign & NEGATE_LEFT else _NONE
        negate_right = _ALL if sign & NEGATE_RIGHT else _NONE
        flip = _NONE
        key = _NONE
        for w in range(columns.shape[1]):
            left, right = columns[i, w] ^ negate_left, columns[j, w] ^ negate_right
            word = left ^ right if production == DIFFER else left & right
            if w == 0 and word & _ONE:
                flip = _ALL
            key = _absorbed(key ^ ((word ^ flip) & masks[0, w]))
        key = _mix(key)
        keys[m], flips[m], there[m] = key, flip, table[key & free]


@kernel
def _keep_pairs(
    t: Arrays, production: int, i: int, first: int, keys: Array, flips: Array, there: Array
) -> None:
    """Keeps the new ones among signed pairs that were looked up; see ``_look_up``."""
    columns, errors, productions, signs, lefts, rights, table, state, hits, _, targets, masks = t
    words = columns.shape[1]
    free = np.uint64(table.size - 1)
    at, found = state[KEPT], state[HITS]
    for m in range(keys.size):
        key = keys[m]
        if there[m] == key:
            continue
        slot = key & free
        while table[slot] != _NONE and table[slot] != key:
            slot = (slot + _ONE) & free
        if table[slot] == key:
            continue
        table[slot] = key
        j, sign = divmod(first + m, 1 if production == DIFFER else 4)
        negate_left = _ALL if sign & NEGATE_LEFT else _NONE
        negate_right = _ALL if sign & NEGATE_RIGHT else _NONE
        for w in range(words):
            left, right = columns[i, w] ^ negate_left, columns[j, w] ^ negate_right
            word = left ^ right if production == DIFFER else left & right
            columns[at, w] = (word ^ flips[m]) & masks[0, w]
        signs[at] = sign | FLIPPED if flips[m] else sign
        productions[at], lefts[at], rights[at] = production, i, j
        exact = False
        for c in range(targets.shape[0]):
            wrong = _NONE
            for w in range(words):
                wrong += _ones((columns[at, w] ^ targets[c, w]) & masks[1, w])
            least = min(wrong, masks[2, 0] - wrong)
            errors[at, c] = least
            exact = exact or least == _NONE
        if exact and found < hits.shape[0]:
            hits[found, 0], hits[found, 1] = at, state[CONSIDERED] + m + 1
            found += 1
        at += 1
    state[KEPT], state[HITS] = at, found
    state[CONSIDERED] += keys.size


@kernel
def pair_truths(
    t: Arrays, production: int, a: int, a_end: int, b: int, b_end: int, once: bool
) -> None:
    """Combines the truths ``a..a_end`` with ``b..b_end``; ``once`` if the ranges overlap.

    Long searches spend most of their time here, waiting for the table. Hundreds of pairs are
    therefore looked up together, so that memory accesses overlap, before any of them is kept.
    """
    signs = 1 if production == DIFFER else 4
    keys = np.empty(LOOKUP_BATCH, np.uint64)
    flips = np.empty(LOOKUP_BATCH, np.uint64)
    there = np.empty(LOOKUP_BATCH, np.uint64)
    for i in range(a, a_end):
        start = (max(b, i + 1) if once else b) * signs
        for first in range(start, b_end * signs, LOOKUP_BATCH):
            count = min(b_end * signs - first, LOOKUP_BATCH)
            _look_up(t, production, i, first, keys[:count], flips[:count], there[:count])
            _keep_pairs(t, production, i, first, keys[:count], flips[:count], there[:count])


@kernel
def parities_at(t: Arrays, positions: Array, chosen: Array, rank: int, most: int) -> int:
    """Keeps parities of sets of positions in lexicographic order; returns how many were tried.

    Args:
        t: As in ``_keep_truth``.
        positions: The columns of the single positions, shape (length, W).
        chosen: The next set, shape (count,); advanced in place.
        rank: Rank of the next set in this order.
        most: Number of sets to try, at most.
    """
    table, state, work, masks = t[6], t[7], t[9], t[11]
    count, length = chosen.size, positions.shape[0]
    tried = 0
    while tried < most and chosen[0] <= length - count:
        for w in range(work.size):
            work[w] = positions[chosen[0], w]
            for k in range(1, count):
                work[w] ^= positions[chosen[k], w]
        tried += 1
        sign = _enter(work, masks, table)
        if sign >= 0:
            _keep_truth(t, tried, PARITY_AT, sign, count, rank + tried - 1)
        k = count - 1
        while k >= 0 and chosen[k] == length - count + k:
            k -= 1
        if k < 0:
            chosen[0] = length  # past the last set
            break
        chosen[k] += 1
        for j in range(k + 1, count):
            chosen[j] = chosen[j - 1] + 1
    state[CONSIDERED] += tried
    return tried


@kernel
def odd_numbers(t: Arrays, numbers: Array, start: int, stop: int) -> None:
    """Keeps whether each number is odd."""
    table, state, work, masks = t[6], t[7], t[9], t[11]
    seen = 0
    for i in range(start, stop):
        for w in range(work.size):
            work[w] = _NONE
        for r in range(numbers.shape[1]):
            work[r >> 6] |= np.uint64(numbers[i, r] & 1) << np.uint64(r & 63)
        seen += 1
        sign = _enter(work, masks, table)
        if sign >= 0:
            _keep_truth(t, seen, ODD, sign, i, 0)
    state[CONSIDERED] += seen


@kernel
def compare_constants(
    t: Arrays, production: int, numbers: Array, start: int, stop: int, low: int, high: int
) -> None:
    """Keeps the comparisons of each number with the constants ``low..high`` among its values."""
    table, state, work, masks = t[6], t[7], t[9], t[11]
    seen = 0
    for i in range(start, stop):
        least, greatest = numbers[i].min(), numbers[i].max()
        if production == EXCEEDS:
            greatest -= 1
        for c in range(max(low, least), min(high, greatest) + 1):
            for w in range(work.size):
                work[w] = _NONE
            for r in range(numbers.shape[1]):
                value = numbers[i, r]
                holds = value > c if production == EXCEEDS else value == c
                work[r >> 6] |= np.uint64(holds) << np.uint64(r & 63)
            seen += 1
            sign = _enter(work, masks, table)
            if sign >= 0:
                _keep_truth(t, seen, production, sign, i, c)
    state[CONSIDERED] += seen


@kernel
def compare_numbers(
    t: Arrays, production: int, numbers: Array, a: int, a_end: int, b: int, b_end: int, once: bool
) -> None:
    """Keeps the comparisons of the numbers ``a..a_end`` with ``b..b_end``."""
    table, state, work, masks = t[6], t[7], t[9], t[11]
    seen = 0
    for i in range(a, a_end):
        for j in range(max(b, i + 1) if once else b, b_end):
            if i == j:
                continue
            for w in range(work.size):
                work[w] = _NONE
            for r in range(numbers.shape[1]):
                left, right = numbers[i, r], numbers[j, r]
                holds = left == right if production == SAME else left > right
                work[r >> 6] |= np.uint64(holds) << np.uint64(r & 63)
            seen += 1
            sign = _enter(work, masks, table)
            if sign >= 0:
                _keep_truth(t, seen, production, sign, i, j)
    state[CONSIDERED] += seen


@kernel
def _keep_number(n: Arrays, key: np.uint64, production: int, left: int, right: int) -> int:
    """Registers a new number and returns the index at which to store its column."""
    _, keys, productions, lefts, rights, _, state, _, _ = n
    at: int = state[KEPT]
    keys[at], productions[at], lefts[at], rights[at] = key, production, left, right
    state[KEPT] = at + 1
    return at


@kernel
def keep_numbers(n: Arrays, production: int, left: int, rights: Array, block: Array) -> None:
    """Keeps the new ones among a block of columns of shape (n, inputs)."""
    columns, table, factors, bounds = n[0], n[5], n[7], n[8]
    for i in range(block.shape[0]):
        key = _NONE
        for r in range(block.shape[1]):
            key += np.uint64(np.int64(block[i, r])) * factors[r]
        if _is_new(table, _mix(key)):
            at = _keep_number(n, key, production, left, rights[i])
            columns[at] = block[i]
            bounds[at] = max(block[i].max(), -block[i].min())


@kernel
def pair_numbers(
    n: Arrays, production: int, a: int, a_end: int, b: int, b_end: int, once: bool
) -> None:
    """Adds or subtracts the numbers ``a..a_end`` and ``b..b_end``.

    The hash is linear, so the hash of a sum is the sum of the hashes, and sums that are already
    known are rejected without computing their columns.
    """
    columns, keys, table, bounds = n[0], n[1], n[5], n[8]
    sign = 1 if production == ADD else -1
    for i in range(a, a_end):
        for j in range(max(b, i + 1) if once else b, b_end):
            key = keys[i] + keys[j] if production == ADD else keys[i] - keys[j]
            if i == j or bounds[i] + bounds[j] > LARGEST or not _is_new(table, _mix(key)):
                continue
            at = _keep_number(n, key, production, i, j)
            bounds[at] = bounds[i] + bounds[j]
            for r in range(columns.shape[1]):
                columns[at, r] = columns[i, r] + sign * columns[j, r]


@kernel
def remainders(n: Arrays, production: int, start: int, stop: int, low: int, high: int) -> None:
    """Keeps the remainders of each number by the moduli ``low..high`` that change it."""
    columns, table, factors, bounds = n[0], n[5], n[7], n[8]
    for i in range(start, stop):
        least, greatest = columns[i].min(), columns[i].max()
        for modulus in range(low, min(high, max(greatest, -least)) + 1):
            key = _NONE
            for r in range(columns.shape[1]):
                key += np.uint64(np.int64(columns[i, r]) % modulus) * factors[r]
            if _is_new(table, _mix(key)):
                at = _keep_number(n, key, production, i, modulus)
                bounds[at] = modulus
                for r in range(columns.shape[1]):
                    columns[at, r] = np.int64(columns[i, r]) % modulus
