"""Drawing continues as long as new inputs may appear, and no longer."""

from numpy.random import RandomState

from llm_erm.tasks.distinct import PATIENCE, draw_distinct


class Sequence:
    """Returns label-1 inputs as a function of their index, and counts them."""

    def __init__(self, nth):
        self.nth = nth
        self.drawn = 0

    def __call__(self, rng, length, counts):
        first, self.drawn = self.drawn, self.drawn + counts[1]
        return ["no"] * counts[0], [self.nth(i) for i in range(first, self.drawn)]


def test_inputs_come_in_the_order_they_were_drawn():
    draw = Sequence(lambda i: "bacbdaef"[i % 8])

    none, found = draw_distinct(draw, RandomState(0), 1, (0, 5))

    assert none.inputs == []
    assert found.inputs == ["b", "a", "c", "d", "e"]


def test_repeats_are_counted_up_to_the_last_input_asked_for():
    draw = Sequence(lambda i: "aabacbbdae"[i % 10])
    found = draw_distinct(draw, RandomState(0), 1, (0, 4))[1]

    assert [found.repeats(count) for count in range(5)] == [0, 0, 1, 2, 4]


def test_drawing_waits_for_a_rare_input_that_completes_the_set():
    draw = Sequence(lambda i: "rare" if i == 3500 else str(i % 500))
    found = draw_distinct(draw, RandomState(0), 1, (1, 501))[1]

    assert len(found.inputs) == 501


def test_drawing_ends_early_if_repeats_show_that_few_inputs_exist():
    draw = Sequence(lambda i: str(i % 500))
    found = draw_distinct(draw, RandomState(0), 1, (1, 5000))[1]

    assert len(found.inputs) == 500
    assert draw.drawn <= 5000 + 1000


def test_drawing_ends_if_the_last_input_does_not_exist():
    draw = Sequence(lambda i: str(i % 500))
    found = draw_distinct(draw, RandomState(0), 1, (1, 501))[1]

    assert len(found.inputs) == 500
    assert draw.drawn < 4 * PATIENCE * 500
