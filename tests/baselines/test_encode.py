"""Inputs become the arrays of the published baselines, and bits for circuits."""

import numpy as np
import pytest

from llm_erm.baselines.encode import encode, encoder, to_bits
from llm_erm.errors import InputError


def test_digits_and_graph_letters_have_the_published_numbers():
    assert encode("binary", ["0110", "1111"], 4).tolist() == [[0, 1, 1, 0], [1, 1, 1, 1]]
    assert encode("decimal", ["907"], 3).tolist() == [[9, 0, 7]]
    assert encode("graph", ["u07v12"], 6).tolist() == [[10, 0, 7, 11, 1, 2]]


def test_text_of_any_length_has_one_column_a_character():
    assert encode("text", ["ab", "", "abcd"], 3).tolist() == [
        [97, 98, 0],
        [0, 0, 0],
        [97, 98, 99],
    ]


def test_columns_of_a_row_are_numbers_or_one_category_each():
    encode_rows = encoder("row", ["x0:1.50,x1:c02,x2:c1", "x0:-3.00,x1:c10,x2:c1"])

    assert encode_rows(["x0:-0.25,x1:c10,x2:c1", "x0:4.00,x1:c07,x2:c0"]).tolist() == [
        [-0.25, 0, 1, 1],
        [4, 0, 0, 0],  # categories that no training input has
    ]


def test_texts_are_cut_to_the_longest_training_text():
    assert encoder("text", ["a", "abc"])(["abcd", "a"]).tolist() == [[97, 98, 99], [97, 0, 0]]


def test_rows_of_a_table_are_refused():
    with pytest.raises(InputError, match="rows of a table"):
        encode("table", ["a"], 1)


def test_every_number_is_its_binary_digits():
    codes = np.array([[5, 0], [2, 9]], dtype=np.float32)
    assert to_bits(codes, 3).tolist() == [[1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0]]
