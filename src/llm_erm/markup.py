"""Shows text that nobody vouches for in HTML: as text, with every character visible."""

import html

from llm_erm.secrets import hide_known


def visible(text: str) -> str:
    """Returns a text with a mark for each secret, and the code of each character that nobody sees.

    Secrets are those that a server was told. The characters are control characters except line ends
    and tabs, those that change the direction of text, other separators, and halves of characters.
    """
    text = hide_known(text).replace("\r\n", "\n")
    if text.replace("\n", "").replace("\t", "").isprintable():  # as nearly all texts are
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"⟨U+{ord(c):04X}⟩" for c in text)


def escaped(text: str) -> str:
    """Returns a visible text in which no character is markup."""
    return html.escape(visible(text))
