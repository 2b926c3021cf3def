"""Answers that hold a right program for parity, by the form that they have."""

import json

PARITY = "def f(x):\n    return x.count('1') % 2"
OTHER = "def f(x):\n    return 0"
ONES = "def ones(x):\n    return x.count('1')"
STUB = "def f(x: str) -> int:\n    ..."
USES_ONES = "def f(x):\n    return ones(x) % 2"
ASKED = '{"code": "<python function>"}'


def as_json(code: str) -> str:
    return json.dumps({"code": code})


def fence(code: str, language: str = "python", mark: str = "```") -> str:
    return f"{mark}{language}\n{code}\n{mark}\n"


def indented(text: str, margin: str = "   ") -> str:
    return "\n".join(margin + line for line in text.split("\n"))


def raw(code: str) -> str:
    """The code between the quotes of JSON, with nothing but its line breaks escaped."""
    return '{"code": "' + code.replace("\n", "\\n") + '"}'


WHOLE = {
    "a constant": "ONES = {\n    '1': 1,\n    '0': 0,\n}\n\ndef f(x):\n"
    "    return sum(ONES[c] for c in x) % 2",
    "a comment": "# weights\nW = [1] * 20\n\n# the rule\ndef f(x):\n"
    "    return sum(w * int(c) for w, c in zip(W, x)) % 2",
    "an import that may fail": "try:\n    import numpy as np\nexcept ImportError:\n    np = None\n"
    f"\n{PARITY}",
    "a loop": "T = []\nfor i in range(2):\n    T.append(i)\n\ndef f(x):\n"
    "    return sum(T[int(c)] for c in x) % 2",
    "a condition": f"import sys\nif sys.maxsize > 0:\n    TWO = 2\n\n{PARITY.replace('2', 'TWO')}",
    "a global name": f"global TWO\nTWO = 2\n{PARITY.replace('2', 'TWO')}",
    "a docstring": f'"""Parity."""\n\n{PARITY}',
    "an unpacking": f"ONE, TWO = '1', 2\n{PARITY.replace('2', 'TWO')}",
    "a class": "class Counter:\n    def __init__(self, x):\n        self.ones = x.count('1')\n\n"
    "def f(x):\n    return Counter(x).ones % 2",
    "a decorator": "def twice(g):\n    return lambda x: g(x)\n\n@twice\n" + PARITY,
    "a main block": f"{PARITY}\n\nif __name__ == '__main__':\n    print(f(input()))",
    "doctests": 'def f(x):\n    """Parity.\n\n    >>> f("01")\n    1\n    """\n'
    '    return x.count("1") % 2',
    "a table after it": "def f(x):\n    return f.table[x.count('1') % 2]\n\nf.table = [0, 1]",
    "another name for it": "def parity(x):\n    return x.count('1') % 2\n\nf = parity",
    "a partial function": "from functools import partial\n\ndef g(n, x):\n"
    "    return x.count('1') % n\n\nf = partial(g, 2)",
    "tabs": PARITY.replace("    ", "\t"),
}
"""Programs that must be taken whole, by what they contain."""

