"""Drawn tasks: the same in every process, as long as they say, and different from each other."""

import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from llm_erm.enumeration import behaviours as behaviours_module
from llm_erm.enumeration.behaviours import Behaviours, Samples
from llm_erm.enumeration.description import program_bits
from llm_erm.enumeration.drawing import draw_tasks, spread
from llm_erm.enumeration.drawn import Drawing
from llm_erm.enumeration.method import Enumeration
from llm_erm.enumeration.sampling import ProgramSampler, predictions
from llm_erm.enumeration.settings import EnumerationSettings
from llm_erm.enumeration.terms import to_expression
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.runs.run import plan, run
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.task_file import load_task_file

LENGTH = 12


@pytest.fixture
def few_programs(monkeypatch):
    """All programs of up to 19 bits are enumerated, and longer ones are sampled."""
    monkeypatch.setattr(behaviours_module, "MAX_PROGRAMS", 5_000)
    monkeypatch.setattr(behaviours_module, "MAX_SAMPLED", 20_000)


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    return draw_tasks(24, (13, 20), 7, LENGTH)


@pytest.fixture(scope="module")
def known() -> Behaviours:
    return Behaviours(LENGTH, 18, lambda: None)


def words(count: int, length: int) -> list[str]:
    rows = np.random.RandomState(5).randint(2, size=(count, length))
    return ["".join(map(str, row)) for row in rows.tolist()]


def test_tasks_are_spread_evenly_over_the_description_lengths(drawing):
    assert Counter(task.bits for task in drawing.tasks) == dict.fromkeys(range(13, 21), 3)
    assert drawing.missing == ()


