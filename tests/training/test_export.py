"""The published files of trainings: whole at every moment, and nobody else's."""

import json
import math
from dataclasses import asdict, replace
from random import Random
from unittest.mock import patch

import pytest

from legible import assert_legible
from llm_erm.errors import InputError
from llm_erm.facts import CurvePoint, TrainingFacts
from llm_erm.records import Result, Verdict
from llm_erm.runs.events import Event, Finished
from llm_erm.runs.jobs import Work
from llm_erm.styles import make_legible, style
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.suite import SUITE
from llm_erm.tasks.task import DataKey
from llm_erm.training import export, plots
from llm_erm.training.events import Evaluated, Prepared
from llm_erm.training.export import Artifacts, check_place, clear
from llm_erm.training.method import Training, TrainingJob
from llm_erm.training.plots import (
    accuracy_by_length,
    accuracy_by_size,
    plot_curve,
    plot_lengths,
    plot_sizes,
)
from llm_erm.training.settings import TrainingSettings

PREPARED = Prepared("Model()", 1000, 2000, "cpu", compiled=False, mixed=False, graph=True)
POINTS = (
    CurvePoint(0, 0, 0.7, 0.5, 0.75, 0.25, 0.1),
    CurvePoint(2, 4, None, 1.0, None, 0.5, 0.2),
)


def result(size: int = 20, test: int = 30) -> Result:
    facts = TrainingFacts(
        *(size, None, None, 2, 4, 40, 2000, 1000, 13, 3, "cpu"), POINTS, accuracy_at_length={8: 0.5}
    )
    verdict = Verdict("ok", test, 0, 40)
    key = DataKey("fn_a", 12, 42)
    return Result(
        method="training", model="m", data=key, examples=size, test=verdict, seconds=1, facts=facts
    )


def write(folder, *events: Event) -> None:
    with Artifacts(folder, "fn_a-L12-n20", {"seed": 1}) as artifacts:
        for event in events:
            artifacts(event)


def test_files_are_as_published(tmp_path):
    write(tmp_path, PREPARED, *map(Evaluated, POINTS), Finished(result()))
    assert (tmp_path / "config.json").read_text() == '{\n    "seed": 1\n}\n'
    lines = [line.split(" - ", 1)[1] for line in (tmp_path / "logs.log").read_text().splitlines()]
    assert lines == [
        f"llm_erm.training - INFO - {text}"
        for text in (
            "Model: Model()",
            "Trained parameters: 1,000 of 2,000",
            "Device: cpu; Plan(compiled=False, mixed=False, graph=True)",
            "Epoch 0000 | Train Acc: 0.5000 | Test Acc: 0.2500",
            "Epoch 0002 | Train Acc: 1.0000 | Test Acc: 0.5000",
        )
    ]
    lists = {}
    exec((tmp_path / "metrics.py").read_text(), lists)  # what the published plots do with it
    assert list(lists)[-4:] == [
        *("test_accuracies", "test_losses", "train_accuracies", "train_losses")
    ]
    assert lists["train_accuracies"] == [0.5, 1.0]
    assert lists["test_losses"][0] == 0.75
    assert math.isnan(lists["test_losses"][1])

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    points = [
        json.loads(line, parse_constant=refuse)
        for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert points == [asdict(point) for point in POINTS]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_run_keeps_the_curve_up_to_its_checkpoint(tmp_path):
    write(tmp_path, PREPARED, *map(Evaluated, POINTS))
    resumed = Prepared("m", 1, 2, "cpu", False, False, False, epoch=1, curve=POINTS[:1])
    write(tmp_path, resumed)
    write(tmp_path, resumed, Evaluated(POINTS[1]))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [0, 2]
    assert (tmp_path / "logs.log").read_text().count("Resumed after epoch 1") == 2


def test_what_is_missing_is_made_of_the_result(tmp_path):
    """As training wrote it, but for the log, which says so."""
    write(tmp_path / "whole", PREPARED, *map(Evaluated, POINTS), Finished(result()))
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    for lost in ("curves.png", "metrics.jsonl", "metrics.py", "config.json", "logs.log"):
        (tmp_path / "whole" / lost).unlink()
        with Artifacts(tmp_path / "whole", "fn_a-L12-n20", {"seed": 1}) as artifacts:
            artifacts.restore(result())
        found = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
        log = found.pop("logs.log").decode()
        assert log.splitlines()[-1].endswith("The files were written anew from the result")
        assert found == {name: data for name, data in whole.items() if name != "logs.log"}
    with Artifacts(tmp_path / "whole", "fn_a-L12-n20", {"seed": 1}) as artifacts:
        artifacts.restore(result())
    assert (tmp_path / "whole" / "logs.log").read_text() == log  # nothing was missing


def test_clearing_deletes_what_a_training_left_and_nothing_else(tmp_path):
    write(tmp_path, PREPARED, Finished(result()))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "head.safetensors").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"curves.png", "notes.txt"}
    (tmp_path / "model").mkdir()  # somebody else's
    clear(tmp_path)
    assert (tmp_path / "model").exists()


