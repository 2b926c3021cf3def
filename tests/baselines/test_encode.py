"""Inputs become the arrays of the published baselines, and bits for circuits."""

import numpy as np
import pytest

from llm_erm.baselines.encode import encode, to_bits
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


def test_rows_of_a_table_are_refused():
    with pytest.raises(InputError, match="rows of a table"):
        encode("table", ["a"], 1)


def test_every_number_is_its_binary_digits():
    codes = np.array([[5, 0], [2, 9]], dtype=np.float32)
    assert to_bits(codes, 3).tolist() == [[1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 0]]
