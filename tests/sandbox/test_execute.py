"""What a program may be, what counts as its prediction, and how failures are reported."""

import random
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

from llm_erm.errors import InputError
from llm_erm.sandbox import FLOAT, INVALID, Limits, Outputs, Sandbox

QUICK = Limits(seconds_per_call=0.3, seconds_per_candidate=1.0, memory_bytes=256 * 2**20)
PATIENT = Limits(seconds_per_call=30, seconds_per_candidate=60, memory_bytes=256 * 2**20)
STRINGS = ["".join(random.Random(i).choices("01", k=20)) for i in range(50)]
PARITY = [s.count("1") % 2 for s in STRINGS]

WAYS_TO_WRITE_PARITY = {
    "named f": "def f(x): return x.count('1') % 2",
    "only function": "def parity(bits):\n    return bits.count('1') % 2",
    "lambda": "f = lambda x: x.count('1') % 2",
    "only lambda": "rule = lambda x: x.count('1') % 2",
    "helper beside f": "def ones(x): return x.count('1')\ndef f(x): return ones(x) % 2",
    "helper below f": "def f(x): return ones(x) % 2\ndef ones(x): return x.count('1')",
    "module import": "import math, functools as ft\ndef f(x):\n"
    "    return ft.reduce(lambda a, c: a ^ (c == '1'), x, 0) * int(math.sqrt(1))",
    "constant": "TABLE = {'0': 0, '1': 1}\ndef f(x): return sum(TABLE[c] for c in x) % 2",
    "recursion": "def f(x):\n    return 0 if not x else (x[0] == '1') ^ f(x[1:])",
    "class": "class Counter:\n    def __call__(self, x): return x.count('1') % 2\nf = Counter()",
    "decorated": "import functools\n@functools.cache\ndef rule(x): return x.count('1') % 2",
    "future import": "from __future__ import annotations\ndef f(x: Never): return x.count('1') % 2",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\n"
    "def f(x): return A(x.count('1')).n % 2",
    "bool": "def f(x): return x.count('1') % 2 == 1",
    "text": "def f(x): return str(x.count('1') % 2)",
    "numpy integer": "import numpy as np\ndef f(x): return np.int64(x.count('1') % 2)",
    "numpy bool": "import numpy as np\ndef f(x): return np.bool_(x.count('1') % 2)",
    "numpy sum": "import numpy as np\ndef f(x): return np.sum([c == '1' for c in x]) % 2 == 1",
    "sympy": "from sympy import Integer\ndef f(x): return Integer(x.count('1')) % 2",
    "main guard": "def f(x): return x.count('1') % 2\nif __name__ == '__main__': raise SystemExit",
    "printing": "def f(x):\n    print(x)\n    return x.count('1') % 2",
}


@pytest.mark.parametrize("source", WAYS_TO_WRITE_PARITY.values(), ids=WAYS_TO_WRITE_PARITY)
def test_an_ordinary_program_runs_as_it_would_anywhere(sandbox, source):
    execution = sandbox.execute(source, STRINGS)
    assert (execution.status, execution.message) == ("ok", None)
    assert execution.predictions.dtype == np.uint8
    assert execution.predictions.tolist() == PARITY
    assert 0 < execution.cpu_seconds < 20


FAILURES = {
    "hang in Python": ("def f(x):\n    while True: pass", "timeout"),
    "hang in C": ("def f(x): return 10**10**8", "timeout"),
    "hang that catches everything": (
        "def f(x):\n while True:\n  try:\n   f(x)\n  except BaseException: pass",
        "timeout",
    ),
    "hang at import": ("while True: pass\ndef f(x): return 1", "timeout"),
    "sleep": ("import time\ndef f(x): time.sleep(1e6)", "timeout"),
    "sum of many short calls": ("def f(x): return sum(range(10**6)) * 0", "timeout"),
    "exit": ("import os\ndef f(x): os._exit(0)", "crash"),
    "exit at import": ("import sys\nsys.exit(0)", "load_error"),
    "memory": ("def f(x): return [0] * 10**10", "memory"),
    "memory by and by": ("def f(x):\n    a = []\n    while True: a.append(bytes(10**6))", "memory"),
    "syntax": ("def f(x) return 1", "syntax_error"),
    "null byte": ("def f(x): return 1\0", "syntax_error"),
    "surrogate": ("f = '\udc80'", "syntax_error"),
    "nothing": ("", "no_function"),
    "no function": ("x = 1", "no_function"),
    "two functions": ("def a(x): return 1\ndef b(x): return 0", "no_function"),
    "raises at import": ("1 / 0\ndef f(x): return 1", "load_error"),
    "unknown module": ("import no_such_module\ndef f(x): return 1", "load_error"),
    "segmentation fault": ("import faulthandler\ndef f(x): faulthandler._read_null()", "crash"),
}


