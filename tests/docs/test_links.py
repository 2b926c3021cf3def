"""Every relative link in a Markdown file leads to a file and, if it names one, to a heading."""

import re
from functools import cache
from pathlib import Path

import pytest

from pages import FENCED, ROOT, markdown_files

LINK = re.compile(r"\]\(<?([^)\s>]+)>?\)")
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.M)


@cache
def anchors(path: Path) -> set[str]:
    """The anchors of a file's headings, as code hosts and the site make them."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCED.sub("", path.read_text())):
        text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found


def broken(path: Path) -> list[str]:
    """The relative links of a file that lead nowhere."""
    wrong = []
    for link in LINK.findall(FENCED.sub("", path.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


def test_every_link_leads_somewhere():
    files = markdown_files()
    assert {path.name for path in files} >= {"README.md", "CONTRIBUTING.md", "index.md"}
    assert {str(path.relative_to(ROOT)): found for path in files if (found := broken(path))} == {}


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("other.md", False),
        ("other.md#a-heading-it-is", False),
        ("#here", False),
        ("https://example.org/x", False),
        ("missing.md", True),
        ("other.md#another", True),
        ("#nowhere", True),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path, link, wrong):
    (tmp_path / "other.md").write_text("# A heading: `it` is!\n")
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n[a link]({link})\n\n```\n[x](not-a-link.md)\n```\n")
    assert broken(page) == [link] * wrong
