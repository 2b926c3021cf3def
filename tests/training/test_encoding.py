"""Inputs as tokens: nothing is cut, no token means two things."""

import pytest
import torch

from llm_erm.errors import InputError
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import Dataset
from llm_erm.training.encoding import Characters, Words, encode

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("function", "length", "vocabulary"),
    [("fn_a", 20, 3), ("fn_i", 20, 11), ("fn_aa", 60, 13)],
)
def test_every_character_and_the_first_token_have_tokens_of_their_own(function, length, vocabulary):
    from numpy.random import RandomState

    task = get(function)
    negatives, positives = task.draw(RandomState(0), length, (30, 30))
    inputs = negatives + positives
    encoder = Characters(task.kind)
    tokens = encoder.tokens(inputs)
    assert encoder.vocabulary == vocabulary
    meaning = {}
    for x, words in zip(inputs, tokens, strict=True):
        assert words[0] == encoder.bos
        assert len(words) == length + 1
        for character, word in zip(x, words[1:], strict=True):
            assert meaning.setdefault(word, character) == character
    assert encoder.bos not in meaning
    assert len(set(meaning.values())) == len(meaning) == vocabulary - 1
    assert max(meaning) < encoder.bos < encoder.vocabulary


def test_rows_of_tables_have_a_token_per_character():
    encoder = Characters("row")
    text = "0123456789,:.-xc"
    (tokens,) = encoder.tokens([text])

    assert encoder.vocabulary == len(text) + 1
    assert len(set(tokens)) == len(tokens) == len(text) + 1


@pytest.mark.parametrize(("kind", "bos"), [("binary", 1), ("decimal", 2), ("graph", 11)])
def test_a_first_token_that_means_a_character_is_refused(kind, bos):
    with pytest.raises(InputError, match=rf"BOS_TOKEN is {bos}, but {kind} inputs use"):
        Characters(kind, bos_token=bos)


def test_a_vocabulary_too_small_for_digits_is_refused():
    with pytest.raises(InputError, match="vocab_size is 3, but decimal inputs .* need 11 or more"):
        Characters("decimal", vocab_size=3)


def test_given_sizes_are_taken():
    encoder = Characters("binary", bos_token=5, vocab_size=9)
    assert encoder.vocabulary == 9
    assert encoder.tokens(["01"]) == [[5, 0, 1]]


class Tokenizer:
    """Splits at spaces, pads on the left and cuts at 4 tokens unless told otherwise."""

    padding_side = "left"
    model_max_length = 4

    def __len__(self):
        return 100

    def __call__(self, texts, add_special_tokens, truncation, padding):
        lists = [[7] * add_special_tokens + [10 + int(t) for t in x.split(" ")] for x in texts]
        return {"input_ids": [x[:4] if truncation else x for x in lists]}


def test_tokenised_inputs_are_never_cut():
    data = Dataset(("0101010101", "01"), (0, 1))
    encoded = encode(data, Words(Tokenizer()), CPU)
    assert encoded.tokens[0].tolist() == [7, 10, 11, 10, 11, 10, 11, 10, 11, 10, 11]
    assert encoded.tokens[1, :3].tolist() == [7, 10, 11]  # padded on the right
    assert encoded.last.tolist() == [10, 2]
    with pytest.raises(InputError, match="an input has 11 tokens, and inputs are never truncated"):
        encode(data, Words(Tokenizer()), CPU, context_length=10)


def test_a_first_token_takes_the_place_of_the_tokenizers_own():
    assert Words(Tokenizer(), bos_token=3).tokens(["01"]) == [[3, 10, 11]]
    with pytest.raises(InputError, match="BOS_TOKEN is 100, but the model's vocabulary ends"):
        Words(Tokenizer(), bos_token=100)


def test_the_embedded_models_tokens_cover_the_whole_input(embedded_tokenizer):
    (tokens,) = Words(embedded_tokenizer).tokens(["0110" * 25])
    assert embedded_tokenizer.decode(tokens).replace(" ", "") == "0110" * 25
    assert len(tokens) > 100
