"""Warnings about data are sentences: they begin with a capital letter and end with a full stop."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_erm.tasks import checks
from llm_erm.tasks.files import DATA_FILES
from llm_erm.tasks.meta import Meta
from llm_erm.tasks.spec import DataSpec
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import Dataset

SPEC = DataSpec(function="fn_a", length=8, train_size=4, val_size=4, test_size=4)
PLACE = Path("datasets")
ONES = Dataset(("00000001", "00000001"), (1, 1))
META = Meta("fn_a", "parity_all", 8, False, 1, 1, (4, 4, 4), files_sha256=("1", "2", "3"))
WARNINGS = {
    "shared": checks.shared_warnings(2, PLACE),
    "repeats": checks.repeat_warnings(SPEC, [ONES, ONES], PLACE, distinct_tests=3),
    "changed": checks.foreign_warnings(META, ("1", "2", "4"), PLACE),
    "foreign": checks.foreign_warnings(None, ("1", "2", "3"), PLACE),
    "not counted": checks.discarded_warnings(SPEC, None, PLACE),
    "discarded": checks.discarded_warnings(SPEC, (1, 0), PLACE),
    "discarded tests": checks.discarded_warnings(SPEC, (0, 1), PLACE),
    "published": checks.published_warnings(replace(SPEC, published="erm"), 2, PLACE),
    "labels": checks.label_warnings(get("fn_a"), [Dataset(("00000001",), (0,))], PLACE),
}


@pytest.mark.parametrize("kind", WARNINGS)
def test_a_warning_is_a_sentence(kind):
    assert WARNINGS[kind]
    for warning in WARNINGS[kind]:
        assert not warning[0].islower() or warning.startswith(DATA_FILES)
        assert warning.endswith(".")


def test_a_warning_of_a_changed_task_file_is_a_sentence(monkeypatch):
    monkeypatch.setattr(checks, "task_file_digest", lambda task: "new")
    task = replace(get("fn_a"), source="own.py")
    (warning,) = checks.source_warnings(task, replace(META, task_file_sha256="old"), PLACE)
    assert warning.startswith("own.py has changed since")
    assert warning.endswith(".")
