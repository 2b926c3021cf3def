"""The column to predict, and the columns with other roles."""

import numpy as np
import pytest

from llm_erm.errors import InputError
from llm_erm.tables.reading import load


def table(labels, other="a"):
    return {other: [index % 4 for index in range(len(labels))], "y": labels}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("Churned", "did you mean 'churned'?"),
        ("churn", "did you mean 'churned'?"),
        ("zzz", "its columns are age and churned"),
    ],
)
def test_a_missing_target_is_refused_with_what_there_is(refusal, target, said):
    assert said in refusal("age,churned\n1,no\n2,yes\n", target)


def test_a_file_without_names_is_recognised(refusal):
    message = refusal("5.1,3.5,0\n4.9,3.0,1\n")
    assert "its first line looks like data (5.1, 3.5 and 0), so add a line of names" in message


def test_rows_without_a_label_are_left_out_and_counted(read):
    loaded = read("a,y\n1,no\n2,\n3,NA\n4,yes\n")
    assert loaded.row_numbers.tolist() == [1, 4]
    assert "2 of 4 rows have no label in y (empty or 'NA') and were left out." in loaded.notices


def test_a_target_without_any_label_is_refused(refusal):
    assert "has a value in y; name another column." in refusal("a,y\n1,\n2,NA\n")
    message = refusal("a,t,y\n1,,no\n2,3,\n", time="t")
    assert "No row of" in message
    assert "has a value in both y and t; name another column." in message


def test_one_class_is_refused():
    with pytest.raises(
        InputError, match=r"'y' is 'no' in every row \(8 rows\); add rows of another"
    ):
        load(table(["no"] * 8), "y")


def test_a_class_with_three_rows_is_kept_and_said():
    loaded = load(table(["no"] * 8 + ["yes"] * 9 + ["maybe"] * 3), "y")
    assert loaded.schema.classes == ("maybe", "no", "yes")
    assert any(
        "fewer than 5 rows" in notice and "maybe (3 rows)" in notice for notice in loaded.notices
    )
    assert not load(table(["no"] * 8 + ["yes"] * 9), "y").notices


def test_labels_that_look_like_numbers_stay_as_written_in_the_order_of_numbers():
    loaded = load(table(["10", "9", "1.0", "1", " 9 "] * 3), "y")
    assert loaded.schema.classes == ("1", "1.0", "9", "10")
    assert "'1' and '1.0' are different classes, since they are written differently." in (
        loaded.notices
    )


def test_labels_that_differ_in_case_are_said():
    said = load(table(["Yes", "no", "yes"] * 5), "y").notices
    assert "'Yes' and 'yes' are different classes, since they are written differently." in said


def test_a_number_to_predict_is_refused_and_twenty_classes_are_not():
    labels = [str(index % 21) for index in range(100)]
    with pytest.raises(InputError, match="is a number to predict .*, but rules predict classes"):
        load(table(labels), "y")
    assert len(load(table([str(index % 20) for index in range(100)]), "y").schema.classes) == 20
    assert len(load(table([f"c{index % 21}" for index in range(100)]), "y").schema.classes) == 21


@pytest.mark.parametrize("labels", [[f"name {i}" for i in range(30)], [i / 7 for i in range(15)]])
def test_a_target_that_differs_in_every_row_is_refused(labels):
    with pytest.raises(InputError, match="name a column whose values repeat|number to predict"):
        load(table(labels), "y")


def test_a_number_with_decimal_commas_is_a_number_to_predict():
    with pytest.raises(InputError, match="is a number to predict"):
        load(table([f"{index % 40},5" for index in range(200)]), "y")


def test_groups_and_times_are_no_columns_to_learn_from():
    data = table(["no", "yes"] * 3)
    data |= {"g": ["p", "q", "p", None, None, "q"], "t": ["2024-01-01"] * 5 + ["2024-01-03"]}
    loaded = load(data, "y", groups="g", time="t")
    assert [column.name for column in loaded.table.columns] == ["a"]
    assert loaded.groups.tolist() == [0, 1, 0, 2, 3, 1]
    assert loaded.times.tolist() == [19723] * 5 + [19725]
    assert "2 rows without a value in g are each a group of their own." in loaded.notices
    data["g"][3] = "q"
    said = load(data, "y", groups="g").notices
    assert "1 row without a value in g is a group of its own." in said


def test_rows_without_a_time_are_left_out_and_counted():
    data = table(["no", "yes", "no", "yes"]) | {"t": [3, None, 1, 2]}
    loaded = load(data, "y", time="t")
    assert loaded.times.tolist() == [3, 1, 2]
    assert "1 of 4 rows has no time in t (empty) and was left out." in loaded.notices


def test_times_that_are_words_are_refused():
    for times, shown in ((["x", "1", "z", "x"], "'x', 'z'"), (["1", "2024-01-31"] * 2, "'1', '2")):
        with pytest.raises(InputError, match=f"The time column 't' holds {shown}.*; write all"):
            load(table(["no", "yes"] * 2) | {"t": times}, "y", time="t")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": "y"}, "groups names the target"),
        ({"time": "y"}, "time names the target"),
        ({"ignore": ["y"]}, "ignore and target both name 'y'; name it in one of them."),
        ({"columns": ["y"]}, "columns and target both name 'y'"),
        ({"ignore": ["a"], "groups": "a"}, "ignore and groups both name 'a'"),
        ({"ignore": "a"}, "ignore is the text 'a'"),
        ({"ignore": ["b"]}, "There is no column 'b'"),
        ({"columns": ["A"]}, "did you mean 'a'?"),
        ({"categories": ["b"]}, "There is no column 'b'"),
        ({"groups": "b"}, "There is no column 'b'"),
        ({"groups": 0}, "There is no column '0'"),
        ({"ignore": [0, "b"]}, "There is no column '0'"),
        ({"categories": "a"}, "categories is the text 'a'"),
        ({"max_rows": 1}, "max_rows is 1"),
    ],
)
def test_a_name_or_number_that_makes_no_sense_is_refused(options, said):
    with pytest.raises(InputError) as caught:
        load(table(["no", "yes"] * 3), "y", **options)
    assert said in str(caught.value)


def test_labels_index_the_classes():
    loaded = load(table(["q", "p", "q"]), "y")
    assert loaded.labels.dtype == np.int32
    assert loaded.labels.tolist() == [1, 0, 1]