CHOSEN = {
    "a test comes last": f"{fence(PARITY)}\nQuick check:\n"
    + fence("def test_f():\n    assert f('10') == 1"),
    "a test class comes last": fence(PARITY)
    + fence("class TestF:\n    def test(self):\n        assert f('1') == 1"),
    "a usage comes last": f"{fence(PARITY)}\nUse it:\n{fence('print(f(input()))')}",
    "output comes last": f"{fence(PARITY)}\nOutput:\n{fence('1', 'text')}",
    "a shell command comes first": f"{fence('pip install numpy', 'bash')}\n{fence(PARITY)}",
    "a stub comes last": f"{fence(PARITY)}\nIts form is\n{fence(STUB)}",
    "a draft comes first": f"{fence(OTHER)}\nBetter:\n{fence(PARITY)}",
    "a broken draft comes last": f"{fence(PARITY)}\nor\n{fence('def f(x) return 1')}",
    "the placeholder comes first": f"I must answer in the form {ASKED}.\n{fence(PARITY)}",
    "the placeholder comes last": f"{as_json(PARITY)}\n(As asked, in the form {ASKED}.)",
    "the placeholder is a list": '{"code": ["<python function>"]}\n' + fence(PARITY),
    "the placeholder precedes bare code": f"{ASKED}\n\n{PARITY}",
    "a test in JSON comes last": f"{as_json(PARITY)}\n{as_json('def test_f(): assert f(1)')}",
    "JSON that is no Python comes first": f"{as_json('def f(x) return 1')}\n{fence(PARITY)}",
    "JSON before a fence": f"{as_json(PARITY)}\nA first idea was\n{fence(OTHER)}",
    "a thought": f"<think>{fence(OTHER)}</think>{fence(PARITY)}",
    "a thought without a beginning": f"{as_json(OTHER)}</think>\n{as_json(PARITY)}",
}
"""Answers from which ``PARITY`` must be chosen."""

JOINED = {
    "a helper comes last": f"{fence(USES_ONES)}\nwith the helper\n{fence(ONES)}",
    "a helper comes first": f"{fence(ONES)}\nso\n{fence(USES_ONES)}",
    "helpers of helpers": fence("def f(x):\n    return a(x) % 2")
    + fence("def a(x):\n    return ones(x)")
    + fence(ONES),
    "an import": fence("import re") + fence("def f(x):\n    return len(re.findall('1', x)) % 2"),
    "a constant": fence("W = {'0': 0, '1': 1}")
    + fence("def f(x):\n    return sum(W[c] for c in x) % 2"),
    "a constant for a default": fence("N = 2")
    + fence("def f(x, n=N):\n    return x.count('1') % n"),
    "an import of the future": fence(f"from __future__ import annotations\n\n{USES_ONES}")
    + fence(ONES),
    "bare code in parts": f"A helper:\n\n{ONES}\n\nand\n\n{USES_ONES}\n\nDone",
    "a helper of another name": fence(USES_ONES.replace("f(", "solve(")) + fence(ONES),
}
"""Answers whose program is in several places."""

NAMED = {
    "solve": fence(PARITY.replace("f(", "solve(")),
    "solve after a helper": fence(f"{ONES}\n\ndef solve(x):\n    return ones(x) % 2"),
    "solve before a test": fence(
        PARITY.replace("f(", "solve(") + "\n\ndef test_solve():\n    assert solve('1') == 1"
    ),
    "solve before main": fence(
        PARITY.replace("f(", "solve(") + "\n\ndef main():\n    print(solve(input()))"
    ),
    "a lambda": fence("solve = lambda x: x.count('1') % 2"),
    "an annotated lambda": fence(
        "from typing import Callable\n\nsolve: Callable[[str], int] = lambda x: x.count('1') % 2"
    ),
    "solve before a check": fence(PARITY.replace("f(", "solve("))
    + fence("def check(n):\n    assert solve('1') == n"),
    "solve, then f": fence(PARITY.replace("f(", "solve(")) + fence("f = solve\nprint(f('1'))"),
    "a lambda without a name": as_json("lambda x: x.count('1') % 2"),
    "an annotated f": fence("f: object = lambda x: x.count('1') % 2"),
    "a method": fence("class Solution:\n    def solve(self, x):\n        return x.count('1') % 2"),
    "a method with a helper": fence(
        "class Solution:\n    def ones(self, x):\n        return x.count('1')\n\n"
        "    def solve(self, x: str) -> int:\n        return self.ones(x) % 2"
    ),
    "a static method": fence(
        "class Rule:\n    @staticmethod\n    def apply(x):\n        return x.count('1') % 2"
    ),
}
"""Answers whose function has another name."""

