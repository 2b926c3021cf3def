"""The rule and all that is known of it are the same wherever the searches run."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from llm_erm.records import Cost
from llm_erm.rulelists.evidence import Proposed
from llm_erm.rulelists.learn import learn
from llm_erm.rulelists.proposals import Proposals
from llm_erm.rulelists.rule import Above, Line, RuleList
from llm_erm.rulelists.settings import ErrorCost, TableSettings
from llm_erm.runs.executors import Processes
from llm_erm.serial import to_json
from llm_erm.tables.columns import Labelled
from llm_erm.tables.reading import load

ROWS = 150


def visits(classes: int, **roles: str) -> Labelled:
    """Rows with numbers, gaps, categories, patients and days; some labels are wrong."""
    random = np.random.default_rng(7)
    columns: dict[str, Any] = {
        "age": random.integers(18, 90, ROWS).tolist(),
        "bmi": random.normal(26, 4, ROWS).round(1).tolist(),
        "ward": random.choice(["east", "north", "west"], ROWS).tolist(),
        "patient": [f"p{number}" for number in random.integers(0, 30, ROWS)],
        "day": [f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(ROWS)],
    }
    for row in random.integers(0, ROWS, 15):
        columns["bmi"][row] = None
    ill = np.array(columns["age"]) > 60
    ill &= np.array(columns["ward"]) != "west"
    label = (ill + (np.array(columns["age"]) > 75)) % classes
    label = np.where(random.random(ROWS) < 0.1, random.integers(0, classes, ROWS), label)
    columns["state"] = [f"s{number}" for number in label]
    return load(columns, "state", ignore=tuple({"patient", "day"} - set(roles.values())), **roles)


def proposals(parts: int) -> Proposals:
    """Other rules for each part."""
    rules = [
        RuleList((Line((Above("age", 40.5 + 5 * part),), 1),), 0, ("s0", "s1"))
        for part in range(parts)
    ]
    record = Proposed("a model", parts, parts, parts, (), Cost())
    return Proposals(tuple((rule,) for rule in rules), record)


QUICK = TableSettings(max_conditions=3, looks=10**5)


@pytest.mark.parametrize(
    ("data", "settings", "proposed"),
    [
        (visits(2), QUICK, None),
        (visits(3), QUICK, None),
        (visits(2, groups="patient"), replace(QUICK, checked=0.2), None),
        (visits(2, time="day"), QUICK, None),
        (visits(2), replace(QUICK, keep_checked=True), None),
        (visits(2), replace(QUICK, costs=(ErrorCost("s1", "s0", 5),)), proposals(4)),
        (replace(visits(2), asked=np.arange(ROWS) % 10 == 0), QUICK, None),
        (visits(2), replace(QUICK, max_conditions=0), None),
    ],
    ids=["two", "three", "groups", "time", "kept", "proposals", "asked", "majority"],
)
def test_processes_find_what_this_one_finds(data, settings, proposed, monkeypatch):
    here = learn(data, settings, proposed)
    monkeypatch.setattr("llm_erm.rulelists.parts.pool_of", None)  # so this one cannot search
    there = learn(data, settings, proposed, Processes(2, threads=1))
    assert there == here
    assert to_json(there) == to_json(here)
