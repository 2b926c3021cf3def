"""Writes numbers and names so that no language takes them for anything else."""


def number_literal(value: float) -> str:
    """Returns a number in the shortest way that reads back as the same."""
    return repr(float(value)).removesuffix(".0")


def one_line(text: str) -> str:
    """Returns a text for a comment: line ends and what nobody would see are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