QUOTED = 'def f(x):\n    return x.count("1") % 2'
PATTERN = "import re\ndef f(x):\n    return len(re.findall(r'\\d', x.replace('0', ''))) % 2"
NEARLY_JSON = {
    "a regular expression": raw(PATTERN),
    "an escaped apostrophe": raw(PARITY.replace("'", "\\'")),
    "a word boundary": raw("import re\ndef f(x):\n    return len(re.findall(r'\\B1|\\b1', x)) % 2"),
    "a line break in a string": raw(
        "def f(x):\n    return len(x.replace('0', '') + '\\n' * 2) % 2"
    ),
    "quotes": raw(QUOTED),
    "quotes and raw line breaks": '{"code": "' + QUOTED + '"}',
    "a trailing comma": as_json(PARITY)[:-1] + ",}",
    "a Python dict": repr({"code": PARITY}),
    "triple quotes": '{"code": """\n' + QUOTED + '\n"""}',
    "backticks": '{"code": `' + QUOTED + "`}",
    "smart quotes": "{" + "“code”: “" + PARITY.replace("\n", "\\n") + "”}",
    "a key without quotes": as_json(PARITY).replace('"code"', "code"),
    "no brace at the end": as_json(PARITY)[:-1],
    "no quote at the end": as_json(PARITY)[:-2] + "}",
    "a comment": as_json(PARITY)[:-1] + " // the rule\n}",
    "another wrong value": '{"why": "\\d", ' + as_json(PARITY)[1:],
    "in a fence": fence(as_json(PARITY)[:-1] + ",}", "json"),
    "a fence in it": as_json(fence(PARITY))[:-1] + ",}",
    "a list of lines": json.dumps({"code": PARITY.split("\n")}),
    "a list of lines with ends": json.dumps({"code": PARITY.splitlines(keepends=True)}),
    "a list with a trailing comma": json.dumps({"code": PARITY.split("\n")})[:-2] + ",],}",
    "a list with a regular expression": '{"code": ["import re", "def f(x):", '
    "\"    return len(re.findall(r'\\d', x.replace('0', ''))) % 2\"]}",
    "escaped twice": as_json(PARITY).replace("\\n", "\\\\n"),
    "a string": json.dumps(as_json(PARITY)),
    "within a list": json.dumps([{"code": PARITY}]),
    "within an object": json.dumps({"answer": {"code": PARITY}}),
    "another key": json.dumps({"program": PARITY}),
    "JSON in JSON": as_json(as_json(PARITY)),
    "carriage returns": as_json(PARITY.replace("\n", "\r\n")),
    "an object for the code": json.dumps({"code": {"language": "python", "source": PARITY}}),
    "prose in it": as_json(f"Here it is:\n{PARITY}\nIt counts."),
    "the language": as_json(f"python\n{PARITY}"),
    "a margin": as_json(indented(PARITY)),
    "a byte-order mark": "\ufeff" + as_json(f"\ufeff{PARITY}"),
}
"""Answers that are JSON, nearly."""