@pytest.mark.parametrize(("source", "status"), FAILURES.values(), ids=FAILURES)
def test_a_failing_program_becomes_a_status(sandbox, source, status):
    inputs = STRINGS * 20 if "many" in source else STRINGS
    # Time must run out even on a fast machine, and only memory even on a slow one.
    execution = sandbox.execute(source, inputs * 10, QUICK if status == "timeout" else PATIENT)
    assert execution.status == status
    assert (execution.predictions == INVALID).all()
    assert execution.message
    assert execution.message.isprintable()
    control = sandbox.execute(WAYS_TO_WRITE_PARITY["named f"], STRINGS)
    assert control.predictions.tolist() == PARITY


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("None", "returned None"),
        ("2", "returned 2"),
        ("-1", "returned -1"),
        ("10**30", "returned 10"),
        ("'01'", "returned '01'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("f(x)", "RecursionError"),
        ("exit()", "SystemExit"),
    ],
)
def test_only_the_prediction_that_is_not_a_label_is_invalid(sandbox, result, message):
    source = f"from sys import exit\ndef f(x): return {result} if x == '1' else 1"
    execution = sandbox.execute(source, ["0", "1", "0"])
    assert execution.status == "ok"
    assert execution.predictions.tolist() == [1, INVALID, 1]
    assert message in execution.message


LABELS = {
    **{text: text for text in ("True", "1.0", "1 + 0j", "'1'", "2 - 1.0")},
    "a decimal": "__import__('decimal').Decimal('1.00')",
    "a fraction": "__import__('fractions').Fraction(2, 2)",
    "an integer of its own class": "type('A', (int,), {'__int__': lambda self: 0, "
    "'__index__': lambda self: 0, '__hash__': lambda self: 0})(1)",
    "an integer of an enum": "__import__('enum').IntEnum('E', 'A').A",
    "a float of its own class": "type('A', (float,), {})(1)",
    "numpy's integer": "__import__('numpy').int8(1)",
    "numpy's float": "__import__('numpy').float32(1)",
    "numpy's truth": "__import__('numpy').bool_(True)",
    "numpy's text": "__import__('numpy').str_('1')",
    "an array without a shape": "__import__('numpy').array(1)",
    "an array of one": "__import__('numpy').array([[1.0]])",
    "an array of one truth": "__import__('numpy').array([True])",
    "a truth of sympy": "__import__('sympy').true",
    "a comparison of sympy": "__import__('sympy').Integer(2) > 1",
    "an integer of sympy": "__import__('sympy').Integer(1)",
    "a float of sympy": "__import__('sympy').Float(1)",
    "gmpy2's integer": "__import__('gmpy2').mpz(1)",
    "gmpy2's fraction": "__import__('gmpy2').mpq(1)",
    "gmpy2's float": "__import__('gmpy2').mpfr(1)",
    "mpmath's float": "__import__('mpmath').mpf(1)",
}


@pytest.mark.parametrize("result", LABELS.values(), ids=LABELS)
def test_a_number_that_equals_a_label_and_a_label_as_text_are_the_label(sandbox, result):
    execution = sandbox.execute(f"def f(x): return {result}", ["0"])
    assert (execution.predictions.tolist(), execution.message) == ([1], None)


NO_LABELS = {
    **{text: text for text in ("1.5", "nan", "(1+1j)", "[1]", "(1,)", "{1}", "b'1'", "' 1'")},
    "'1.0'": "'1.0'",
    "array([1, 1])": "__import__('numpy').array([1, 1])",
    "array([], dtype=float64)": "__import__('numpy').array([])",
    "array([None], dtype=object)": "__import__('numpy').array([None])",
    "Fraction(1, 2)": "__import__('fractions').Fraction(1, 2)",
    "Decimal('NaN')": "__import__('decimal').Decimal('NaN')",
    "1/2 (sympy.core.numbers.Half)": "__import__('sympy').Rational(1, 2)",
    "a (sympy.core.symbol.Symbol)": "__import__('sympy').Symbol('a')",
    "Eq(1, a) (sympy.core.relational.Equality)": "__import__('sympy').Eq(1, "
    "__import__('sympy').Symbol('a'))",
    "0 (candidate.B)": "type('B', (), {'__repr__': lambda self: '0', '__module__': 'candidate', "
    "'__index__': lambda self: 1, '__int__': lambda self: 1})()",
    "1 (candidate.A)": "type('A', (), {'__repr__': lambda self: '1', '__module__': 'candidate', "
    "'__eq__': lambda *a: True, '__hash__': lambda self: 1, '__bool__': lambda self: True})()",
}


@pytest.mark.parametrize("shown", NO_LABELS)
def test_what_equals_no_label_is_shown_with_its_type(sandbox, shown):
    source = f"nan = float('nan')\ndef f(x): return {NO_LABELS[shown]}"
    execution = sandbox.execute(source, ["0"])
    assert execution.predictions.tolist() == [INVALID]
    assert execution.message == f"returned {shown}, which is no label"


