"""No module of the package imports itself by way of others, when it loads or later."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

PARTS = ("top", "middle", "low")


def cycle(package: str) -> list[str]:
    """The modules of a cycle of imports, at module level or in functions; empty without one.

    Imports that only a type checker reads are none.
    """
    graph = grimp.build_graph(package, cache_dir=None, exclude_type_checking_imports=True)
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A package whose `top` imports `middle`, which imports `low`, which has the given code."""
    name = f"made_up_{request.param[0]}"
    folder = tmp_path / name
    folder.mkdir()
    codes = (f"import {name}.middle", f"from {name} import low", request.param[1].format(name))
    for part, code in zip(PARTS, codes, strict=True):
        (folder / f"{part}.py").write_text(code + "\n")
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_no_import_is_part_of_a_cycle():
    assert cycle("llm_erm") == []


@pytest.mark.parametrize(
    "package",
    [
        ("module", "from {0}.top import x"),
        ("function", "def later():\n    import {0}.top"),
    ],
    indirect=True,
    ids=["module level", "function level"],
)
def test_a_cycle_is_found(package):
    assert set(cycle(package)) == {f"{package}.{part}" for part in PARTS}


@pytest.mark.parametrize(
    "package",
    [
        ("none", "import json"),
        ("types", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import {0}.top"),
    ],
    indirect=True,
    ids=["no cycle", "types only"],
)
def test_what_is_no_cycle_is_not_called_one(package):
    assert cycle(package) == []
