"""The fast ways to run give what the plain way gives."""

import io
import shutil
from dataclasses import replace

import pytest
import torch

from llm_erm.training.architectures import from_scratch
from llm_erm.training.encoding import Encoded
from llm_erm.training.engine import Speedups, TrainingEngine, speedups_for
from llm_erm.training.settings import TrainingSettings

# torch's compiler looks into deprecated and odd places of torch itself while it traces.
pytestmark = pytest.mark.filterwarnings("ignore")

SETTINGS = TrainingSettings(n_layer=4, n_head=2, n_embd=32, lr=1e-3, eval_batch_size=30)
CPU = torch.device("cpu")


def engine(
    chosen: Speedups, device: torch.device, settings: TrainingSettings = SETTINGS
) -> TrainingEngine:
    torch.manual_seed(0)
    return TrainingEngine(from_scratch(settings, 3, 11).to(device), settings, device, chosen)


def batch(device: torch.device, rows: int = 20, seed: int = 0) -> Encoded:
    random = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 2, (rows, 11), generator=random)
    parts = tokens, torch.full((rows,), 10), (tokens.sum(1) % 2).float()
    return Encoded(*(part.to(device) for part in parts))


def agree(fast: TrainingEngine, device: torch.device) -> None:
    """Trains both ways, a smaller last batch included, and evaluates."""
    plain = engine(Speedups(compiled=False, mixed=False, graph=False), device)
    for step, rows in enumerate((20, 20, 20, 20, 20, 20, 7, 20, 20)):
        data = batch(device, rows, step)
        losses = [float(e.step(data, 1e-3 / (step + 1))) for e in (plain, fast)]
        assert losses[1] == pytest.approx(losses[0], abs=0.02)
    assert float(fast.correct) == pytest.approx(float(plain.correct), abs=5)
    data = batch(device, 100, 99)
    torch.testing.assert_close(fast.predict(data), plain.predict(data), atol=0.05, rtol=0)
    torch.testing.assert_close(fast.predict(data, once=True), fast.predict(data), atol=0.05, rtol=0)


def test_the_fast_ways_are_for_where_they_work():
    model = from_scratch(SETTINGS, 3, 11)
    bloom = from_scratch(TrainingSettings(model="bloom", n_layer=1), 3, 11)
    gpu = torch.device("cuda")
    everything = Speedups(compiled=True, mixed=True, graph=True)
    assert speedups_for(SETTINGS, model, gpu, 1) == everything
    assert speedups_for(SETTINGS, model, CPU, 1) == Speedups(
        compiled=False, mixed=False, graph=False
    )
    assert not speedups_for(SETTINGS, bloom, gpu, 1).graph
    assert not speedups_for(SETTINGS, model, gpu, 2).graph
    for changes in ({"precision": "fp16"}, {"precision": "fp32"}, {"lora_rank": 2}):
        chosen = speedups_for(TrainingSettings(**changes), model, gpu, 1)
        assert chosen == Speedups(compiled=True, mixed=False, graph=False)
    assert not speedups_for(TrainingSettings(engine="eager"), model, gpu, 1).compiled


def test_the_graph_is_for_whole_batches_whenever_a_smaller_one_comes(monkeypatch):
    recorded = engine(Speedups(compiled=False, mixed=False, graph=True), CPU)
    rows = []
    monkeypatch.setattr(recorded, "_graphed", lambda batch: rows.append(len(batch)))
    for count in (20, 20, 20, 7, 20, 20, 20, 7):  # the fourth is the one that is recorded
        recorded.step(batch(CPU, count), 1e-3)
    assert rows == [20] * 6


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++, not found here")
def test_one_layer_is_compiled_and_serves_all():
    compiled = engine(Speedups(compiled=True, mixed=True, graph=False), CPU)
    torch._dynamo.utils.counters.clear()
    compiled.step(batch(CPU), 1e-3)
    assert torch._dynamo.utils.counters["frames"]["ok"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    agree(engine(Speedups(compiled=True, mixed=True, graph=False), CPU), CPU)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("graph", [False, True])
def test_compiled_steps_and_recorded_ones_train_as_plain_ones(graph):
    gpu = torch.device("cuda")
    agree(engine(Speedups(compiled=True, mixed=True, graph=graph), gpu), gpu)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
@pytest.mark.parametrize("optimizer", ["adamw", "coordinate-sgd"])
def test_a_checkpoint_goes_on_on_a_gpu(optimizer):
    """Through the memory of the CPU, and with torch seeded between recorded steps."""
    gpu = torch.device("cuda")
    fast = optimizer == "adamw"
    chosen = Speedups(compiled=fast, mixed=fast, graph=fast)
    settings = replace(SETTINGS, optimizer=optimizer, online=True)
    first = engine(chosen, gpu, settings)
    for step in range(6):
        torch.manual_seed(step)
        first.step(batch(gpu, seed=step), 1e-3)
    kept = io.BytesIO()
    torch.save(first.state(), kept)
    kept.seek(0)
    second = engine(chosen, gpu, settings)
    second.load(torch.load(kept, map_location="cpu", weights_only=True))
    for step in range(6, 12):
        losses = [float(e.step(batch(gpu, seed=step), 1e-3)) for e in (first, second)]
        assert losses[1] == pytest.approx(losses[0], abs=0.02)