@pytest.mark.parametrize(("low", "high"), [(12, 40), (5, 5), (5, 6), (1, 64)])
def test_the_first_lengths_of_a_draw_are_already_spread(low, high):
    for seed in range(5):
        order = spread(low, high, seed)
        assert sorted(order) == list(range(low, high + 1))
        half = np.sort(order[: len(order) // 2])
        assert all(np.diff(half) <= 5)


def test_fewer_tasks_are_the_first_of_more(drawing):
    assert draw_tasks(5, (13, 20), 7, LENGTH).tasks == drawing.tasks[:5]


def test_another_seed_gives_other_tasks(drawing):
    others = draw_tasks(24, (13, 20), 8, LENGTH).tasks
    same = {task.expression for task in drawing.tasks} & {task.expression for task in others}
    assert len(same) < 12
    assert {task.name for task in drawing.tasks}.isdisjoint(task.name for task in others)


def test_another_process_draws_the_same_bytes(drawing, tmp_path):
    drawing.write(tmp_path / "here")
    code = (
        "from llm_erm.enumeration.drawing import draw_tasks\n"
        f"draw_tasks(24, (13, 20), 7, {LENGTH}).write('there')\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)
    here, there = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("here", "there")
    )
    assert here == there
    assert len(here) == 24


def test_no_two_tasks_label_alike(drawing):
    inputs = words(500, LENGTH)
    labels = [predictions(task.expression, inputs) for task in drawing.tasks]
    assert len({(column != column[0]).tobytes() for column in labels}) == 24


def test_the_shares_are_those_of_label_1(drawing):
    inputs = words(4000, LENGTH)
    for task in drawing.tasks:
        share = predictions(task.expression, inputs).mean()
        assert task.share == pytest.approx(share, abs=0.08), task


def test_a_file_is_a_task_that_labels_as_the_program_does(drawing, tmp_path):
    inputs = words(300, LENGTH)
    for task, path in zip(drawing.tasks, drawing.write(tmp_path), strict=True):
        loaded = load_task_file(path)
        assert (loaded.name, loaded.bits, loaded.lengths) == (task.name, task.bits, (LENGTH,))
        assert loaded.uniform
        assert loaded.computes == task.expression
        assert loaded.label(inputs) == predictions(task.expression, inputs).tolist()
        assert "llm_erm" not in path.read_text().replace("llm-erm", "")
        rng = np.random.RandomState(0)
        negatives, positives = loaded.draw(rng, LENGTH, (20, 30))
        assert loaded.label(negatives + positives) == [0] * 20 + [1] * 30


def test_a_file_that_holds_something_else_stays_and_nothing_is_written(drawing, tmp_path):
    first, second = drawing.tasks[:2]
    (path,) = Drawing((second,)).write(tmp_path)
    path.write_text("bits = 1\n")
    with pytest.raises(InputError, match="holds another task") as raised:
        Drawing((first, second)).write(tmp_path)
    assert raised.value.setting == "out_dir"
    assert path.read_text() == "bits = 1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_are_there_already_stay_untouched(drawing, tmp_path):
    paths = drawing.write(tmp_path)
    before = [path.stat().st_mtime_ns for path in paths]
    assert drawing.write(tmp_path) == paths
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_enumeration_finds_drawn_tasks_at_the_bits_they_were_drawn_with(drawing, tmp_path):
    """One run of several files; a program is found that labels alike and is as long."""
    tasks = [task for task in drawing.tasks if task.number == 1]
    specs = [
        DataSpec(
            function=task.name,
            length=LENGTH,
            train_size=300,
            val_size=100,
            test_size=200,
            task_file=path,
        )
        for task, path in zip(tasks, Drawing(tuple(tasks)).write(tmp_path / "files"), strict=True)
    ]
    settings = EnumerationSettings(max_memory_bytes=8 * 2**30, max_bits=24, more_cpu_seconds=60)
    results = run(plan(Enumeration(settings=settings), specs, dataset_dir=tmp_path / "data"))
    assert [result.data.function for result in results] == [task.name for task in tasks]
    for task, result in zip(tasks, results, strict=True):
        assert result.test.perfect, task
        assert result.facts.bits == task.bits, task


def test_the_bits_of_a_tree_are_those_it_was_sampled_with():
    sampler = ProgramSampler("bits", words(20, LENGTH), 3)
    for _ in range(3000):
        term, bits = sampler.draw()
        assert program_bits(term, LENGTH) == bits, term


def test_every_enumerated_program_is_found_again_by_its_answers(known):
    for bits in range(9, known.complete_bits + 1):
        for place, program in enumerate(known.programs(bits, 0)):
            answers = predictions(to_expression(program), known.inputs)
            assert known.shortest_bits(answers) == bits == program_bits(program, LENGTH)
            assert known.shortest_bits(1 - answers) == bits
            if place == 20:
                break


def test_answers_that_no_short_program_gives_are_not_found(known):
    answers = np.random.RandomState(0).randint(2, size=len(known.inputs))
    assert known.shortest_bits(answers) is None


def test_the_best_agreement_is_that_of_shorter_programs_alone(known):
    inputs = known.inputs
    parity = predictions("x.count('1') % 2", inputs)
    assert known.best_agreement(parity, 11) == known.best_agreement(1 - parity, 11) == 1.0
    assert known.best_agreement(parity, 10) < 0.9
    wrong = parity.copy()
    ones = np.flatnonzero(parity == 1)
    wrong[ones[:8]] = 0
    assert known.best_agreement(wrong, 18) == pytest.approx(
        1 - 8 / (len(inputs) - len(ones) + 8) / 2
    )


def test_all_programs_of_a_length_come_once_and_none_before_its_root_has_a_turn(known):
    programs = list(known.programs(18, 1))
    assert len({to_expression(program) for program in programs}) == len(programs)
    roots = Counter(program.production for program in programs)
    first = Counter(program.production for program in programs[: 4 * len(roots)])
    assert len(first) > len(roots) / 2
    assert {program.negated for program in programs} == {False, True}


def test_beyond_what_is_enumerated_programs_are_sampled(few_programs):
    drawn = draw_tasks(6, (21, 23), 1, LENGTH)
    assert [task.bits for task in drawn.tasks].count(22) == 2
    assert {task.checked_bits for task in drawn.tasks} < set(range(15, 21))
    assert len({task.expression for task in drawn.tasks}) == 6


def test_sampled_programs_have_the_bits_asked_for_and_end(few_programs):
    samples = Samples(words(20, LENGTH), 0)
    programs = list(samples.programs(20))
    assert {program_bits(program, LENGTH) for program in programs} == {20}
    assert 100 < len(programs) < 2000
    assert list(samples.programs(20)) == programs


def test_checked_bits_are_one_less_where_all_programs_are_known(drawing):
    assert all(task.checked_bits == task.bits - 1 for task in drawing.tasks)


def test_lengths_without_enough_tasks_are_told_and_the_others_fill_up():
    drawn = draw_tasks(12, (8, 13), 0, 20)
    assert len(drawn.tasks) == 12
    assert drawn.missing[:2] == (
        "No task of 8 bits exists at length 20.",
        "No task of 9 bits exists at length 20.",
    )
    assert any(sentence.startswith("Only ") for sentence in drawn.missing)


def test_a_range_without_tasks_is_refused_with_one_that_has_some():
    with pytest.raises(InputError, match="No task of 3 bits .*18 to 40 bits") as raised:
        draw_tasks(1, (3, 5), 0)
    assert raised.value.setting == "bits"


def test_a_sample_without_tasks_says_so(few_programs, monkeypatch):
    monkeypatch.setattr(behaviours_module, "MAX_SAMPLED", 10)
    with pytest.raises(InputError, match="No task of 60 bits came up among 10 sampled programs"):
        draw_tasks(1, (60, 60), 0, LENGTH)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"count": 0}, "draw"),
        ({"count": 10_001}, "draw"),
        ({"bits": (0, 5)}, "bits"),
        ({"bits": (9, 5)}, "bits"),
        ({"bits": (9, 65)}, "bits"),
        ({"seed": -1}, "seed"),
        ({"length": 9}, "length"),
        ({"length": 101}, "length"),
    ],
)
def test_what_cannot_be_drawn_is_refused(changes, setting):
    with pytest.raises(InputError) as raised:
        draw_tasks(**({"count": 1, "bits": (13, 14), "seed": 0} | changes))
    assert raised.value.setting == setting


def test_numba_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("llm_erm.enumeration.method.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'llm-erm\[enumeration\]'"):
        draw_tasks(1, (13, 14), 0)


def test_steps_are_told():
    steps = Counter()
    draw_tasks(3, (13, 15), 0, LENGTH, observe=lambda step: steps.update([step]))
    assert steps == {"length": 15, "task": 3}


def test_a_name_says_all_that_tells_tasks_apart(drawing):
    task = replace(drawing.tasks[0], bits=9.0, number=2)
    assert task.name == f"drawn_b09_l{LENGTH}_s7_2"
