"""Styles tell methods apart, in print and whoever looks."""

from itertools import combinations

import numpy as np
import pytest

from llm_erm.styles import COLOURS, JOINTS, LINES, MARKERS, in_lines, style, verbatim, width_of

# What people without red or green cones see, in linear RGB (Machado, Oliveira and Fernandes, 2009).
VISION = {
    "normal": np.eye(3),
    "no red cones": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green cones": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, vision: np.ndarray) -> np.ndarray:
    """A colour as it is seen, in CIE Lab."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(XYZ @ np.clip(vision @ linear, 0, 1) / np.array([0.9505, 1, 1.089]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_from_each_other_and_from_black_and_white(vision):
    """Two colours next to each other are told apart from a distance of about 2.3 on."""
    seen = [lab(colour, VISION[vision]) for colour in (*COLOURS, "#000000", "#FFFFFF")]
    least = min(np.linalg.norm(one - other) for one, other in combinations(seen, 2))
    assert least > 14


def test_as_many_methods_as_there_are_colours_differ_in_colour_and_more_in_the_pair():
    assert len(set(COLOURS)) == 20
    assert len(set(MARKERS)) == 17
    styles = [style(place) for place in range(340)]
    assert len({(one["color"], one["marker"]) for one in styles}) == 340
    assert len({one["linestyle"] for one in styles}) == len(LINES)
    assert "--" not in LINES  # that of bounds
    assert ":" not in LINES  # that of chance


def test_dollars_are_no_formula_and_what_the_font_lacks_has_a_mark():
    pytest.importorskip("matplotlib", reason="its font tells")
    assert verbatim("$x$ \u4e2d\x1b[0m\n") == "\\$x\\$ \ufffd\ufffd[0m\n"


NAME = "synthesis anthropic:claude-opus-4-5 in runs/a_b"


@pytest.mark.parametrize("name", [NAME, "m" * 90, "W i " * 20, "$" * 30, "\u4e2d" * 30, "a"])
def test_lines_are_no_wider_than_asked_for(name):
    pytest.importorskip("matplotlib", reason="its font tells")
    for inches in (0.5, 1.0):
        lines = in_lines(name, inches, 8, JOINTS).split("\n")
        assert max(width_of(line.replace("\\$", "$"), 8) for line in lines) <= inches
        assert "".join(lines).replace(" ", "") == verbatim(name).replace(" ", "")
    assert in_lines(name, 9.0, 7) == verbatim(" ".join(name.split()))


def test_a_name_is_broken_where_it_has_a_joint():
    pytest.importorskip("matplotlib", reason="its font tells")
    assert in_lines(NAME, 1.05, 8, JOINTS).split("\n") == [
        *("synthesis", "anthropic:claude-", "opus-4-5 in runs/", "a_b"),
    ]
    assert in_lines("parity_all (fn_a):  is\nodd", 0.7).split("\n") == [
        *("parity_all", "(fn_a): is", "odd")
    ]
    assert in_lines("", 1) == ""
