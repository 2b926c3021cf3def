"""Shows text that nobody vouches for in HTML: as text, with every character visible."""

import html
import re

from llm_erm.secrets import hide_known

_BLANK = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0d\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks without a shape, which can hide text; not the two that belong to emoji."""


def visible(text: str) -> str:
    """Returns a text with a mark for each secret, and the code of each character that nobody sees.

    Secrets are those that a server was told. The characters are control characters except line ends
    and tabs, those that change the direction of text, other separators, letters without a shape,
    and halves of characters.
    """
    text = hide_known(text).replace("\r\n", "\n")
    if not text.replace("\n", "").replace("\t", "").isprintable():  # few texts are not
        text = "".join(c if c.isprintable() or c in "\n\t" else _code(c) for c in text)
    return _BLANK.sub(lambda match: _code(match[0]), text)


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def escaped(text: str) -> str:
    """Returns a visible text in which no character is markup."""
    return html.escape(visible(text))
