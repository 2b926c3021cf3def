"""Bits that flip and lines that change in folders of runs of every method are never believed."""

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("numba", reason="enumeration needs numba")
pytest.importorskip("sklearn", reason="baselines need scikit-learn")

from damage import BAD, change, damage_all, flip, forge


def test_what_is_damaged_is_named_refused_or_done_again(tmp_path, capsys):
    """The script with many more is `make test-damage`."""
    found = damage_all(tmp_path, {flip: 45, change: 81, forge: 54}, seed=1)
    said = capsys.readouterr().err
    assert not any(tally[bad] for tally in found.values() for bad in BAD), said
    assert found["flip"]["named, same"] > 10
    assert found["change"]["named, same"] > 20
