"""How long training takes is estimated within what a user needs to know."""

import pytest

from llm_erm.tasks.spec import DataSpec
from llm_erm.training import duration
from llm_erm.training.duration import cpu_seconds, weights_of
from llm_erm.training.settings import TrainingSettings

SPEC = DataSpec(function="fn_a", length=49, train_size=100, val_size=100, test_size=1000)


@pytest.mark.parametrize(
    ("settings", "billions"),
    [
        ({}, 1.41),
        ({"model": "qwen0.6B"}, 0.44),
        ({"model": "llama3"}, 0.97),
        ({"num_models": 2}, 2.82),
    ],
)
def test_the_weights_of_the_published_shapes_are_known(settings, billions):
    """Without embeddings, which compute nothing."""
    assert weights_of(TrainingSettings(**settings)) == pytest.approx(billions * 1e9, rel=0.01)


def test_a_pretrained_model_is_not_estimated():
    assert weights_of(TrainingSettings(model="smollm2_finetune")) is None


def test_time_is_operations_by_their_rate(monkeypatch):
    pytest.importorskip("torch", reason="training needs torch")
    monkeypatch.setattr(duration, "_operations_per_second", lambda matrix: 1e9)
    settings = TrainingSettings(device="cpu", n_epochs=10, eval_every=10)
    tokens = 50 * (6 * 10 * 200 + 2 * 3 * 1000)
    expected = weights_of(settings) * tokens / 1e9
    assert cpu_seconds(settings, [SPEC]) == pytest.approx(expected)
    assert cpu_seconds(settings, [SPEC, SPEC]) == pytest.approx(2 * expected)


def test_a_rate_is_measured():
    torch = pytest.importorskip("torch", reason="training needs torch")
    assert duration._operations_per_second(torch.rand(64, 64)) > 1e5
