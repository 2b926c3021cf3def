"""Models from scratch have the published shapes, or any other."""

import pytest
import torch

from llm_erm.errors import InputError
from llm_erm.training.architectures import from_scratch, name_of
from llm_erm.training.settings import TrainingSettings

FAMILIES = ("qwen1.7B", "qwen0.6B", "llama3", "deepseek", "bloom")


def weights(settings: TrainingSettings, vocabulary: int = 3) -> int:
    with torch.device("meta"):
        model = from_scratch(settings, vocabulary, 52)
    return sum(p.numel() for p in model.backbones.parameters())


@pytest.mark.parametrize(
    ("model", "layers", "layer", "width"),
    [
        # Sizes of the published checkpoints: width, inner, heads, key heads, head size.
        ("qwen1.7B", 28, 2 * 2048 * (2048 + 1024) + 3 * 2048 * 6144 + 2 * 2048 + 2 * 128, 2048),
        ("qwen0.6B", 28, 2 * 1024 * (2048 + 1024) + 3 * 1024 * 3072 + 2 * 1024 + 2 * 128, 1024),
        ("llama3", 16, 2 * 2048 * (2048 + 512) + 3 * 2048 * 8192 + 2 * 2048, 2048),
        ("deepseek", 24, 4 * 2048 * 2048 + 3 * 2048 * 5504 + 2 * 2048, 2048),
    ],
)
def test_published_shapes(model, layers, layer, width):
    assert weights(TrainingSettings(model=model)) == layers * layer + 3 * width + width


@pytest.mark.parametrize("model", FAMILIES)
def test_every_size_flag_changes_the_model(model):
    small = {"model": model, "n_layer": 2, "n_head": 4, "n_embd": 64}
    base = weights(TrainingSettings(**small))
    assert weights(TrainingSettings(**small | {"n_layer": 3})) > base
    assert weights(TrainingSettings(**small | {"n_embd": 128})) > base
    assert weights(TrainingSettings(**small, num_models=2)) == 2 * base
    assert weights(TrainingSettings(**small), vocabulary=11) == base + 8 * 64
    with torch.device("meta"):
        config = from_scratch(TrainingSettings(**small | {"n_head": 2}), 3, 52).backbones[0].config
    assert config.num_attention_heads == 2


@pytest.mark.parametrize("model", FAMILIES)
def test_the_label_is_read_at_the_last_real_token_whatever_the_padding(model):
    torch.manual_seed(0)
    classifier = from_scratch(
        TrainingSettings(model=model, n_layer=2, n_head=4, n_embd=64), 3, 30
    ).eval()
    tokens = torch.randint(0, 2, (3, 30))
    last = torch.tensor([29, 12, 4])
    with torch.no_grad():
        padded = classifier(tokens, last)
        other_padding = tokens.clone()
        for row, end in zip(other_padding, last.tolist(), strict=True):
            row[end + 1 :] = 2
        alone = [
            classifier(tokens[i : i + 1, : end + 1], torch.tensor([end]))
            for i, end in enumerate(last.tolist())
        ]
        torch.testing.assert_close(classifier(other_padding, last), padded)
        torch.testing.assert_close(torch.cat(alone), padded, atol=1e-6, rtol=1e-4)
        assert not torch.allclose(classifier(tokens, last - 1), padded)


def test_the_states_of_several_models_are_averaged():
    torch.manual_seed(0)
    several = from_scratch(TrainingSettings(n_layer=1, n_head=2, n_embd=32, num_models=2), 3, 12)
    tokens, last = torch.randint(0, 2, (3, 12)), torch.full((3,), 11)
    with torch.no_grad():
        states = [b(input_ids=tokens).last_hidden_state[:, 11] for b in several.backbones]
        assert not torch.allclose(*states)
        expected = several.head((states[0] + states[1]) / 2).squeeze(-1)
        torch.testing.assert_close(several(tokens, last), expected)


@pytest.mark.parametrize("model", ["qwen1.7B", "llama3"])
def test_our_attention_is_the_models_own(model):
    torch.manual_seed(0)
    settings = TrainingSettings(model=model, n_layer=2, n_head=4, n_embd=64)
    classifier = from_scratch(settings, 3, 30).eval()
    tokens, last = torch.randint(0, 2, (3, 30)), torch.full((3,), 29)
    with torch.no_grad():
        ours = classifier(tokens, last)
        classifier.backbones[0].config._attn_implementation = "eager"
        torch.testing.assert_close(classifier(tokens, last), ours, atol=1e-6, rtol=1e-4)


def test_impossible_sizes_are_refused():
    with pytest.raises(InputError, match="There is no model 'gpt2'; choose from qwen"):
        from_scratch(TrainingSettings(model="gpt2"), 3, 30)
    with pytest.raises(InputError, match="a width of 30 .* and 4 heads"):
        from_scratch(TrainingSettings(model="bloom", n_embd=30, n_head=4), 3, 30)


@pytest.mark.parametrize(
    ("settings", "weights", "name"),
    [
        ({}, 1_409_384_448, "qwen1.7B"),
        ({"n_layer": 2, "n_head": 4, "n_embd": 64}, 98_945, "qwen3-99K"),
        ({"model": "llama3", "n_layer": 1}, 12_345_678, "llama-12M"),
        ({"model": "bloom", "num_models": 2}, 1_234, "bloom-1.2K"),
        ({"model": "parities"}, 10, "parities"),
    ],
)
def test_a_model_is_called_by_the_size_that_it_has(settings, weights, name):
    assert name_of(TrainingSettings(**settings), weights) == name
