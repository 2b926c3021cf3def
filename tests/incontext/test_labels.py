"""Labels are read as the published code reads them, from whatever surrounds them."""

import time

import pytest

from llm_erm.incontext.labels import label_of


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('{"label": "1"}', 1),
        ('{"label": "0"}', 0),
        ('{\n  "label": "1"\n}', 1),
        ('{"label": 1}', 1),
        ('{"label": " 0 "}', 0),
        ('{"why": {"ones": 3}, "label": "1"}', 1),
        ('The answer is {"label": "1"}, since the rule is parity.', 1),
        ('```json\n{"label": "0"}\n```', 0),
        ('{"label": "0"} No, wait: {"label": "1"}', 1),
        ('<think>{"label": "0"}?</think>{"label": "1"}', 1),
        ('{"label": "1"} {"reason": "parity"}', 1),
        ('{"answer": {"label": "1"}}', 1),
        ("1", 1),
        (" 0\n", 0),
        ('"1"', 1),
        ("'0'", 0),
        ("`1`", 1),
        ('{"label": "1"} {"label": "2"}', None),
        ('{"label": "odd"}', None),
        ('{"label": true}', None),
        ('{"label": null}', None),
        ('{"label": ["1"]}', None),
        ('{"label": "0" | "1"}', None),
        ('{"label": "1"', None),
        ("The label is 1", None),
        ("01", None),
        ("2", None),
        ("", None),
    ],
)
def test_a_label_is_read_or_counted_as_not_stated(text, label):
    assert label_of(text) == label


def test_an_answer_of_braces_takes_no_time():
    started = time.process_time()
    assert label_of("{" * 200_000) is None
    assert label_of('{"a":' * 200_000) is None
    assert time.process_time() - started < 20
