"""docs/your-own-data.md can be followed as it stands."""

import pytest

from tutorial import TUTORIAL, run_again, without_rivals


def test_the_tutorial_prints_what_it_shows():
    """``python tests/tutorial.py`` writes what it shows anew."""
    for library in ("numba", "pandas", "sklearn"):
        pytest.importorskip(library)
    text = TUTORIAL.read_text()
    assert without_rivals(run_again(text)) == without_rivals(text) != text
