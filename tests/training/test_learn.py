"""Training as a whole, on two cores."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch

from llm_erm.errors import InputError
from llm_erm.mistakes import MOST
from llm_erm.runs.events import Advanced, Event, Noticed, Started
from llm_erm.tasks.stream import stream
from llm_erm.tasks.suite import get
from llm_erm.tasks.task import Dataset, HeldOut
from llm_erm.training import engine as engine_module
from llm_erm.training.build import build
from llm_erm.training.events import Evaluated, Prepared
from llm_erm.training.learn import learn
from llm_erm.training.settings import TrainingSettings
from small_training import SMALL, splits

FIRST_BIT = """
kind = "binary"
lengths = (20,)
def rule(x):
    return int(x[0])
def sample(rng, length):
    return "".join(map(str, rng.randint(2, size=length)))
"""


def curve(result, name: str) -> list:
    return [getattr(point, name) for point in result.facts.curve]


def with_held_out(splits, **parts):
    """The same splits, with other held-out data besides the test examples."""
    return replace(splits, reveal=lambda: HeldOut(splits.reveal().test, **parts))


def fresh_for(task, length: int = 20):
    return partial(stream, task, task.draw, length, 42)


class Stop:
    """Keeps events, and stops the run after an epoch."""

    def __init__(self, after: int | None = None) -> None:
        self.after = after
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Advanced) and event.done == self.after:
            raise KeyboardInterrupt


def test_a_small_model_fits_parity_and_does_not_learn_it_but_learns_an_easy_rule(tmp_path):
    """The same model and settings, so that the failure is the task's."""
    settings = replace(
        SMALL, n_head=4, n_embd=64, batch_size=50, n_epochs=200, eval_every=200, patience=5
    )
    run = learn(splits("fn_a", tmp_path, train=100, test=1000), settings)
    assert run.train.accuracy == 1.0
    assert abs(run.test.accuracy - 0.5) < 0.05
    assert run.mistakes["train"] == ()
    assert len(run.mistakes["test"]) == MOST
    for one in run.mistakes["test"]:
        assert one.label == one.input.count("1") % 2 != one.prediction
    (tmp_path / "first.py").write_text(FIRST_BIT)
    easy = splits("first", tmp_path, train=100, test=1000, task_file=tmp_path / "first.py")
    run = learn(easy, settings)
    assert run.train.accuracy == 1.0
    assert run.test.accuracy == 1.0


def test_the_curve_has_the_start_the_schedule_and_the_final_weights(parity, tmp_path):
    settings = replace(SMALL, n_epochs=5, eval_every=2, save_model=True)
    seen = Stop()
    run = learn(parity, settings, folder=tmp_path / "run", observe=seen)
    assert curve(run, "epoch") == [0, 2, 4, 5]
    assert curve(run, "step") == [0, 2, 4, 5]
    assert [e.point for e in seen.events if isinstance(e, Evaluated)] == list(run.facts.curve)
    assert [e.done for e in seen.events if isinstance(e, Advanced)] == [1, 2, 3, 4, 5]
    assert seen.events[0] == Started(5, 0)
    assert isinstance(seen.events[1], Prepared)
    assert curve(run, "test_accuracy")[-1] == run.test.accuracy
    assert run.seconds == round(curve(run, "seconds")[-1], 3)
    # What was evaluated last is what was saved.
    from safetensors.torch import load_file
    from transformers import AutoModel

    built = build(SMALL, "binary", [parity.train], None)
    kept = AutoModel.from_pretrained(tmp_path / "run" / "model").state_dict()
    built.engine.model.backbones[0].load_state_dict(kept)
    head = load_file(tmp_path / "run" / "model" / "head.safetensors")
    built.engine.model.load_state_dict(head, strict=False)
    test = built.encode(parity.reveal().test)
    right = ((built.engine.predict(test) >= 0) == (test.labels > 0.5)).float().mean()
    assert float(right) == pytest.approx(run.test.accuracy)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        built.engine.predict(test), test.labels
    )
    assert float(loss) == pytest.approx(curve(run, "test_loss")[-1], abs=1e-6)


def test_training_and_validation_examples_are_trained_on(tmp_path):
    both = splits("fn_a", tmp_path, train=10, validation=10)
    result = learn(both, SMALL)
    assert result.facts.train_size == result.examples == result.train.total == 20


def test_held_out_data_are_revealed_once(parity):
    revealed = []

    def reveal():
        revealed.append(parity.reveal())
        return revealed[-1]

    learn(replace(parity, reveal=reveal), replace(SMALL, n_epochs=1))
    assert len(revealed) == 1