NEARLY_FENCED = {
    "a byte-order mark": fence(f"\ufeff{PARITY}"),
    "tildes": fence(PARITY, mark="~~~"),
    "tildes in a list": f"1. The rule:\n\n{indented(fence(PARITY, mark='~~~'))}",
    "a list": f"- rule:\n\n{indented(fence(PARITY), '  ')}",
    "a list with tabs": f"1.\tRule\n\n{indented(fence(PARITY), chr(9))}",
    "a bullet": f"* ```python\n{indented(PARITY, '  ')}\n  ```",
    "a quotation": indented(fence(PARITY), "> "),
    "four backticks": fence(PARITY, mark="````"),
    "attributes": fence(PARITY, "{.python .numberLines}"),
    "a title": fence(PARITY, 'python title="rule.py"'),
    "Python 3": fence(PARITY, "Python3"),
    "carriage returns": fence(PARITY).replace("\n", "\r\n"),
    "carriage returns alone": fence(PARITY).replace("\n", "\r"),
    "no end": f"Here:\n```python\n{PARITY}\n",
    "no end, then another": f"```python\n{OTHER}\n```python\n{PARITY}\n```",
    "one line": "```python f = lambda x: x.count('1') % 2```",
    "one line of prose": "It is `f = lambda x: x.count('1') % 2`.",
    "escaped line breaks": f"```python\n{PARITY}\n```".replace("\n ", "\\n "),
    "prose before the code": fence(f"The rule is this one:\nTWO = 2\n{PARITY.replace('2', 'TWO')}"),
    "prose after the code": fence(f"{PARITY}\nThis counts the ones."),
    "a session": fence(
        ">>> def f(x):\n...     return x.count('1') % 2\n...\n>>> f('01')\n1", "pycon"
    ),
    "no-break spaces": fence(PARITY.replace("    ", "\u00a0" * 4)),
    "zero-width spaces": fence(f"\u200b{PARITY}"),
    "curly quotes": fence(PARITY.replace("'1'", "\u20181\u2019")),
    "wide signs": fence(PARITY.replace("(x):", "（x）：")),
    "a minus sign": fence("def f(x):\n    return (x.count('1') \u2212 2) % 2"),
    "fences in a fence": fence(f"# Answer\n{fence(PARITY)}", "markdown", "````"),
    "fences mentioned": f"I put it in ``` fences.\n{fence(PARITY)}",
    "code on the line of the fence": f"```{PARITY}\n```",
    "a shell command in it": fence(f"!pip install numpy\nimport math\n{PARITY}\n%timeit f('1')"),
    "line separators": as_json(PARITY.replace("\n", "\u2028")),
}
"""Answers with fences, or nearly."""

BARE = {
    "prose around": f"Sure!\n\n{PARITY}\n\nThis counts the ones, doesn't it?",
    "one word after": f"{PARITY}\n\nDone",
    "a constant of several lines": f"The rule:\n\n{WHOLE['a constant']}\n\nIt works.",
    "a loop": f"The rule:\n\n{WHOLE['a loop']}\n\nIt works.",
    "a margin": f"It is\n\n{indented(PARITY, '    ')}\n\nas asked.",
    "a lambda": "solve = lambda x: x.count('1') % 2",
    "quotes for fences": f"'''python\n{PARITY}\n'''",
    "only the end of a fence": f"{PARITY}\n```\nDone.",
    "YAML": f"code: |\n{indented(PARITY, '  ')}",
    "a heading": f"**Code:**\n{PARITY}\n\n**Why:** it counts.",
    "a mark of the model's": f"{PARITY}</s><|im_end|>",
    "one line after a colon": "Answer: def f(x): return x.count('1') % 2",
    "a lambda after a colon": "Answer: f = lambda x: x.count('1') % 2",
    "tags": f"[PYTHON]\n{PARITY}\n[/PYTHON]",
    "from and import in prose": f"From what I see\nfrom the examples it is clear:\n\n{PARITY}",
    "class in prose": f"class 1 means odd.\nimport is not needed here.\n\n{PARITY}",
}
"""Answers with code between other lines."""

FORMS = {
    **{f"whole, in a fence: {name}": fence(code) for name, code in WHOLE.items()},
    **{f"whole, in JSON: {name}": as_json(code) for name, code in WHOLE.items()},
    **{f"chosen: {name}": text for name, text in CHOSEN.items()},
    **{f"joined: {name}": text for name, text in JOINED.items()},
    **{f"named: {name}": text for name, text in NAMED.items()},
    **{f"JSON: {name}": text for name, text in NEARLY_JSON.items()},
    **{f"fence: {name}": text for name, text in NEARLY_FENCED.items()},
    **{f"bare: {name}": text for name, text in BARE.items()},
}
