"""What llama.cpp cannot do with a file is said, and it is not waited for without end."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from llm_erm.errors import InputError
from llm_erm.incontext.local import LocalEngine
from llm_erm.incontext.settings import InContextSettings
from llm_erm.llms import runtime, weights
from llm_erm.llms.llm import Completion, Request
from llm_erm.llms.local import LocalLLM

KEY = b"tokenizer.chat_template"
PROMPT = "Count the ones in 0110 1001 0110 1001 0110 1001 and say whether their number is odd." * 2


@pytest.fixture(scope="module")
def with_template(tmp_path_factory) -> Callable[[str], Path]:
    """Returns a copy of the embedded model with another chat template of at most 368 bytes."""
    data = bytearray(weights.embedded().read_bytes())
    place = data.find(KEY) + len(KEY) + 4  # after the type
    (size,) = struct.unpack_from("<Q", data, place)
    path = tmp_path_factory.mktemp("models") / "model.gguf"

    def write(template: str) -> Path:
        data[place + 8 : place + 8 + size] = template.encode().ljust(size)
        path.write_bytes(data)
        return path

    return write


def draw(path: Path) -> list[Completion]:
    async def drawn() -> list[Completion]:
        llm = LocalLLM(path, threads=1, context_tokens=512, parallel=1)
        try:
            return [one async for one in llm.complete(Request(PROMPT, max_tokens=4))]
        finally:
            await llm.aclose()

    return asyncio.run(drawn())


@pytest.mark.parametrize(
    "template",
    ["{{ raise_exception('no') }}", "{% for m in messages %}", "{{ nothing(messages) }}"],
)
def test_a_chat_template_that_cannot_be_rendered_is_named(with_template, template):
    path = with_template(template)
    with pytest.raises(InputError, match="The chat template in .*model.gguf cannot be rendered"):
        draw(path)
    engine = LocalEngine(path, threads=1)
    try:
        with pytest.raises(InputError, match="cannot be rendered") as raised:
            engine.render(PROMPT, InContextSettings())
        assert raised.value.setting == "raw_prompt"
        assert engine.render(PROMPT, InContextSettings(raw_prompt=True)) == PROMPT
        assert engine.count_tokens(PROMPT) > 50
    finally:
        engine.close()


def test_a_chat_template_that_leaves_the_prompt_out_is_named(with_template):
    with pytest.raises(InputError, match="leaves out the prompt: . tokens are left"):
        draw(with_template("<|im_start|>user"))
    assert draw(with_template("{{ messages[0].content }}"))[0].usage.prompt_tokens > 50


def test_a_runtime_that_does_not_say_whether_it_is_busy_is_left_after_a_while(monkeypatch):
    monkeypatch.setattr(runtime, "_SETTLE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        runtime._settle(SimpleNamespace(listening_address=address))
        assert 0.3 <= time.monotonic() - began < 30
