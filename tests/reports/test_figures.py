"""Pictures show every method, in the same colours whatever finished first."""

import re

from llm_erm.reports.curves import Curve
from llm_erm.reports.figures import draw_curves


def curve(method: str) -> Curve:
    return Curve(method, (20, 200), (1.0, 1.0), (0.9, 0.99), (1.0, 1.0), (1, 1))


def test_methods_that_score_the_same_do_not_hide_each_other(tmp_path):
    path = tmp_path / "figure.svg"
    draw_curves({("fn_a", 20): [curve("enumeration"), curve("synthesis")]}, {}, path)
    # Markers have a colour of their own and a place; those of the legend are drawn there as well.
    used = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="fill: (#\w+)', path.read_text())
    highest = min(float(y) for _, y, colour in used if colour in ("#1f77b4", "#ff7f0e"))
    top = {(colour, x) for x, y, colour in used if float(y) == highest}
    assert len({x for _, x in top}) == 4
    assert len({colour for colour, _ in top}) == 2


def test_colours_do_not_depend_on_the_order_of_the_runs(tmp_path):
    pictures = []
    for number, methods in enumerate((("a", "b"), ("b", "a"))):
        path = tmp_path / f"{number}.png"
        draw_curves({("fn_a", 20): [curve(method) for method in methods]}, {}, path)
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1]


def test_an_interval_that_does_not_contain_the_accuracy_is_drawn(tmp_path):
    """It comes from a sample of the test data, of which the accuracy counts all."""
    one = Curve("a", (20,), (0.9,), (0.91,), (0.95,), (1,))
    draw_curves({("fn_a", 20): [one]}, {}, tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text()
