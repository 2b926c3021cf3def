"""Answers that no model should give, for tests; or thousands: python tests/odd_answers.py 3000.

Whatever one answer contains, the run goes on, and the answer is at most one failed attempt.
"""

import argparse
import contextlib
import csv
import io
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_erm.cli.main import main

BODY = "x.count('1') % 2"
PROGRAM = f"def f(x):\n    return {BODY}"
RIGHT = json.dumps({"code": PROGRAM})
FENCE = f"```python\n{PROGRAM}\n```"


def as_json(code: str) -> str:
    return json.dumps({"code": code})


def before(code: str) -> str:
    """A right program that begins with some other code."""
    return as_json(f"{code}\n{PROGRAM}")


def returning(expression: str) -> str:
    return as_json(f"def f(x):\n    return {expression}")


NESTED_F_STRING = "'1'"
for _ in range(40):
    NESTED_F_STRING = 'f"{' + NESTED_F_STRING.replace('"', "'") + '}"'

IMPORTS = {
    "a long name": before(f"import os.{'a' * 25_000}"),
    "a very long name": before(f"import sympy.{'a' * 45_000}"),
    "long names": before(
        "\n".join(f"import os.{letter * 2200}" for letter in "abcdefghijklmnopqrst")
    ),
    "long names of a library": before(
        "\n".join(f"from sympy.{letter * 2000} import a" for letter in "abcdefghijklmnopqrst")
    ),
    "many parts": before("import a" + ".a" * 20_000),
    "many parts of a library": before("import os" + ".a" * 20_000),
    "many names of a library": before(f"from sympy import {', '.join(['a' * 200] * 200)}"),
    "many imports": before("\n".join(f"import m{number}" for number in range(4000))),
    "many known imports": before("import math\n" * 4000),
    "imports with odd spaces": before("import\\\n  math\nfrom \\\n math import (sqrt,\n sin,)"),
    "an import of nothing": before("import"),
    "relative imports": before("from . import a\nfrom ..b import c"),
    "an import in a string": before("'''\nimport os.path, sympy.a.b.c.d\n'''"),
    "a name in other letters": before("import ｍath\nimport ℮, ª"),
    "an import of itself": before("import candidate, __main__, llm_erm.sandbox"),
}