def test_the_seed_fixes_the_run_and_another_changes_it(parity):
    runs = [learn(parity, replace(SMALL, seed=seed)) for seed in (1, 1, 2)]
    losses = [curve(run, "test_loss") for run in runs]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_every_epoch_has_every_example_once_in_an_order_of_its_own_at_the_cosines_rate(
    parity, monkeypatch
):
    seen = []
    step = engine_module.TrainingEngine.step

    def record(engine, batch, rate):
        seen.append(([tuple(row) for row in batch.tokens.tolist()], rate))
        return step(engine, batch, rate)

    monkeypatch.setattr(engine_module.TrainingEngine, "step", record)
    settings = replace(SMALL, batch_size=8, lr=1e-3, eta_min=5e-4)
    learn(parity, settings)
    assert [len(rows) for rows, _ in seen] == [8, 8, 4] * 2
    parts = seen[:3], seen[3:]
    first, second = ([row for rows, _ in part for row in rows] for part in parts)
    assert sorted(first) == sorted(second)
    assert len(set(first)) == 20
    assert first != second
    cosine = [5e-4 * (1.5 + 0.5 * math.cos(math.pi * i / 6)) for i in range(6)]
    assert [rate for _, rate in seen] == pytest.approx(cosine)
    seen.clear()
    learn(parity, replace(settings, seed=7))
    assert [row for rows, _ in seen[:3] for row in rows] != first


def test_a_loss_that_is_not_finite_is_none_and_told(parity):
    seen = Stop()
    run = learn(parity, replace(SMALL, lr=1e30), observe=seen)
    assert run.notices[0].startswith("The loss was not finite at epoch"), curve(run, "train_loss")
    assert Noticed(run.notices[0]) in seen.events
    assert curve(run, "test_loss")[-1] is run.facts.test_loss is None
    assert run.test.accuracy == 0.0  # a prediction that is not a number is wrong, and not label 0
    assert run.test.invalid == 40


