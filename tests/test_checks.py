"""Wrong types are refused where they are given, with what was given and what is allowed."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import llm_erm
from llm_erm.checks import checking
from llm_erm.incontext.engine import Engine

GRID = llm_erm.DataGrid(functions=["fn_a"], lengths=[20])
ANY = llm_erm.Enumeration()

WRONG = [
    (lambda: llm_erm.Synthesis.of(5), "model is 5; give a text."),
    (lambda: llm_erm.Synthesis.of("local", attempts="many"), "attempts is 'many'; give a whole"),
    (lambda: llm_erm.Synthesis.of("local", attempts=8.0), "attempts is 8.0; give a whole number."),
    (lambda: llm_erm.Synthesis.of("local", early_stop="no"), "give True or False."),
    (
        lambda: llm_erm.Synthesis.of("local", constraint="xml"),
        "local cannot hold answers to the constraint xml; give grammar, block, free-block, s",
    ),
    (
        lambda: llm_erm.SynthesisSettings(5, constraint="xml"),
        "constraint is 'xml'; give 'grammar', 'block', 'free-block', 'schema' or 'none'.",
    ),
    (lambda: llm_erm.Synthesis.of("local", limits=5), "limits is 5; give a value of the type Lim"),
    (lambda: llm_erm.Synthesis.of("local", model_settings=5), "model_settings is 5; give "),
    (
        lambda: llm_erm.Synthesis.of("local", model_settings={"threads": "all"}),
        "threads is 'all'; give a whole number.",
    ),
    (
        lambda: llm_erm.Synthesis.of("local", isolation="docker"),
        "isolation is 'docker'; give 'auto",
    ),
    (
        lambda: llm_erm.Synthesis(llm="local", settings=llm_erm.SynthesisSettings(5)),
        "llm is 'local'; give a model, such as llm_erm.model('local').",
    ),
    (lambda: llm_erm.SynthesisSettings(attempts=None), "attempts is None; give a whole number."),
    (
        lambda: llm_erm.EnumerationSettings(order="fast"),
        "give 'length-first', 'uniform' or 'prior'.",
    ),
    (lambda: llm_erm.EnumerationSettings(max_seconds="30"), "max_seconds is '30'; give a number."),
    (lambda: llm_erm.EnumerationSettings(max_programs=2.5), "give a whole number or None."),
    (lambda: llm_erm.Enumeration(settings=5), "settings is 5; give a value of the type Enumer"),
    (lambda: llm_erm.InContextSettings(temperature="hot"), "temperature is 'hot'; give a number."),
    (lambda: llm_erm.InContext(engine="local"), "engine is 'local'; give a value of the type Eng"),
    (lambda: llm_erm.TrainingSettings(lr="slow"), "lr is 'slow'; give a number."),
    (lambda: llm_erm.TrainingSettings(num_layers_to_finetune="x"), "give a whole number or 'all'."),
    (lambda: llm_erm.TrainingSettings(report_to=["x"]), "report_to holds 'x'; give 'tensorboard'"),
    (lambda: llm_erm.Training(settings={}), "settings is {}; give a value of the type TrainingSet"),
    (lambda: llm_erm.Baselines(learners="knn"), "is the text 'knn'; give a list, such as ['knn']."),
    (lambda: llm_erm.Baselines(learners=[5]), "learners holds 5; give a text."),
    (lambda: llm_erm.DataGrid(functions=["nope"]), "no task 'nope'"),
    (lambda: llm_erm.DataGrid(functions="fn_a"), "is the text 'fn_a'; give a list, such as ['fn_a"),
    (lambda: llm_erm.DataGrid(lengths=20), "lengths is 20; give a list, such as [20]."),
    (lambda: llm_erm.DataGrid(lengths=np.array(20)), "lengths is array(20); give a list."),
    (lambda: llm_erm.DataGrid(lengths=[20, "x"]), "lengths holds 'x'; give a whole number."),
    (lambda: llm_erm.DataGrid(dataset_dir=5), "dataset_dir is 5; give a path."),
    (lambda: llm_erm.DataSpec(function="nope", length=20), "no task 'nope'"),
    (
        lambda: llm_erm.DataSpec(function="fn_a", length="20"),
        "length is '20'; give a whole",
    ),
    (
        lambda: llm_erm.DataSpec(function="fn_a", length=True),
        "length is True; give a whole",
    ),
    (lambda: llm_erm.Limits(memory_bytes="1GB"), "memory_bytes is '1GB'; give a whole number."),
    (lambda: llm_erm.Processes("two"), "count is 'two'; give a whole number."),
    (lambda: llm_erm.run(5), "method is 5; give a method with its settings, such as Synthesis("),
    (lambda: llm_erm.run(llm_erm.Enumeration, GRID), "give a method with its settings"),
    (lambda: llm_erm.run(ANY, "fn_a"), "data is 'fn_a'; give a grid, such as DataGrid("),
    (lambda: llm_erm.run(ANY, [5]), "data is [5]; give a grid, such as DataGrid("),
    (lambda: llm_erm.run(ANY, GRID, 5), "folder is 5; give a path, a text or None."),
    (lambda: llm_erm.run(ANY, GRID, executor=2), "executor is 2; give a value of the type Execut"),
    (lambda: llm_erm.run(ANY, GRID, observers=print), "give a list."),
    (lambda: llm_erm.run(ANY, GRID, observers=[5]), "observers holds 5; give a value of the type"),
    (lambda: llm_erm.run(ANY, GRID, fresh="yes"), "fresh is 'yes'; give True or False."),
    (lambda: llm_erm.frame("x"), "results is the text 'x'; give a list."),
    (lambda: llm_erm.frame([5]), "results holds 5; give a value of the type Result."),
    (lambda: llm_erm.frame(5), "results is 5; give a list."),
    (lambda: llm_erm.compare("x"), "results is the text 'x'; give a list."),
    (lambda: llm_erm.read_results(5), "run is 5; give a path."),
    (lambda: llm_erm.model(5), "name is 5; give a text, such as 'local'."),
    (lambda: llm_erm.model("openai:x", api_key="k", timeout_seconds="1"), "give a number."),
    (lambda: llm_erm.load("fn_a"), "spec is 'fn_a'; give a value of the type DataSpec."),
]


@pytest.mark.parametrize(("call", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_type_is_refused_when_it_is_given(call, said):
    with pytest.raises(llm_erm.InputError) as refused:
        call()
    assert said in str(refused.value)


SETTINGS = (
    *(llm_erm.DataGrid, llm_erm.DataSpec, llm_erm.EnumerationSettings, llm_erm.InContextSettings),
    *(llm_erm.SynthesisSettings, llm_erm.TrainingSettings, llm_erm.Limits, llm_erm.Processes),
    *(llm_erm.Baselines, llm_erm.Enumeration, llm_erm.InContext, llm_erm.Synthesis),
    llm_erm.Training,
)
NEEDED = {"function": "fn_a", "length": 20, "attempts": 5, "count": 2, "learners": ["knn"]}


class Odd:
    """Nothing that a setting holds."""


class Silent(Engine):
    """An engine that never answers."""


OBJECTS = {
    llm_erm.Synthesis: lambda: {
        "llm": llm_erm.model("local"),
        "settings": llm_erm.SynthesisSettings(5),
    },
    llm_erm.Training: lambda: {"settings": llm_erm.TrainingSettings()},
    llm_erm.InContext: lambda: {"engine": Silent()},
}


@pytest.mark.parametrize("kind", SETTINGS, ids=[kind.__name__ for kind in SETTINGS])
def test_no_setting_takes_an_object_of_another_kind(kind):
    needed = {one.name: NEEDED[one.name] for one in fields(kind) if one.name in NEEDED}
    needed |= OBJECTS.get(kind, dict)()
    assert isinstance(kind(**needed), kind)
    for one in fields(kind):
        with pytest.raises(llm_erm.InputError, match=rf"^{one.name} is <.*Odd object.*; give "):
            kind(**needed | {one.name: Odd()})


def test_values_of_other_libraries_and_lists_become_what_the_types_say():
    grid = llm_erm.DataGrid(
        functions=np.array(["fn_a"]), lengths=np.arange(20, 23), dataset_dir="d", seed=np.int64(3)
    )
    assert (grid.functions, grid.lengths, grid.dataset_dir) == (("fn_a",), (20, 21, 22), Path("d"))
    assert [type(one) for one in (*grid.lengths, grid.seed)] == [int] * 4
    settings = llm_erm.EnumerationSettings(max_seconds=np.float32(2.5), max_bits=40)
    assert (settings.max_seconds, settings.max_bits) == (2.5, 40)
    assert [type(settings.max_seconds), type(settings.max_bits)] == [float, int]
    settings = llm_erm.EnumerationSettings(max_seconds=np.float64(2.5))
    assert type(settings.max_seconds) is float
    assert llm_erm.DataGrid(allow_repeats=np.bool_(True)).allow_repeats is True


@pytest.mark.parametrize("of", [iter, set, np.array, lambda one: dict.fromkeys(one).keys()])
def test_functions_take_whatever_holds_several(of):
    spec = llm_erm.DataSpec(function="fn_a", length=20)
    kept = []

    @checking
    def collect(specs: Sequence[llm_erm.DataSpec]) -> None:
        kept.extend((len(specs), *specs))

    collect(of([spec]))
    assert kept == [1, spec]
