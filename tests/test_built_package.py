"""The check of a built release finds what it is for."""

import pytest

from built_package import archive_faults, wheel_faults

PACKAGE = {"llm_erm/__init__.py", "llm_erm/py.typed", "llm_erm/data.json"}
GOOD = PACKAGE | {"llm_erm-1.dist-info/METADATA", "llm_erm-1.dist-info/licenses/LICENSE"}


@pytest.mark.parametrize(
    ("more", "less", "said"),
    [
        (set(), set(), []),
        ({"tests/test_x.py"}, set(), ["the wheel also holds tests/test_x.py"]),
        (set(), {"llm_erm/data.json"}, ["the wheel lacks llm_erm/data.json"]),
        (set(), {"llm_erm-1.dist-info/licenses/LICENSE"}, ["the wheel has no licence"]),
    ],
)
def test_a_wheel_holds_the_package_alone(more, less, said):
    assert list(wheel_faults(GOOD | more - less if more else GOOD - less, PACKAGE)) == said


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"PKG-INFO", "LICENSE", "src/a.py"}, []),
        ({"PKG-INFO", "src/a.py"}, ["the archive lacks LICENSE"]),
        (
            {"PKG-INFO", "LICENSE", "src/a.py", "src/__pycache__/a.pyc"},
            ["the archive also holds src/__pycache__/a.pyc"],
        ),
    ],
)
def test_an_archive_holds_what_is_tracked(held, said):
    assert list(archive_faults(held, {"LICENSE", "src/a.py", ".github/workflows/x.yml"})) == said
