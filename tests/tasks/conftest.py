"""The true rules again, one input at a time and as plain as possible, to check the fast ones."""

import hashlib

import pytest
from sympy import isprime

POSITIONS = {  # as published, generated with PyTorch
    20: [2, 14, 18, 15, 1, 10, 0, 4, 6, 11],
    25: [17, 12, 2, 0, 22, 20, 21, 6, 8, 18],
    30: [12, 0, 6, 25, 8, 15, 10, 18, 16, 23],
    50: [42, 17, 30, 34, 20, 25, 0, 8, 36, 18],
    100: [42, 96, 62, 98, 46, 95, 60, 24, 78, 16],
}
RULE_30 = {"111": 0, "110": 0, "101": 0, "100": 1, "011": 1, "010": 1, "001": 1, "000": 0}


def odd(bits):
    return bits.count("1") % 2


def at_positions(x, count, length):
    return odd("".join(x[i] for i in POSITIONS[length][:count]))


def dyck2(x):
    brackets = "".join("()[]"[int(x[i : i + 2], 2)] for i in range(0, len(x), 2))
    while "()" in brackets or "[]" in brackets:
        brackets = brackets.replace("()", "").replace("[]", "")
    return int(brackets == "")


def rule_30_parity(x):
    padded = f"0{x}0"
    return sum(RULE_30[padded[i : i + 3]] for i in range(len(x))) % 2


def sha256_parity(x):
    return sum(byte.bit_count() for byte in hashlib.sha256(x.encode()).digest()) % 2


def has_cycles(x):
    edges = [(x[i + 1 : i + 3], x[i + 4 : i + 6]) for i in range(0, len(x), 6)]
    real = [edge for edge in edges if edge != ("00", "00")]
    parent = {vertex: vertex for edge in real for vertex in edge}

    def root(vertex):
        return vertex if parent[vertex] == vertex else root(parent[vertex])

    closing = 0
    for u, v in real:
        closing += root(u) == root(v)
        parent[root(u)] = root(v)
    return int(closing > max(1, len(edges) // 6))


SLOW_RULES = {
    "fn_a": lambda x, length: odd(x),
    "fn_b": lambda x, length: odd(x[: len(x) // 2]),
    "fn_c": lambda x, length: int("10101010" in x),
    "fn_d": lambda x, length: int("00111111" in x),
    "fn_e": lambda x, length: at_positions(x, 3, length),
    "fn_f": lambda x, length: at_positions(x, 10, length),
    "fn_g": lambda x, length: int(x == x[::-1]),
    "fn_h": lambda x, length: dyck2(x),
    "fn_i": lambda x, length: int(isprime(int(x))),
    "fn_j": lambda x, length: rule_30_parity(x),
    "fn_k": lambda x, length: int(isprime(int(x))),
    "fn_l": lambda x, length: sha256_parity(x),
    "fn_v": lambda x, length: int(isprime(int(x) - 47)),
    "fn_aa": lambda x, length: has_cycles(x),
}


@pytest.fixture(scope="session")
def slow_rules():
    """fn → rule(x, training length) → 0 or 1."""
    return SLOW_RULES


@pytest.fixture(scope="session")
def positions():
    return POSITIONS


@pytest.fixture
def sizes(tmp_path):
    """Arguments of draw for a small data set."""
    return {
        "length": 20,
        "train_size": 20,
        "val_size": 20,
        "test_size": 100,
        "seed": 0,
        "dataset_dir": tmp_path,
    }