def test_too_little_memory_of_the_device_is_one_sentence(parity, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(engine_module.TrainingEngine, "step", fail)
    with pytest.raises(InputError, match="with batch_size 20 does not fit .*; choose smaller"):
        learn(parity, SMALL)


def test_one_process_that_reports_trains_on_the_device_asked_for(parity, monkeypatch):
    from types import SimpleNamespace

    from llm_erm.training import build as building

    elsewhere = SimpleNamespace(device=torch.device("meta"), num_processes=1, process_index=0)
    monkeypatch.setattr(building, "_accelerator", lambda *_: elsewhere)
    assert build(SMALL, "binary", [parity.train], None).device == torch.device("cpu")


def test_the_caller_keeps_its_random_state(parity):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    learn(parity, replace(SMALL, n_epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_drawing_data_does_not_change_the_initial_weights(tmp_path):
    """The published code seeds torch while it draws, and not where the data are on disk."""
    drawn = [learn(splits("fn_a", tmp_path), SMALL) for _ in range(2)]  # drawn, then read
    assert curve(drawn[0], "test_loss") == curve(drawn[1], "test_loss")
    other = splits("fn_a", tmp_path / "other", train=30)
    weights = []
    for data in (splits("fn_a", tmp_path), other):
        built = build(SMALL, "binary", [data.train], None)
        weights.append(torch.cat([p.detach().flatten() for p in built.engine.model.parameters()]))
    assert torch.equal(*weights)


def test_patience_stops_once_training_accuracy_has_stayed_at_one(tmp_path):
    settings = replace(SMALL, n_embd=64, lr=3e-3, n_epochs=400, eval_every=400, patience=3)
    run = learn(splits("fn_a", tmp_path), settings)
    assert run.facts.epochs < 400
    assert run.train.accuracy == 1.0
    assert curve(run, "epoch")[-1] == run.facts.epochs


def test_a_stopped_run_goes_on_exactly(parity, tmp_path):
    settings = replace(SMALL, n_epochs=6, eval_every=2, checkpoint_every=3)
    whole = learn(parity, settings)

    with pytest.raises(KeyboardInterrupt):
        learn(parity, settings, folder=tmp_path / "run", observe=Stop(after=5))
    seen = Stop()
    resumed = learn(parity, settings, folder=tmp_path / "run", observe=seen)
    assert [e.done for e in seen.events if isinstance(e, Advanced)] == [4, 5, 6]
    assert seen.events[0] == Started(6, 3)
    assert seen.events[1].epoch == 3
    assert [point.epoch for point in seen.events[1].curve] == [0, 2]
    for name in ("epoch", "train_loss", "test_loss", "test_accuracy"):
        assert curve(resumed, name) == curve(whole, name)


def test_a_stopped_run_remembers_how_long_it_was_perfect(parity, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module.TrainingEngine, "correct_in_all", lambda _: 20.0)
    settings = replace(SMALL, n_epochs=9, patience=4, checkpoint_every=1)
    with pytest.raises(KeyboardInterrupt):
        learn(parity, settings, folder=tmp_path / "run", observe=Stop(after=2))
    assert learn(parity, settings, folder=tmp_path / "run").facts.epochs == 4


@pytest.mark.parametrize("damage", ["bit", "end", "none", "job"])
def test_a_damaged_checkpoint_is_named_and_training_starts_over(parity, tmp_path, damage):
    """One bit of a weight, which torch loads as it is."""
    settings = replace(SMALL, n_epochs=6, eval_every=2, checkpoint_every=3)
    whole = learn(parity, settings)
    with pytest.raises(KeyboardInterrupt):
        learn(parity, settings, folder=tmp_path / "run", observe=Stop(after=4), job="a")
    path = tmp_path / "run" / "checkpoint.pt"
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[len(data) // 2] ^= 1
    path.write_bytes({"end": data[:-5], "none": b"no checkpoint"}.get(damage, data))
    events = []
    job = "b" if damage == "job" else "a"
    result = learn(parity, settings, folder=tmp_path / "run", observe=events.append, job=job)
    said = [event.text for event in events if isinstance(event, Noticed)]
    assert said == [f"{path} is damaged or of another run, so training starts over."]
    assert [event.done for event in events if isinstance(event, Started)] == [0]
    assert [point.train_loss for point in result.facts.curve] == [
        point.train_loss for point in whole.facts.curve
    ]


class TestOnline:
    def test_every_step_has_fresh_examples_none_of_the_test_split(self, parity):
        seen = []
        task = get("fn_a")

        def fresh(without):
            source = fresh_for(task)(without)

            def recorded(step, count):
                batch = source(step, count)
                seen.append(batch)
                return batch

            return recorded

        settings = replace(SMALL, online=True, batch_size=5, n_epochs=3)
        run = learn(parity, settings, fresh=fresh)
        inputs = [x for batch in seen for x in batch.inputs]
        assert len(seen) == run.facts.steps == 12
        assert len(set(inputs)) == len(inputs) == run.facts.samples == 60
        assert not set(inputs) & set(parity.reveal().test.inputs)
        assert not set(inputs) & set(parity.train.inputs)
        for batch in seen:
            assert list(batch.labels) == task.label(batch.inputs)
            assert sum(batch.labels) in (2, 3)

    def test_weights_change(self, parity):
        run = learn(parity, replace(SMALL, online=True), fresh=fresh_for(get("fn_a")))
        assert len(set(curve(run, "test_loss"))) == 3

    def test_a_task_without_other_inputs_is_refused(self):
        task = get("fn_g")
        palindromes = [f"{i:03b}" + f"{i:03b}"[::-1] for i in range(8)]
        with pytest.raises(InputError, match="too few inputs of length 6 that are not in the test"):
            stream(task, task.draw, 6, 0, palindromes)(0, 4)


class TestPrecision:
    @pytest.mark.parametrize(
        ("name", "dtype"),
        [("bf16", torch.bfloat16), ("fp16", torch.float16), ("fp32", torch.float32)],
    )
    def test_matrices_are_multiplied_in_it_and_weights_kept_in_32_bits(self, name, dtype, parity):
        built = build(replace(SMALL, precision=name), "binary", [parity.train], None)
        seen = []
        layer = built.engine.model.backbones[0].layers[0].mlp.down_proj
        layer.register_forward_hook(lambda module, given, result: seen.append(result.dtype))
        data = built.encode(parity.train)
        before = layer.weight.detach().clone()
        built.engine.step(data, 1e-3)
        built.engine.predict(data)
        assert seen == [dtype] * 2
        assert layer.weight.dtype == torch.float32
        assert not torch.equal(layer.weight, before)

    def test_only_fp16_scales_its_loss(self, parity):
        scaled = {}
        for name in ("bf16", "fp16", "fp32"):
            built = build(replace(SMALL, precision=name), "binary", [parity.train], None)
            scaled[name] = built.engine.scaler.is_enabled()
        assert scaled == {"bf16": False, "fp16": True, "fp32": False}

    def test_autocast_follows_the_device(self, monkeypatch, parity):
        devices = []

        class Autocast(torch.autocast):
            def __init__(self, device, **keywords):
                devices.append(device)
                super().__init__(device, **keywords)

        monkeypatch.setattr(engine_module.torch, "autocast", Autocast)
        built = build(replace(SMALL, precision="bf16"), "binary", [parity.train], None)
        built.engine.step(built.encode(parity.train), 1e-3)
        assert devices == ["cpu"]


def test_a_device_that_is_not_here_is_named(parity):
    if torch.cuda.device_count() > 7:
        pytest.skip("this machine has eight GPUs")
    with pytest.raises(InputError, match="The device cuda:7 is not available; choose from"):
        learn(parity, replace(SMALL, device="cuda:7"))
    with pytest.raises(InputError, match="The device gpu is not available"):
        learn(parity, replace(SMALL, device="gpu"))


def test_the_device_is_what_is_there(parity):
    run = learn(parity, replace(SMALL, device=None, n_epochs=1))
    assert run.facts.device.startswith("cuda" if torch.cuda.is_available() else ("cpu", "mps"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; give 1 or more"),
        ({"lr": 1e-6, "eta_min": 1e-5}, "lr is 1e-06 and eta_min is 1e-05"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"optimizer": "coordinate-sgd"}, "also ask for online training"),
        ({"lora_rank": 4}, "lora_rank and num_layers_to_finetune are for pretrained models"),
        ({"model": "parities", "BOS_TOKEN": 5}, "The model parities needs inputs of bits"),
        ({"context_length": 20}, "context_length is 20, but an input has 21 tokens"),
        ({"lr": float("inf")}, "lr is inf"),
        ({"weight_decay": float("inf")}, "weight_decay is inf; give 0 or more"),
        ({"seed": 2**63}, "seed is 9223372036854775808; give a number between"),
        (
            {"gradient_tolerance": 0.1},
            "gradient_tolerance is 0.1, which has no effect without the optimizer coord",
        ),
        ({"degree": 2}, "degree is 2, which has no effect without the model parities"),
        ({"lora_alpha": 8.0}, "lora_alpha is 8.0, which has no effect without lora_rank"),
        ({"model": "parities"}, "n_layer, n_head, n_embd cannot change the model parities"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change, message, parity):
    with pytest.raises(InputError, match=message):
        learn(parity, replace(SMALL, **change))


def test_a_context_for_the_inputs_alone_leaves_others_out(parity):
    longer = with_held_out(parity, length_generalization=Dataset(("0" * 25,), (0,)))
    run = learn(longer, replace(SMALL, n_epochs=1, context_length=21))
    assert run.length_generalization is None
    assert "Inputs of other lengths are left out" in run.notices[0]
    assert learn(longer, replace(SMALL, n_epochs=1)).length_generalization.total == 1


def test_coordinate_sgd_has_no_weight_decay():
    settings = TrainingSettings(optimizer="coordinate-sgd", online=True, weight_decay=0.1)
    with pytest.raises(
        InputError, match="weight_decay is 0.1, which has no effect without the optimizer adamw"
    ):
        settings.check()


def test_parities_of_one_length_meet_others(parity):
    settings = TrainingSettings(
        model="parities", degree=1, device="cpu", n_epochs=1, context_length=30
    )
    other = Dataset(("0" * 28 + "1", "1" * 29), (1, 1))
    run = learn(parity, settings, lengths={29: other, 10: Dataset(("0" * 10,), (0,))})
    assert run.facts.parameters == 20
    assert set(run.facts.accuracy_at_length) == {10, 29}


def test_coordinate_sgd_finds_a_planted_parity_once_it_draws_its_weight(tmp_path, monkeypatch):
    """Linear in all C(8, 3) parities; nothing else that is drawn on the way is worth a change."""
    from llm_erm.tasks import suite

    task = suite.planted_parity("parity_of_3", "parity_of_3", 3)
    monkeypatch.setitem(suite.TASKS, task.id, task)
    data = splits(task.id, tmp_path, length=8, train=128, test=64)
    settings = replace(
        TrainingSettings(device="cpu", precision="fp32"),
        model="parities",
        optimizer="coordinate-sgd",
        online=True,
        batch_size=128,
        lr=10.0,
        eta_min=10.0,
        gradient_tolerance=0.25,
        patience=1,
        n_epochs=2000,
        eval_every=2000,
    )
    fresh = fresh_for(task, 8)
    run = learn(data, settings, fresh=fresh)
    assert run.test.accuracy == 1.0
    assert 1 < run.facts.steps < 20 * 56
    # The published learner, whatever its rate, has nothing to go by before that.
    short = learn(data, replace(settings, n_epochs=run.facts.steps - 2), fresh=fresh)
    assert abs(short.test.accuracy - 0.5) < 0.2
    assert curve(short, "test_loss")[-1] == pytest.approx(0.6931, abs=1e-3)
