"""From --provider and --model to who is called: names, keys, addresses, and what cannot be."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from api_server import Reply, serving
from llm_erm.cli.model_options import ModelOptions
from llm_erm.cli.models import choose
from llm_erm.errors import InputError
from llm_erm.llms.llm import LLM, Completion, Request
from llm_erm.llms.models import model
from llm_erm.llms.providers import PROVIDERS, Provider, key_variables
from recorded import anthropic, chat, gemini
from responses_server import response, text

TINY = (
    *("--functions", "fn_a", "--lengths", 20, "--attempts", 1),
    *("--train-size", 4, "--val-size", 4, "--test-size", 4),
)

KEYS = {row.name: row.key_variables for row in PROVIDERS.values() if row.needs_key}
URL = "http://localhost:1/v1"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in ("OPENAI_BASE_URL", *key_variables()):
        monkeypatch.delenv(name, raising=False)


def test_the_successors_flags_are_spellings_of_ours():
    given = {"model": "openai:gpt-5", "base_url": URL}
    ours = ModelOptions(reasoning_effort="low", tool_choice="none", **given)
    theirs = ModelOptions(thinking_level="low", no_tools=True, **given)
    assert choose(theirs)[0].described == choose(ours)[0].described
    both = replace(theirs, reasoning_effort="high")  # from an environment variable, say
    assert choose(both)[0].described == choose(ours)[0].described


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ModelOptions(model="anthropic:claude-opus-4-6"), "anthropic:claude-opus-4-6"),
        (ModelOptions(model="ollama:qwen3:0.6b"), "ollama:qwen3:0.6b"),
        (ModelOptions(model="vllm:Qwen/Qwen3-8B"), "vllm:Qwen/Qwen3-8B"),
        (ModelOptions(provider="ollama", model="qwen3:0.6b"), "ollama:qwen3:0.6b"),
        (ModelOptions(provider="chat", model="vllm:x", base_url=URL), "chat:vllm:x"),
        (ModelOptions(model="openai:ft:gpt-4.1:me"), "openai:ft:gpt-4.1:me"),
        (ModelOptions(provider="openai"), "openai:gpt-5"),
        (ModelOptions(provider="openai", base_url=URL), "openai:gpt-5"),
        (ModelOptions(), "local:SmolLM2-135M-Instruct"),
        (ModelOptions(model="gemini:gemini-2.5-pro"), "gemini:gemini-2.5-pro"),
        (ModelOptions(provider="local"), "local:SmolLM2-135M-Instruct"),
        (ModelOptions(model="local:"), "local:SmolLM2-135M-Instruct"),
    ],
)
def test_a_provider_and_a_model_can_be_named_in_two_flags_or_in_one(options, name, monkeypatch):
    for names in KEYS.values():
        monkeypatch.setenv(names[0], "key")
    assert choose(options)[0].name == name


def test_without_a_name_it_is_said_that_the_embedded_model_proposes(capsys):
    choose(ModelOptions(provider="local"))
    choose(ModelOptions(model="local:"))
    assert capsys.readouterr().err == ""
    assert choose(ModelOptions())[0].name == "local:SmolLM2-135M-Instruct"
    assert "No model was named, so the embedded SmolLM2-135M-Instruct" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ModelOptions(model="gpt-5"), "--model gpt-5 does not say who serves.*--provider openai"),
        (ModelOptions(base_url=URL), "--base-url is for a model.*--provider: .*chat"),
        (ModelOptions(enable_code_interpreter=True), "--enable-code-interpreter.*--provider"),
        (ModelOptions(provider="chat", model="gpt-5"), "openai.*the server.s address .--base-url"),
    ],
)
def test_what_may_cost_money_is_only_used_by_name(options, said, monkeypatch, tmp_path):
    (tmp_path / "gpt-5").mkdir()  # as `git clone` or a run may leave it
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with pytest.raises(InputError, match=said):
        choose(options)


@pytest.mark.parametrize(
    "options",
    [ModelOptions(provider="local"), ModelOptions(), ModelOptions(answers=Path("answers.json"))],
)
def test_a_limit_that_nothing_would_keep_is_refused(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("answers.json").write_text('["x"]')
    with pytest.raises(InputError, match="--max-total-tokens limits remote models"):
        choose(replace(options, max_total_tokens=100))
    choose(replace(options, max_cost_usd=1.0))


@pytest.mark.parametrize(
    ("model", "variables"),
    [
        ("anthropic:claude-opus-4-6", ["ANTHROPIC_API_KEY"]),
        ("gemini:gemini-2.5-pro", ["GEMINI_API_KEY", "GOOGLE_API_KEY"]),
        ("openai:gpt-5", ["OPENAI_API_KEY"]),
    ],
)
def test_a_missing_key_is_status_2_and_its_variable_is_named(invoke, model, variables, tmp_path):
    done = invoke("synthesize", "--model", model, *TINY)
    assert done.returncode == 2
    assert all(variable in done.stderr for variable in variables)
    assert not list(tmp_path.iterdir())
    other = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": "k"}
    del other[variables[0]]
    assert invoke("synthesize", "--model", model, *TINY, **other).returncode == 2


ANSWERS = {
    "openai": ("/v1", response([text("no idea")]), "authorization", "Bearer "),
    "chat": ("/v1", chat("no idea"), "authorization", "Bearer "),
    "vllm": ("/v1", chat("no idea"), "authorization", "Bearer "),
    "ollama": ("/v1", chat("no idea"), "authorization", "Bearer "),
    "anthropic": ("", anthropic({"type": "text", "text": "no idea"}), "authorization", "Bearer "),
    "gemini": ("", gemini({"text": "no idea"}), "x-goog-api-key", ""),
}


@pytest.mark.parametrize("provider", ANSWERS)
def test_each_provider_gets_its_own_key_at_the_address_given(invoke, provider):
    base, body, header, prefix = ANSWERS[provider]
    keys = {names[0]: f"sk-{name}" for name, names in KEYS.items()}
    with serving(lambda _: Reply(body)) as api:
        done = invoke(
            *("synthesize", "--model", f"{provider}:a-model", "--base-url", api.url + base),
            *TINY,
            **keys,
        )
    assert done.returncode == 0, done.stderr
    (call,) = api.calls
    expected = f"sk-{provider}" if provider in KEYS else "sk-openai"
    assert call.headers[header] == prefix + expected
    assert "a-model" in (call.body.get("model") or call.path)


@pytest.mark.parametrize("provider", ["chat", "vllm", "ollama"])
def test_a_server_of_ones_own_needs_no_key(invoke, provider):
    with serving(lambda _: Reply(chat("no idea"))) as api:
        done = invoke(
            "synthesize", "--model", f"{provider}:m", "--base-url", f"{api.url}/v1", *TINY
        )
    assert done.returncode == 0, done.stderr
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ModelOptions(provider="nobody"), "anthropic, chat, gemini, ollama, openai, vllm"),
        (ModelOptions(provider="chat"), "--model"),
        (ModelOptions(model="anthropic:"), "--model"),
        (ModelOptions(model="vllm:m", enable_code_interpreter=True), "--code-tool local"),
        (ModelOptions(provider="local", code_tool="local"), "--provider chat"),
        (ModelOptions(model="vllm:m", base_url="localhost:8000"), "http://"),
        (ModelOptions(model="vllm:m", retries=-1), "--retries"),
        (ModelOptions(model="vllm:m", speculative=0), "--speculative"),
        (ModelOptions(model="vllm:m", concurrency=1001), "at most 1000"),
        (ModelOptions(model="vllm:m", timeout=float("nan")), "--timeout"),
        (ModelOptions(model="vllm:m", max_cost_usd=float("nan")), "--max-cost-usd"),
        (ModelOptions(model="vllm:m", constraint="grammar"), "--constraint"),
        (ModelOptions(model="ollama:m", constraint="block"), "free-block, schema .*--constraint"),
        (ModelOptions(model="anthropic:m", constraint="schema"), "free-block .*--constraint"),
        (ModelOptions(model="anthropic:m", verbosity="low"), "--verbosity"),
        (ModelOptions(model="local:none.gguf"), "The model none.gguf cannot be read"),
        (ModelOptions(answers=Path("a.json"), code_tool="local"), "--code-tool"),
    ],
)
def test_what_does_not_fit_together_is_one_sentence(options, said):
    with pytest.raises(InputError, match=said):
        choose(options)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        *((url, "name a host") for url in ("http://", "http:///v1", "http://[::1/v1", "HTTPS:/x")),
        *((url, "name a host") for url in ("http://a b/v1", "http://a:99999/v1", "http://a\n/v1")),
        ("http://me:secret@localhost/v1", "must not contain a user name"),
        ("http://localhost/v1?key=secret", "must not contain a user name"),
        ("http://localhost/v1#secret", "must not contain a user name"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_without_telling_it(url, said):
    with pytest.raises(InputError, match=said) as refusal:
        choose(ModelOptions(model="chat:m", base_url=url))
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://localhost:8000/v1/", " HTTP://[::1]:8000/v1 ", "http://a"])
def test_an_address_may_be_written_in_any_usual_way(url):
    assert choose(ModelOptions(model="chat:m", base_url=url))[0].described.base_url == url.strip()


@pytest.mark.parametrize("key", ["sk-secret\nmore", "sk-secret more", "sk-secret\x7f", "sk-secrét"])
def test_a_key_that_no_header_can_carry_is_refused_without_telling_it(key, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", key)
    with pytest.raises(InputError, match="GEMINI_API_KEY .* no key has") as refusal:
        choose(ModelOptions(model="gemini:m"))
    assert "secr" not in str(refusal.value)
    assert "--api-key" not in str(refusal.value)


def test_a_file_named_with_its_provider_shapes_the_run_by_its_content(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    described = [
        choose(ModelOptions(model=f"{prefix}{tmp_path}/m.gguf"))[0].described
        for prefix in ("", "local:")
    ]
    assert described[0] == described[1]
    assert described[0].sha256 == hashlib.sha256(b"GGUF").hexdigest()


def test_a_server_that_is_not_there_is_named_with_what_to_do(invoke):
    done = invoke(
        *("synthesize", "--model", "chat:m", "--base-url", "http://127.0.0.1:1/v1"),
        *(*TINY, "--retries", 0),
    )
    assert done.returncode == 2
    assert "cannot be reached at http://127.0.0.1:1/v1" in done.stderr
    assert "--base-url" in done.stderr


def test_openais_address_in_the_environment_shapes_no_other_providers_run(invoke, tmp_path):
    (tmp_path / "answers.json").write_text('["no idea"]')
    arguments = ("synthesize", "--provider", "scripted", "--answers", "answers.json", *TINY)
    first = invoke(*arguments, "--out-dir", "out", "--json")
    again = invoke(*arguments, "--out-dir", "out", "--json", OPENAI_BASE_URL="http://elsewhere/v1")
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    assert first.stdout == again.stdout


class Constant(LLM):
    """A model that always answers alike."""

    def __init__(self, body: str) -> None:
        self._name = f"fake:{body}"
        self._body = body

    @property
    def name(self) -> str:
        return self._name

    async def complete(self, request: Request):
        for index in request.indices:
            yield Completion(index, f"def f(x):\n    return {self._body}")

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("named", [("--provider", "fake"), ("--model", "fake:1")])
def test_one_row_of_the_table_and_one_class_are_all_that_a_provider_needs(
    invoke, monkeypatch, named, tmp_path
):
    row = Provider("fake", lambda model, settings: Constant(model or "0"), default_model="0")
    monkeypatch.setitem(PROVIDERS, "fake", row)
    done = invoke("synthesize", *named, *TINY, "--attempts", 2, "--json", "--out-dir", "out")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["model"] == ("fake:1" if "--model" in named else "fake:0")
    assert result["test"]["accuracy"] == 0.5
    assert result["attempts"] == 2
    done = invoke("synthesize", *named, *TINY, "--threads", 2, "--out-dir", "other")
    assert (done.returncode, "(--threads)" in done.stderr) == (2, True)
    with pytest.raises(InputError, match="fake does not take the setting api_key; it takes none"):
        model("fake", api_key="x")


@pytest.mark.parametrize(
    ("name", "settings", "setting", "said"),
    [
        ("nobody:x", {}, "provider", "choose one of anthropic, chat"),
        ("gpt-5", {}, "provider", "no provider 'gpt-5'"),
        ("openai", {}, "api_key", "openai:gpt-5 needs a key"),
        ("chat", {}, "model", "as in chat:NAME"),
        ("scripted", {}, "model", "as in scripted:NAME"),
        ("chat:m", {"threads": 1}, "threads", "it takes api_key"),
        ("local", {"threads": 0}, "threads", "give 1 or more"),
        ("chat:m", {"base_url": "localhost"}, "base_url", "http://"),
        ("chat:m", {"timeout_seconds": 0}, "timeout_seconds", "above 0"),
    ],
)
def test_a_model_by_its_name_is_refused_with_facts_and_no_flag(name, settings, setting, said):
    with pytest.raises(InputError, match=said) as refusal:
        model(name, **settings)
    assert refusal.value.setting == setting
    assert "--" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "opnai"}, "There is no provider 'opnai'; did you mean openai?"),
        ({"provider": "Anthropic"}, "There is no provider 'Anthropic'; did you mean anthropic?"),
        ({"provider": "magic"}, "choose one of anthropic, chat, "),
        ({"model": "opnai:gpt-5"}, "the model; did you mean --model openai:gpt-5? If not, add "),
        ({"model": "llama3:8b"}, "does not say who serves the model; add --provider, as in "),
        ({"model": "openchat:7b"}, "does not say who serves the model; add --provider, as in "),
    ],
)
def test_a_provider_with_a_slip_in_its_name_is_guessed(options, said):
    with pytest.raises(InputError, match=re.escape(said)):
        choose(ModelOptions(**options))
    if "provider" in options:
        with pytest.raises(InputError, match=re.escape(said)):
            model(f"{options['provider']}:x")


def test_a_model_by_its_name_reads_no_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://nowhere")
    with pytest.raises(InputError, match="needs a key"):
        model("openai:gpt-5")
    assert model("openai:gpt-5", api_key="key").name == "openai:gpt-5"
    assert model("local").name == "local:SmolLM2-135M-Instruct"
    (tmp_path / "answers.json").write_text('["1"]')
    assert model(f"scripted:{tmp_path}/answers.json").name == "scripted:answers.json"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_without_an_address_the_network_is_to_be_checked(invoke, provider):
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), "sk-nobody-hears-it")
    done = invoke(
        *("synthesize", "--provider", provider, "--model", "m", "--functions", "fn_a"),
        *("--lengths", 20, "--train-size", 20, "--val-size", 20, "--test-size", 40),
        *("--attempts", 1, "--retries", 0, "--out-dir", "out"),
        **keys,
        HTTPS_PROXY="http://127.0.0.1:9",
    )
    assert done.returncode == 2
    assert re.search(
        f"{provider}:m cannot be reached: could not connect( to the proxy that .* names)?; check "
        r"this machine's network or proxy\.\n$",
        done.stderr,
    )
