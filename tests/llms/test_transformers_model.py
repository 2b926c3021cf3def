"""A model that transformers runs in this process proposes programs."""

import asyncio
import json
import pickle
import sys
from contextlib import aclosing

import pytest

import llm_erm
from incontext import tiny_model
from llm_erm.cli.main import main
from llm_erm.errors import InputError, MissingExtraError
from llm_erm.llms.llm import Request
from llm_erm.llms.transformers_model import TransformersLLM


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.write(place)
    return place


def drawn(llm, *indices, prompt="0110 -> 1", tokens=12, **more):
    async def draw():
        request = Request(prompt, indices=indices, max_tokens=tokens, **{"seed": 5, **more})
        return [completion async for completion in llm.complete(request)]

    return asyncio.run(draw())


@pytest.fixture(scope="module")
def llm(folder):
    return TransformersLLM(str(folder))


def test_a_sample_depends_on_its_index_and_the_seed_and_not_on_others(llm):
    first, second = drawn(llm, 1, 2)
    assert first.text != second.text
    assert drawn(llm, 2)[0].text == second.text
    assert drawn(llm, 2, seed=6)[0].text != second.text
    assert [first.index, second.index] == [1, 2]
    assert first.usage.prompt_tokens == len("0110 -> 1")
    assert first.usage.completion_tokens <= 12
    assert first.cost_usd == 0.0


def test_the_state_of_torchs_random_numbers_is_left_alone(llm):
    import torch

    torch.manual_seed(1)
    wanted = torch.rand(3).tolist()
    torch.manual_seed(1)
    drawn(llm, 1)
    assert torch.rand(3).tolist() == wanted


def test_at_temperature_0_all_samples_are_the_same(folder):
    first, second = drawn(TransformersLLM(str(folder), temperature=0.0), 1, 2)
    assert first.text == second.text


def test_top_p_near_0_leaves_the_likeliest_token(folder):
    greedy = drawn(TransformersLLM(str(folder), temperature=0.0), 1)[0].text
    assert drawn(TransformersLLM(str(folder), top_p=1e-6), 3)[0].text == greedy


def test_the_settings_and_the_files_are_what_describes_it(folder, tmp_path):
    described = TransformersLLM(str(folder), 0.5, 0.9).described
    assert described.name == "transformers:tiny"
    assert (described.temperature, described.top_p) == (0.5, 0.9)
    other = tmp_path / "tiny"
    tiny_model.write(other)
    assert TransformersLLM(str(other)).described.sha256 == described.sha256
    (other / "config.json").write_text("{}")
    assert TransformersLLM(str(other)).described.sha256 != described.sha256


def test_models_of_the_hub_are_told_apart_by_their_whole_names():
    one, other = (TransformersLLM(f"{owner}/coder") for owner in ("first", "second"))
    assert one.described != other.described
    assert one.name == "transformers:first/coder"


def test_another_process_loads_the_same_model(llm):
    assert drawn(pickle.loads(pickle.dumps(llm)), 4)[0].text == drawn(llm, 4)[0].text


def test_a_chat_template_is_used_unless_the_prompt_is_continued(folder):
    llm = TransformersLLM(str(folder))
    drawn(llm, 1)
    llm._loaded.tokenizer.chat_template = "{% for m in messages %}<{{ m.content }}>{% endfor %}"
    assert drawn(llm, 1)[0].usage.prompt_tokens == len("<0110 -> 1>")
    assert drawn(llm, 1, continued=True)[0].usage.prompt_tokens == len("0110 -> 1")


def test_a_search_that_is_over_stops_the_sample_that_is_being_drawn(folder):
    """Once it has begun, which it tells, it must not write the 2,000 tokens that it may."""
    llm = TransformersLLM(str(folder))
    drawn(llm, 1, tokens=1)
    llm._loaded.model.generation_config.eos_token_id = None  # it would end by itself
    written: list[int] = []

    async def leave():
        begun = asyncio.Event()

        def tell(state):
            written.append(state.tokens)
            begun.set()

        request = Request("0", indices=(1, 2), max_tokens=2000, tell=tell)
        async with aclosing(llm.complete(request)) as completions:
            task = asyncio.ensure_future(anext(completions))
            await begun.wait()
            task.cancel()
            await asyncio.wait([task])
        await llm.aclose()
        await asyncio.sleep(0)  # what was told last

    asyncio.run(leave())
    assert 0 < max(written) < 1500


def test_a_prompt_that_does_not_fit_says_how_many_tokens_there_are(llm):
    with pytest.raises(InputError, match="The prompt has 3,000 tokens, and transformers:tiny has"):
        drawn(llm, 1, prompt="0" * 3000)


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_model_is_named(tmp_path, kind, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place = tmp_path / "model"
    if kind == "empty":
        place.mkdir()
    elif kind == "file":
        place.write_text("nothing")
    with pytest.raises(InputError) as error:
        drawn(TransformersLLM(str(place)), 1)
    assert str(place) in str(error.value)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(InputError, match="temperature is -1"):
        llm_erm.model("transformers:x", temperature=-1.0)
    with pytest.raises(InputError, match="top_p is 1.5"):
        llm_erm.model("transformers:x", top_p=1.5)


def test_without_transformers_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setattr("llm_erm.llms.transformers_model.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="torch and transformers"):
        llm_erm.model("transformers:x")


def test_the_command_searches_with_a_folder(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["--functions", "fn_a", "--lengths", "8", "--train-size", "10", "--val-size", "10"]
    words += ["--test-size", "20", "--attempts", "2", "--max-output-tokens", "20", "--json"]
    words += ["--provider", "transformers", "--model", str(folder), "--temperature", "0.7"]
    with pytest.raises(SystemExit) as ended:
        main(["synthesize", *words, "--out-dir", "run"])
    assert ended.value.code == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model"] == "transformers:tiny"
    assert result["attempts"] == 2
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["settings"]["llm"]["temperature"] == 0.7


@pytest.mark.slow
def test_the_embedded_weights_write_python():
    from llm_erm.llms import weights

    llm = TransformersLLM(str(weights.embedded()), temperature=0.0)
    (said,) = drawn(llm, 1, prompt="Write a Python function f(x) that returns 1.", tokens=40)
    assert "def f" in said.text
