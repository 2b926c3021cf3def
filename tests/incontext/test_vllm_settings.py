"""What identifies a model that vLLM would run; vLLM itself is not needed."""

from types import SimpleNamespace

import pytest

from llm_erm.incontext import vllm
from llm_erm.incontext.vllm import VLLMEngine


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    transformers = pytest.importorskip("transformers", reason="vLLM brings transformers")
    tokenizer = SimpleNamespace(chat_template="{{ messages }}")
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda _: tokenizer)
    monkeypatch.setattr(vllm, "find_spec", lambda _: True)


def test_a_folder_is_identified_by_the_weights_in_it(tmp_path):
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"some weights")
    before = VLLMEngine(str(tmp_path)).described
    assert VLLMEngine(str(tmp_path)).described == before
    weights.write_bytes(b"other weights than those")
    after = VLLMEngine(str(tmp_path)).described
    assert {name for name in before if before[name] != after[name]} == {"weights"}
    assert before["weights"].keys() == after["weights"].keys() == {"model.safetensors"}


def test_a_model_of_the_hub_is_identified_by_its_name():
    assert "weights" not in VLLMEngine("Qwen/Qwen3-1.7B").described
