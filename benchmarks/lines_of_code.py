"""Counts lines of code per subpackage, without blank lines, comments and docstrings."""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
NO_CODE |= {tokenize.ENCODING, tokenize.ENDMARKER}


def code_lines(source: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = [(t.start[0], t.end[0]) for t in tokens if t.type not in NO_CODE]
    lines = {line for first, last in spans for line in range(first, last + 1)}
    for node in ast.walk(ast.parse(source)):
        # A string that stands alone documents an attribute or a function.
        text = node.value if isinstance(node, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            lines -= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return len(lines)


root = Path(sys.argv[1] if len(sys.argv) > 1 else "src/llm_erm")
rooms: Counter[str] = Counter()
for path in root.rglob("*.py"):
    rooms[path.relative_to(root).parts[0]] += code_lines(path.read_text(encoding="utf-8"))
for room, lines in rooms.most_common():
    print(f"{lines:6,}  {room}")
print(f"{rooms.total():6,}  total")
