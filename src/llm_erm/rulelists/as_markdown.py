"""Writes a rule as a table for people to read."""

import re

from llm_erm.rulelists.evidence import Learned
from llm_erm.rulelists.literals import one_line
from llm_erm.rulelists.words import certificate, conditions_of

_MARKS = re.compile(r"[\\`*_\[\]<>&|~$#@:]|(?i:(?<=www)\.)")
"""What Markdown, its extensions and the HTML in it take for more than a character."""


def markdown_table(learned: Learned) -> str:
    """Returns the rule in Markdown: each line with its rows, and what is known of its errors."""
    rule = learned.rule
    labels = [line.label for line in rule.lines] + [rule.otherwise]
    lines = [
        f"| {number} | {in_markdown(text)} | {in_markdown(rule.classes[label])} "
        f"| {count.rows:,} | {count.right:,} |"
        for number, (text, label, count) in enumerate(
            zip(conditions_of(learned), labels, learned.lines, strict=True), 1
        )
    ]
    return "\n".join(
        [
            f"# Rule for {in_markdown(learned.schema.target)}",
            "",
            "| Line | Rule | Gives | Rows | Right |",
            "| ---: | :--- | :---- | ---: | ----: |",
            *lines,
            "",
            f"Rows are those that it was learned from ({learned.learned_rows:,}). A comparison "
            "with a missing value is not true.",
            "",
            *(f"- {in_markdown(sentence)}" for sentence in certificate(learned)),
            "",
        ]
    )


def in_markdown(text: str) -> str:
    """Returns a text that Markdown shows as it is, in one line."""
    return _MARKS.sub(r"\\\g<0>", one_line(text))
