"""A rule's file that was damaged or edited is refused in one sentence."""

import json
from dataclasses import replace
from functools import reduce

import pytest

from llm_erm.errors import InputError
from llm_erm.rulelists.alternatives import Open
from llm_erm.rulelists.rule import Above, Among, AtMost, Line, Missing, RuleList
from llm_erm.rulelists.stored import read_rule, write_rule
from llm_erm.rulelists.ties import Tie
from llm_erm.tables.columns import ColumnSchema
from made_rules import learned


@pytest.fixture
def path(tmp_path):
    lines = Line((Above("age", 1.0),), 1), Line((Among("colour", ("red",)),), 0)
    rule = RuleList(lines, 1, ("no", "yes"))
    columns = [ColumnSchema("age", "number"), ColumnSchema("colour", "category", ("blue", "red"))]
    known = replace(
        learned(rule, columns),
        open=(Open(0, 0, (0.5, 1.5), (Missing("colour"),)),),
        ties=(Tie(rule, (None, None)),),
        wrong=(3,),
    )
    write_rule(tmp_path / "rule.json", known)
    assert read_rule(tmp_path / "rule.json") == known
    return tmp_path / "rule.json"


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        ("check.rows", 0, "1 of 0 rows checked on are wrong"),
        ("check.errors", 21, "21 of 20 rows checked on are wrong"),
        ("check.error_at_most", 1e308, "is no share of the rows"),
        ("learned_rows", 0, "1 of 0 rows learned from are wrong"),
        ("chosen", 1, "size 1 of 1 is chosen"),
        ("chosen", -1, "size -1 of 1 is chosen"),
        ("lines", [], "0 counts are not one for each of 3 lines"),
        ("rule.otherwise", 2, "a rule gives class 2 of 2"),
        ("rule.lines.0.label", -1, "a rule gives class -1 of 2"),
        ("rule.lines.0.least", 2, "a line needs 2 of its 1 conditions"),
        ("rule.lines.0.conditions", [], "a line needs 0 of its 0 conditions"),
        ("rule.lines.1.conditions.0.levels", [], "a condition on colour names no values"),
        ("ties.0.rule.classes", ["no"], "a rule has other classes than the data"),
        ("ties.0.rule.lines.0.conditions.0.column", "size", "size > 1 is about no such column"),
        ("schema.columns.0.kind", "category", "age > 1 is about no such column"),
        ("open.0.others.0.column", "size", "size is missing is about no such column"),
        ("open.0.line", -1, "condition 0 of line -1 is left open, but is not there"),
        ("open.0.place", 1, "condition 1 of line 0 is left open, but is not there"),
    ],
)
def test_a_rule_whose_parts_do_not_fit_is_refused(path, place, value, fault):
    whole = json.loads(path.read_text())
    *before, last = (int(name) if name.isdigit() else name for name in place.split("."))
    reduce(lambda part, name: part[name], before, whole["learned"])[last] = value
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=fault) as refused:
        read_rule(path)
    assert "rule.json holds no rule that llm-erm fit wrote: " in str(refused.value)


def without_times(value):
    """JSON as it was written before conditions had times."""
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if name != "times"}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def test_a_file_without_times_is_read_with_those_of_its_columns(tmp_path):
    conditions = AtMost("when", 19733.0, True, True), Above("day", 19733.0, True)
    rule = RuleList((Line((*conditions, Above("age", 3.0)), 1),), 0, ("no", "yes"))
    columns = [
        ColumnSchema("age", "number"),
        ColumnSchema("when", "number", dates=True),
        ColumnSchema("day", "number", integral=True, dates=True),
    ]
    known = replace(
        learned(rule, columns),
        open=(Open(0, 2, (2.0, 4.0), conditions),),
        ties=(Tie(rule, (None, None, None)),),
    )
    path = tmp_path / "rule.json"
    write_rule(path, known)
    old = json.dumps(without_times(json.loads(path.read_text())))
    assert "times" not in old
    path.write_text(old)
    assert read_rule(path) == known
    printed = "IF when ≤ 2024-01-11 00:00 AND day > 2024-01-11 AND age > 3 → yes\nELSE → no"
    assert str(read_rule(path).rule) == printed