SEEDS = {
    "a fence": FENCE,
    "deep brackets": returning("(" * 150 + "1" + ")" * 150),
    "deeper brackets": returning("(" * 9000 + "1" + ")" * 9000),
    "deep lists": returning("[" * 20_000),
    "deep unary": returning("-" * 9000 + "1"),
    "deep not": returning("not " * 9000 + "1"),
    "deep attributes": returning("x" + ".a" * 15_000),
    "deep calls": returning("x" + "()" * 15_000),
    "deep lambdas": returning("lambda: " * 3000 + "1"),
    "deep conditions": returning("1 if x else " * 3000 + "0"),
    "deep blocks": as_json(
        "def f(x):\n" + "".join(" " * n + "if x:\n" for n in range(1, 99)) + " " * 99 + "return 1"
    ),
    "deep functions": as_json("".join(" " * n + f"def f{n}(x):\n" for n in range(60)) + "f = 1"),
    "a long sum": returning("+".join(["1"] * 20_000)),
    "long comparisons": returning("<".join(["1"] * 12_000)),
    "a long string": returning("'" + "a" * 40_000 + "'"),
    "a program too long": returning("'" + "a" * 300_000 + "' and 1"),
    "a name too long": returning("a" * 300_000),
    "a long name": returning("a" * 40_000),
    "powers": returning("9**9**9**9"),
    "a folded power": returning("(9**9**9, 1)[1]"),
    "a folded repetition": returning("('a' * 10**10, 1)[1]"),
    "a folded shift": returning("(1 << 10**12, 1)[1]"),
    "a folded tuple": returning("((1,) * 10**9, 1)[1]"),
    "many digits": returning("1" * 5000),
    "many hexadecimal digits": returning("0x" + "f" * 40_000),
    "a huge float": returning("1e999999999 > 0"),
    "null": before("\0"),
    "null in a string": before("a = '\0'"),
    "an escaped null": before("a = '\\0'"),
    "a lone surrogate": before("a = '\ud800'"),
    "a pair of lone surrogates": FENCE + "\ud83d" + "\ude00",
    "a surrogate for a name": before("\udcff = 1"),
    "BOM": as_json(f"\ufeff{PROGRAM}"),
    "BOM in a fence": f"```python\n\ufeff{PROGRAM}\n```",
    "two BOMs": as_json(f"\ufeff\ufeff{PROGRAM}"),
    "carriage returns": as_json(PROGRAM.replace("\n", "\r")),
    "both line ends": FENCE.replace("\n", "\r\n"),
    "odd line ends": as_json(PROGRAM.replace("\n", "\u2028")),
    "next line": FENCE.replace("\n", "\x85"),
    "form feeds": as_json(f"\f{PROGRAM}\f\n\f"),
    "vertical tabs": before("a = 1\v"),
    "tabs and spaces": as_json("def f(x):\n\ty = 1\n        return y\n    \treturn 0"),
    "a line end in a name": FENCE.replace("python", "py\rthon\n"),
    "a named character": before("a = '\\N{LATIN SMALL LETTER A}\\N{NO SUCH THING}'"),
    "named characters": returning("'\\N{DIGIT ONE}' in x"),
    "bad escapes": returning("'\\d\\x' in x"),
    "odd escapes": returning("'\\d\\8\\_' in x"),
    "bytes": returning("b'\\xff\xff' in x"),
    "coding utf-7": before("# coding: utf-7\n+AGEAIAA9ACAAMQ-"),
    "coding rot13": before("# -*- coding: rot13 -*-\nvzcbeg bf"),
    "coding unknown": before("# vim: set fileencoding=no_such_thing :"),
    "coding utf-16": before("# coding: utf-16"),
    "nested f-strings": returning(NESTED_F_STRING),
    "an f-string with all": returning("f'{x!r:>{10}}{{}}{1:{2}}{x=}' and 1"),
    "deep f-strings": returning("f'" + "{" * 5000 + "1" + "}" * 5000 + "'"),
    "many decorators": before("@a\n" * 10_000 + "def g(): pass"),
    "many decorators alone": "@a\n" * 10_000,
    "many arguments": as_json(f"def f({', '.join(f'a{n}' for n in range(5000))}):\n    return 1"),
    "many functions": as_json("\n".join(f"def f{n}(x): return 1" for n in range(1500))),
    "many variables": before("\n".join(f"a{n} = {n}" for n in range(3000))),
    "walrus": returning("(y := x.count('1')) % 2"),
    "match": as_json(
        "def f(x):\n    match x:\n        case [*_]:\n            return 0\n    return 1"
    ),
    "type comments": as_json("def f(x):  # type: (str) -> int\n    return 1  # type: ignore[]"),
    "annotations": as_json("def f(x: 'no' + 1 = ...) -> (yield):\n    return 1"),
    "future": before("from __future__ import annotations, braces"),
    "future late": before("a = 1\nfrom __future__ import division"),
    "star": before("from math import *\nglobals().clear()"),
    "async": as_json(f"async {PROGRAM}"),
    "yield outside": before("yield 1"),
    "return outside": before("return 1"),
    "await outside": before("await x"),
    "nonlocal": before("nonlocal a"),
    "exceptions": before("try:\n    a\nexcept* (yield):\n    pass"),
    "debug": before("__debug__ = 1"),
    "print": before("print 'a'"),
    "syntax": as_json("def f(x) return 1"),
    "no function": as_json("a = 1"),
    "two functions": as_json("def g(x): return 1\ndef h(x): return 0"),
    "another name": as_json(PROGRAM.replace("f", "ƒ")),
    "names alike": before("ﬁ = 1\nfi = 2"),
    "an error with a long message": before("raise ValueError('é\\x1b[31m\\0' * 100_000)"),
    "an error with a surrogate": before("raise ValueError('\\ud800')"),
    "an error by its name": before("class A(BaseException): pass\nA.__name__ = '\\ud800'\nraise A"),
    "exit": before("raise SystemExit('\\ud800')"),
    "a result without sense": returning("['\\ud800'] * 10**6"),
    "a large result": returning("10**10**5"),
    "control characters": before("# \x1b]0;title\x07\x9b2J\x00\x08\x7f"),
    "right to left": before("# \u202e\u2066 a"),
    "headers": as_json(f"'''\n\"\"\"\n# task: fn_a\n{PROGRAM}\n'''\n{PROGRAM}"),
    "quotes": as_json(f"{PROGRAM}\n\"\"\"'''\\"),
    "duplicate keys": '{"code": 1, "code": "' + PROGRAM.replace("\n", "\\n") + '", "code": null}',
    "NaN": '{"a": NaN, "b": -Infinity, "code": "' + PROGRAM.replace("\n", "\\n") + '"}',
    "huge numbers": '{"a": 1' + "0" * 100_000 + ', "code": "x"}',
    "huge exponents": '{"a": 1e999999, "code": "' + PROGRAM.replace("\n", "\\n") + '"}',
    "deep JSON": '{"a":' * 30_000 + "1" + "}" * 30_000,
    "deep arrays": '{"code": ' + "[" * 100_000,
    "deep arrays that end": '{"a": ' + "[" * 900 + "]" * 900 + ', "code": "f = 1"}',
    "code in an array": '{"code": ["def f(x): return 1"]}',
    "many objects": '{"code": 1}' * 20_000,
    "many open objects": '{"code": "' * 20_000,
    "JSON in JSON": as_json(as_json(as_json(PROGRAM))),
    "a fence in JSON": as_json(FENCE),
    "no hexadecimal": '{"code": "\\uZZZZ"}',
    "a half escape": '{"code": "def f(x):\\n    return 1 # \\ud800\\u"}',
    "lone surrogates in JSON": '{"code": "def f(x):\\n    return \'\\ud83d\' in x"}',
    "backticks": "`" * 1_000_000,
    "backticks around": "`" * 1000 + FENCE + "`" * 1000,
    "fences": "```\n" * 100_000,
    "fences that open": "```python\n" * 40_000 + PROGRAM,
    "a fence of spaces": "```" + " " * 300_000,
    "ends of thought": "</think>" * 50_000 + FENCE,
    "starts of thought": "<think>" * 50_000 + FENCE,
    "blank lines": "\n" * 300_000 + PROGRAM,
    "assignments": "a = 1\n" * 60_000 + PROGRAM,
    "starts": "def\n" * 90_000,
    "starts of lambdas": "f=lambda " * 40_000,
    "prose": "from here on, import is not needed.\n" * 10_000 + PROGRAM,
    "open brackets": "def f(x):\n" + " (" * 150_000,
    "open string": "def f(x):\n    return '''" + "a\n" * 100_000,
    "backslashes": "def f(x):\n" + "\\\n" * 100_000,
    "indents": "def f(x):\n" + "".join(" " * n + "if x:\n" for n in range(1, 500)),
    "dedents": "def f(x):\n" + "\n".join(" " * n + "1" for n in range(500, 1, -1)),
    "semicolons": as_json(f"{PROGRAM}\n{';' * 40_000}"),
    "statements": before("1;" * 20_000),
    "nothing": "",
    "one null": "\0",
    "all characters": "".join(map(chr, range(0x3000))),
}
"""Answers by what is odd about them. Some hold a right program nevertheless."""