def test_a_folder_that_holds_no_run_is_refused(tmp_path):
    """A model's folder has a config.json, too."""
    check_place(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(InputError, match="config.json but no logs.log, so it is not a run"):
        check_place(tmp_path)
    write(tmp_path, PREPARED)
    check_place(tmp_path)


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="Cannot write to .*file"):
        write(tmp_path / "file", PREPARED)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_that_share_a_chart_are_what_matplotlib_draws_from_scratch(tmp_path, count):
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    random = Random(count)
    for title in ("parity_all: odd\nlength 12, m", "y", "parity_all: odd\nlength 12, m"):
        curve = [
            CurvePoint(3 * i, i, 0.7, random.random(), 0.7, i % 2 * 1.0, 0.1) for i in range(count)
        ]
        plot_curve(curve, title, tmp_path / "curve.png")
        axes = (figure := Figure(figsize=(3.4, 2.72 + 0.16), layout="constrained")).subplots()
        epochs = [point.epoch for point in curve]
        train = style(0) | {"markersize": 7, "markerfacecolor": "none"}
        axes.plot(epochs, [point.train_accuracy for point in curve], label="train", **train)
        axes.plot(epochs, [point.test_accuracy for point in curve], label="test", **style(1))
        axes.axhline(0.5, color="gray", linestyle=":", linewidth=1, label="chance")
        axes.set(xlabel="epochs", ylabel="accuracy", ylim=(-0.03, 1.03), title=title)
        make_legible(axes)
        figure.legend(loc="outside lower center", ncols=4, fontsize=7, frameon=False)
        figure.savefig(tmp_path / "plain.png", dpi=200)
        assert (imread(tmp_path / "curve.png") == imread(tmp_path / "plain.png")).all()


STRANGE = {"font.size": 20, "axes.facecolor": "black", "lines.linewidth": 9, "text.usetex": True}


def test_a_curve_does_not_depend_on_what_the_user_has_set_for_pictures(tmp_path):
    import matplotlib

    plot_curve(POINTS, "usual\nlength 12", tmp_path / "usual.png")
    plots._chart.cache_clear()
    with matplotlib.rc_context(STRANGE):
        plot_curve(POINTS, "usual\nlength 12", tmp_path / "strange.png")
        assert matplotlib.rcParams["font.size"] == 20
    usual, strange = ((tmp_path / f"{name}.png").read_bytes() for name in ("usual", "strange"))
    assert usual == strange


LONG = "own: " + "a rule that is told in very many words, " * 4 + "w" * 60


@pytest.mark.parametrize("title", ["parity_all (fn_a): odd\nlength 12, m", f"{LONG}\n$m$ {LONG}"])
def test_no_text_of_a_picture_covers_another_one(title):
    for epochs in ((0, 2), tuple(range(0, 100_000, 9_999))):
        plots._chart.cache_clear()
        assert_legible(plots._chart(epochs, title).canvas.figure)
    for sizes in ((10, 20, 50, 100, 200, 1000), (9, 10, 20, 1_000_000)):
        named = [replace(result(size), model=title) for size in sizes]
        assert_legible(accuracy_by_size(named))
        assert_legible(accuracy_by_length(named))


def test_sizes_and_lengths_are_drawn(tmp_path):
    results = [result(20, 30), result(10, 20)]
    plot_sizes(results, tmp_path / "sizes.png")
    plot_lengths(results, tmp_path / "lengths.png")
    plot_sizes(results[:1], tmp_path / "one.png")
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in ("sizes", "lengths", "one")]
    assert len(set(pictures)) == 3
    with pytest.raises(InputError, match="Cannot write"):
        plot_sizes(results, tmp_path / "missing" / "sizes.png")


def test_pictures_say_what_the_task_is_and_name_every_line():
    (axes,) = (figure := accuracy_by_size([result(10, 20), result(20, 40)])).axes
    assert axes.get_title() == "parity_all (fn_a): the number of ones is odd\nm"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["parity_all, length 12", "chance"]
    low, high = axes.get_ylim()
    assert low < 0 <= 1 < high  # the markers at both ends are whole
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "20"]


def test_pictures_show_the_mean_over_trials():
    def trial(number: int, right: int, elsewhere: float) -> Result:
        one = result(10)
        facts = replace(one.facts, accuracy_at_length={30: elsewhere})
        data, test = replace(one.data, trial=number), Verdict("ok", right, 0, 40)
        return replace(one, data=data, test=test, facts=facts)

    trials = [trial(1, 20, 0.5), trial(2, 40, 0.75)]
    for drawn, at in ((accuracy_by_size, [10]), (accuracy_by_length, [12, 30])):
        line, _ = drawn(trials).axes[0].lines
        assert list(line.get_xdata()) == at
        assert list(line.get_ydata()) == [0.75, 0.625][: len(at)]


def test_pictures_of_an_own_task_give_its_rule():
    mine = replace(result(), data=DataKey("mine", 12, 42))
    task = replace(SUITE["fn_a"], id="mine", computes="ones prevail")
    for drawn in (accuracy_by_size, accuracy_by_length):
        assert drawn([mine]).axes[0].get_title() == "mine (own task)\nm"
        assert drawn([mine], task).axes[0].get_title() == "mine: ones prevail\nm"


def test_lines_are_told_apart_also_where_they_are_equal():
    results = [result(size) for size in range(10, 250, 20)]
    (axes,) = accuracy_by_length(results).axes
    lines = [line for line in axes.lines if line.get_marker() != "None"]
    assert len(lines) == 12
    assert len({line.get_color() for line in lines}) == 12
    assert len({line.get_marker() for line in lines}) == 12
    sizes = [line.get_markersize() for line in lines]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 12


def test_a_curve_is_titled_with_the_rule_of_its_task(parity, tmp_path):
    spec = DataSpec(function="fn_a", length=12, train_size=10, val_size=10)
    method = Training(settings=TrainingSettings())
    work = Work(TrainingJob(spec), parity, folder=tmp_path)
    with method.artifacts(work) as artifacts, patch.object(export, "plot_curve") as drawn:
        artifacts(PREPARED)
        artifacts(Finished(result()))
    title = drawn.call_args.args[1]
    assert title == "parity_all (fn_a): the number of ones is odd\nlength 12, 20 examples, m"
