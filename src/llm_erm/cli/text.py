"""Makes text that comes from elsewhere safe to print."""


def printable(text: str) -> str:
    """Replaces control characters, which could control the terminal, except line ends."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