PIECES = (
    *("\0", "\ud800", "\ufeff", "\r", "\r\n", "\f", "\v", "\x85", "\u2028", "\t", "\x1b[2J"),
    *("```", "```python\n", "</think>", "<think>", '{"code": "', '"}', '"', "'", "\\", "\\\n"),
    *("(", ")", "[" * 300, "{", "}", "f'{", "'''", '"""', "#", "# coding: utf-7\n", "\\N{"),
    *(
        "\nimport math\n",
        "\nfrom sympy import *\n",
        "import ",
        "lambda x: ",
        "\ndef f(x):\n    ",
        "@",
    ),
    *(
        ":=",
        "**",
        "9**9**9",
        "0x",
        "1e",
        "_",
        "\nclass f: ",
        "async ",
        "match x:\n case ",
        "é",
        "😀",
    ),
)


def mutated(random_state: random.Random) -> str:
    """A seed with up to four changes."""
    text = random_state.choice([*SEEDS.values(), *IMPORTS.values()])
    for _ in range(random_state.randint(1, 4)):
        start = random_state.randrange(len(text) + 1)
        stop = min(len(text), start + random_state.choice([0, 0, 1, 3, 10, 200]))
        piece = random_state.choice(PIECES)
        match random_state.randrange(7):
            case 0 | 1:
                text = text[:start] + piece + text[stop:]
            case 2:
                text = text[:start] + piece * random_state.choice([2, 50, 3000]) + text[stop:]
            case 3:
                text = text[:start] + text[start:stop] * 20 + text[stop:]
            case 4:
                text = text.replace("\n", random_state.choice(["\r", "\r\n", "\f", "\n\n", "\\n"]))
            case 5:
                text = random_state.choice([as_json, lambda code: f"```\n{code}\n```"])(text)
            case 6:
                text = text[:start] + random_state.choice([*SEEDS.values()]) + text[start:]
        text = text[:1_500_000]
    return text