@pytest.mark.parametrize(
    "methods",
    [
        "'__hash__': lambda kind: hash(int), '__eq__': lambda *both: True",
        "'__hash__': lambda kind: 1 // 0",
        "'__eq__': lambda *both: True",
    ],
    ids=["equal to int", "hash that fails", "no hash"],
)
def test_a_class_of_a_class_of_its_own_makes_no_label(sandbox, methods):
    source = (
        f"A = type('M', (type,), {{{methods}}})('A', (), {{'__index__': lambda self: 0}})\n"
        "def f(x): return A() if x == '1' else 1"
    )
    execution = sandbox.execute(source, ["0", "1", "0"])
    assert (execution.status, execution.predictions.tolist()) == ("ok", [1, INVALID, 1])


def test_other_labels_are_matched_by_value_or_by_text(sandbox):
    source = "def f(x): return {'a': 'cat', 'b': 7, 'c': '7', 'd': 7.0, 'e': 'dog', 'f': 7.5}[x]"
    labels = Outputs(labels=("dog", 7, "cat"))
    execution = sandbox.execute(source, list("abcdef"), outputs=labels)
    assert execution.predictions.tolist() == [2, 1, 1, 1, 0, INVALID]


def test_three_labels_are_counted_from_their_values(sandbox):
    execution = sandbox.execute("f = int", ["0", "1", "2", "3"], outputs=Outputs((0, 1, 2)))
    assert execution.predictions.tolist() == [0, 1, 2, INVALID]


def test_floats_are_predictions_on_request(sandbox):
    source = (
        "import numpy as np\nfrom fractions import Fraction\n"
        "def f(x): return {'a': 1.5, 'b': 2, 'c': float('inf'), 'd': 'text', "
        "'e': Fraction(1, 4), 'f': np.float32(0.5), 'g': None}[x]"
    )
    execution = sandbox.execute(source, list("abcdefg"), outputs=FLOAT)
    assert execution.predictions.dtype == np.float64
    nan = float("nan")
    expected = [1.5, 2.0, nan, nan, float(Fraction(1, 4)), 0.5, nan]
    assert np.array_equal(execution.predictions, expected, equal_nan=True)


def test_table_rows_arrive_with_their_types(sandbox):
    rows = [
        {"age": 30, "name": "Ada\n", "weight": 1.5, "ill": True, "note": None},
        {"age": np.int64(3), "name": "", "weight": np.float64(2), "ill": np.False_, "note": "x"},
    ]
    source = "def f(row): return [type(v).__name__ for v in row.values()] == TYPES[row['age']]"
    types = "TYPES = {30: ['int', 'str', 'float', 'bool', 'NoneType'], " + (
        "3: ['int', 'str', 'float', 'bool', 'str']}\n"
    )
    execution = sandbox.execute(types + source, rows)
    assert execution.predictions.tolist() == [1, 1]


def test_strings_arrive_unchanged(sandbox):
    strings = ["", "\n", "a\nb", "\r", "é\udc80", "\0", " 1 "]
    source = f"WANT = {strings!r}\ndef f(x): return WANT.index(x)"
    labels = Outputs(labels=tuple(range(len(strings))))
    assert sandbox.execute(source, strings, outputs=labels).predictions.tolist() == list(range(7))
    assert sandbox.execute(source, [""], outputs=labels).predictions.tolist() == [0]
    assert sandbox.execute(source, [], outputs=labels).predictions.tolist() == []


def test_inputs_come_in_a_different_order_each_time(sandbox):
    source = (
        "count = -1\ndef f(x):\n    global count\n    count += 1\n"
        "    return count if x == '7' else 0"
    )
    strings = [str(i) for i in range(200)]
    labels = Outputs(labels=tuple(range(200)))
    places = {
        int(sandbox.execute(source, strings, outputs=labels).predictions[7]) for _ in range(9)
    }
    assert len(places) > 3


def test_a_slow_program_within_its_limits_is_left_alone(sandbox):
    source = "def f(x): return sum(range(10**6)) * 0"
    limits = Limits(seconds_per_call=5, seconds_per_candidate=100)
    execution = sandbox.execute(source, STRINGS[:20], limits)
    assert execution.status == "ok"
    assert execution.cpu_seconds > 0.02


def test_threads_share_a_sandbox(sandbox):
    def run(i):
        source = f"def f(x): return (x.count('1') + {i}) % 2"
        return sandbox.execute(source, STRINGS).predictions.tolist()

    with ThreadPoolExecutor(6) as threads:
        for i, predictions in enumerate(threads.map(run, range(60))):
            assert predictions == [(bit + i) % 2 for bit in PARITY]


def test_a_sandbox_that_cannot_work_says_why():
    with pytest.raises(InputError, match="0 workers"):
        Sandbox(workers=0)
    with Sandbox(workers=1) as sandbox:
        with pytest.raises(InputError, match="above zero"):
            sandbox.execute("f = int", ["1"], Limits(seconds_per_call=0))
        with pytest.raises(InputError, match="labels"):
            sandbox.execute("f = int", ["1"], outputs=Outputs(labels=(1, 1)))
        with pytest.raises(InputError, match="cannot be sent"):
            sandbox.execute("f = int", [{"a": object()}])
