"""Fine-tuning: what is to change changes, and nothing else does."""

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from llm_erm.errors import InputError
from llm_erm.runs.events import Advanced
from llm_erm.runs.run import plan, run
from llm_erm.tasks.spec import DataSpec
from llm_erm.training.build import build
from llm_erm.training.learn import learn
from llm_erm.training.method import Training
from llm_erm.training.pretrained import EMBEDDED, is_pretrained, pretrained
from llm_erm.training.settings import TrainingSettings
from small_training import splits

CPU = torch.device("cpu")
OF_PEFT = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
"""peft 0.21 asks transformers 5.23 for it."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory, embedded_tokenizer) -> Path:
    """A Hugging Face folder: three layers with random weights, and the embedded tokenizer."""
    from transformers import LlamaConfig, LlamaModel

    place = tmp_path_factory.mktemp("pretrained")
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(embedded_tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    LlamaModel(config).save_pretrained(place)
    embedded_tokenizer.save_pretrained(place)
    return place


def settings(model: Path | str, **changes) -> TrainingSettings:
    base = TrainingSettings(
        model=str(model),
        n_epochs=2,
        eval_every=1,
        lr=1e-3,
        batch_size=4,
        precision="fp32",
        device="cpu",
    )
    return replace(base, **changes)


def changed(before: dict, after: dict) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(("count", "layers"), [(0, ()), (1, (2,)), (2, (1, 2))])
def test_the_top_layers_change_and_no_others(count, layers, folder, tmp_path):
    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    built = build(settings(folder, num_layers_to_finetune=count), "binary", [data.train], None)
    model = built.engine.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    built.engine.step(built.encode(data.train), 1e-3)
    for name, p in model.named_parameters():
        of_top = any(f".layers.{i}." in name for i in layers) or name.startswith("head.")
        assert p.requires_grad == of_top
        # Re-entrant checkpointing behind frozen embeddings gave the published layers no gradient.
        assert (p.grad is not None and bool((p.grad != 0).any())) == of_top
    moved = changed(before, model.state_dict())
    assert {name.split("layers.")[1][0] for name in moved if "layers." in name} == set(
        map(str, layers)
    )
    assert not any("embed" in name or name.endswith("backbones.0.norm.weight") for name in moved)
    assert "head.weight" in moved


def test_all_changes_the_whole_model(folder, tmp_path):
    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    built = build(settings(folder, num_layers_to_finetune="all"), "binary", [data.train], None)
    assert all(p.requires_grad for p in built.engine.model.parameters())


@OF_PEFT
@pytest.mark.parametrize(("count", "layers"), [(1, {"2"}), ("all", {"0", "1", "2"})])
def test_adapters_change_and_the_model_does_not(count, layers, folder, tmp_path):
    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    tuned = settings(folder, num_layers_to_finetune=count, lora_rank=2, lora_alpha=6.0)
    built = build(tuned, "binary", [data.train], None)
    model = built.engine.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(2):  # in the first, one factor of each adapter is 0 and shields the other
        built.engine.step(built.encode(data.train), 1e-3)
    moved = changed(before, model.state_dict())
    adapters = {name for name in moved if "lora" in name}
    assert moved - adapters == {"head.weight", "head.bias"}
    assert {name.split("layers.")[1][0] for name in adapters} == layers
    assert len(adapters) == 2 * 7 * len(layers)
    scales = [m.scaling["default"] for m in model.modules() if hasattr(m, "lora_A")]
    assert scales == [3.0] * 7 * len(layers)  # alpha over rank


@OF_PEFT
def test_saved_adapters_load_with_peft(folder, tmp_path):
    from peft import PeftModel
    from transformers import AutoModel

    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    tuned = settings(folder, lora_rank=2, save_model=True)
    learn(data, tuned, folder=tmp_path / "run")
    model = PeftModel.from_pretrained(
        AutoModel.from_pretrained(folder), str(tmp_path / "run" / "model")
    )
    assert any("lora" in name and bool(p.any()) for name, p in model.named_parameters())


def test_a_saved_model_is_a_hugging_face_folder_to_fine_tune(folder, tmp_path):
    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    learn(data, settings(folder, save_model=True), folder=tmp_path / "run")
    kept = tmp_path / "run" / "model"
    before, after = load_file(folder / "model.safetensors"), load_file(kept / "model.safetensors")
    assert {name.split(".")[1] for name in changed(before, after)} == {"1", "2"}
    assert set(load_file(kept / "head.safetensors")) == {"head.weight", "head.bias"}
    run = learn(data, settings(kept, n_epochs=1))
    assert run.facts.train_size == 8


def test_the_embedded_model_is_fine_tuned_for_real(read_once, tmp_path):
    """SmolLM2 from its GGUF file: its top layer and the new head change, all else stays."""
    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    tuned = settings(EMBEDDED, num_layers_to_finetune=1, save_model=True, n_epochs=2, eval_every=2)
    tuned = replace(tuned, batch_size=8)
    kept = {}

    def remember(state: dict) -> None:
        kept.update({name: tensor.clone() for name, tensor in state.items()})

    from llm_erm.training import build as building

    loading = building.pretrained.pretrained

    def load(*arguments):
        loaded = loading(*arguments)
        remember(loaded.model.backbones[0].state_dict())
        return loaded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building.pretrained, "pretrained", load)
        run = learn(data, tuned, folder=tmp_path / "run")
    assert run.facts.parameters > 134_000_000
    saved = load_file(tmp_path / "run" / "model" / "model.safetensors")
    moved = changed(kept, saved)
    assert len(moved) == 9
    assert all(name.startswith("layers.29.") for name in moved)
    losses = [point.train_loss for point in run.facts.curve]
    assert losses[-1] < losses[0]


def test_a_stopped_run_drops_what_the_whole_one_would_have_dropped(folder, tmp_path):
    """Attention dropout, as some pretrained models have it."""
    import json
    import shutil

    place = shutil.copytree(folder, tmp_path / "with dropout")
    config = json.loads((place / "config.json").read_text()) | {"attention_dropout": 0.5}
    (place / "config.json").write_text(json.dumps(config))
    data = splits("fn_a", tmp_path, length=10, train=8, test=8)
    tuned = settings(place, n_epochs=4, eval_every=3, checkpoint_every=2)
    whole = learn(data, tuned)
    assert timeless(whole) != timeless(learn(data, replace(tuned, model=str(folder))))

    def stop(event) -> None:
        if event == Advanced(3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(data, tuned, folder=tmp_path / "run", observe=stop)
    assert timeless(learn(data, tuned, folder=tmp_path / "run")) == timeless(whole)


def timeless(result) -> list:
    return [replace(point, seconds=0.0) for point in result.facts.curve]


@pytest.mark.parametrize("stop_after", [1, None], ids=["interrupted", "finished"])
def test_a_run_goes_on_with_the_weights_that_it_began_with(folder, tmp_path, stop_after):
    model = tmp_path / "model"
    shutil.copytree(folder, model)
    method = Training(settings=settings(model, checkpoint_every=1))
    spec = DataSpec(function="fn_a", length=12, train_size=8, val_size=0, test_size=8)

    def train(stop=None):
        def stopping(job, event):
            if stop is not None and event == Advanced(stop):
                raise KeyboardInterrupt

        planned = plan(method, [spec], tmp_path / "run", dataset_dir=tmp_path / "data")
        return run(planned, observers=[stopping])

    with pytest.raises(KeyboardInterrupt) if stop_after else nullcontext():
        train(stop_after)
    (model / "README.md").write_text("Read by people only.")
    assert [result.model for result in train()] == [str(model)]
    if stop_after:
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(KeyboardInterrupt):
            train(stop_after)
    path = model / "model.safetensors"
    weights = load_file(path)
    weights["norm.weight"] += 1
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(InputError, match=r"other settings \(different: model\.safetensors\)"):
        train()


def test_only_causal_transformers_are_fine_tuned(embedded_tokenizer, tmp_path):
    """Others would see the padding after the place where the label is read."""
    from transformers import BertConfig, BertModel, T5Config, T5Model

    size = {"vocab_size": len(embedded_tokenizer), "hidden_size": 16, "num_attention_heads": 2}
    bert = BertModel(BertConfig(**size, num_hidden_layers=1, intermediate_size=16))
    t5 = T5Model(T5Config(vocab_size=size["vocab_size"], d_model=16, d_kv=8, d_ff=16, num_layers=1))
    for name, model in (("bert", bert), ("t5", t5)):
        model.save_pretrained(tmp_path / name)
        embedded_tokenizer.save_pretrained(tmp_path / name)
        with pytest.raises(InputError, match="is not a causal transformer: .* give a causal model"):
            pretrained(settings(tmp_path / name), CPU)


def test_a_folder_that_would_run_code_is_refused_without_a_question(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text(
        '{"model_type": "own", "auto_map": {"AutoConfig": "c.C", "AutoModel": "m.M"}}'
    )
    for name in ("c", "m"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('it ran')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asks"))
    with pytest.raises(InputError, match="custom code"):
        pretrained(settings(tmp_path), CPU)


def test_damaged_and_missing_files_are_named(folder, tmp_path):
    import shutil

    place = shutil.copytree(folder, tmp_path / "model")
    (place / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="cannot be loaded .*header"):
        pretrained(settings(place), CPU)
    shutil.copy(folder / "model.safetensors", place)
    for path in place.glob("*token*"):
        path.unlink()
    with pytest.raises(InputError, match="cannot be loaded|does not distinguish 0 from 1"):
        pretrained(settings(place), CPU)


@OF_PEFT
def test_a_model_that_takes_no_adapters_is_named(embedded_tokenizer, tmp_path):
    from transformers import GPT2Config, GPT2Model

    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0}
    GPT2Model(GPT2Config(vocab_size=len(embedded_tokenizer), **sizes)).save_pretrained(tmp_path)
    embedded_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="cannot add adapters to .*leave out lora_rank"):
        pretrained(settings(tmp_path, lora_rank=2, num_layers_to_finetune=1), CPU)


def test_a_folder_is_not_taken_for_a_model_from_scratch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("bloom", "mine"):
        Path(name).mkdir()
    assert [is_pretrained(name) for name in ("bloom", "mine")] == [False, True]


def test_what_cannot_be_loaded_is_named(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.gguf").write_text("nothing")
    for model, message in (
        (tmp_path / "empty", "cannot be loaded .*; without access to the hub"),
        (tmp_path / "no.gguf", "no.gguf is not a GGUF file"),
        (tmp_path / "missing", "There is no model .*missing"),
    ):
        data = splits("fn_a", tmp_path, length=10, train=8, test=8)
        with pytest.raises(InputError, match=message):
            learn(data, settings(model))
    with pytest.raises(InputError, match="num_layers_to_finetune is 4, but .* has 3 layers"):
        pretrained(settings(folder, num_layers_to_finetune=4), CPU)


@pytest.mark.parametrize("flag", ["vocab_size", "n_layer", "n_head", "n_embd", "num_models"])
def test_flags_without_effect_are_refused(flag, folder):
    with pytest.raises(InputError, match=f"{flag} cannot change the pretrained model"):
        pretrained(settings(folder, **{flag: 8}), CPU)