def judge(answers: Sequence[str], folder: Path) -> Counter[str]:
    """Runs answers and a right one from the model to every file and output.

    Returns how many attempts had each status.

    Raises:
        AssertionError: Something else than failed attempts came of it.
    """
    (folder / "answers.json").write_text(json.dumps([*answers, RIGHT]))
    count = len(answers) + 1
    files = ("--out-jsonl", folder / "all.jsonl", "--out-csv", folder / "all.csv")
    common = ("--functions", "fn_a", "--lengths", 20, "--train-size", 20, "--val-size", 20)
    common += ("--test-size", 40, "--dataset-dir", folder / "datasets", "--attempts", count)
    common += ("--seconds-per-call", 0.5, "--seconds-per-candidate", 1, "--no-early-stop")
    scripted = ("--provider", "scripted", "--answers", folder / "answers.json")
    run = ("synthesize", *common, *scripted, "--out-dir", folder / "run")
    result = json.loads(_command(*run, "--json", *files))
    assert result["attempts"] == count
    assert result["validation"]["accuracy"] == result["test"]["accuracy"] == 1.0, "not selected"
    records = [json.loads(line) for line in (folder / "all.jsonl").read_text().splitlines()]
    assert [record["attempt"] for record in records] == list(range(1, count + 1))
    csv.field_size_limit(10**9)
    with (folder / "all.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == count
    assert "100.0%" in _command(*run)  # the table, from the folder
    assert len(list((folder / "run/programs").iterdir())) == 1
    replay = ("synthesize", "--provider", "replay", "--from", folder / "run", "--json")
    replay += ("--dataset-dir", folder / "datasets")
    again = json.loads(_command(*replay, "--out-dir", folder / "again"))
    assert again["program"] == result["program"]
    assert again["selected_attempt"] == result["selected_attempt"]
    return Counter(record["status"] for record in records)


def _command(*words: object) -> str:
    """What a command prints; it must succeed."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(word) for word in words])
        except SystemExit as ending:
            status = ending.code
    assert status in (0, None), f"status {status}: {err.getvalue()[-2000:]}"
    assert "Traceback" not in err.getvalue(), err.getvalue()[-2000:]
    out.getvalue().encode()  # a terminal could not print a lone surrogate
    return out.getvalue()


def faults(answers: Sequence[str]) -> tuple[list[tuple[str, str]], Counter[str]]:
    """The answers that end or change a run when they are alone in it, and the statuses of all."""
    folder = Path(tempfile.mkdtemp())
    try:
        return [], judge(answers, folder)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not come
        if len(answers) == 1:
            return [(answers[0], f"{type(error).__name__}: {error}")], Counter()
    finally:
        shutil.rmtree(folder)
    half = len(answers) // 2
    (some, first), (more, second) = faults(answers[:half]), faults(answers[half:])
    return some + more, first + second


def script() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=50)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    answers = [*SEEDS.values(), *IMPORTS.values()]
    answers += [mutated(draw) for _ in range(given.count - len(answers))]
    statuses: Counter[str] = Counter()
    found: list[tuple[str, str]] = []
    began = time.monotonic()
    for start in range(0, len(answers), given.batch):
        wrong, seen = faults(answers[start : start + given.batch])
        statuses += seen
        for text, error in wrong:
            said = f"{text[:200]!r} ({len(text)} characters)\n  {error[-600:]}"
            print(said, flush=True)  # noqa: T201 - a script's output
        found += wrong
        done = min(start + given.batch, len(answers))
        print(done, f"{time.monotonic() - began:.0f} s", dict(statuses), flush=True)  # noqa: T201
    sys.exit(f"{len(found)} faults" if found else 0)


if __name__ == "__main__":
    script()
