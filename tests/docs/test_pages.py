"""The pages of docs can be followed as they stand."""

import re

import pytest

from pages import BLOCK, DOCS, PAGES, run_again, steady


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints_what_it_shows(name):
    """``python tests/pages.py`` writes what the pages show anew."""
    for library in ("numba", "pandas", "sklearn"):
        pytest.importorskip(library)
    text = (DOCS / name).read_text()
    assert steady(run_again(text)) == steady(text) != []


def test_every_page_whose_blocks_are_marked_to_run_does():
    marked = {
        str(path.relative_to(DOCS))
        for path in DOCS.rglob("*.md")
        if any(kind in ("console", "sh", "python") for kind, *_ in BLOCK.findall(path.read_text()))
    }
    assert marked == set(PAGES)


def test_what_a_page_no_longer_shows_is_found():
    page = "```console\n$ llm-erm bound --budget 5 --examples 100\nvalidation  {}\n```\n"
    again = run_again(page)
    assert steady(again) != steady(page)
    assert steady(run_again(again)) == steady(again)
    assert re.search(r"validation .* 95\.49%", again)
