"""Loads a GGUF model into this process, by llama.cpp, and talks to it over loopback HTTP."""

import http.client
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from llm_erm.errors import InputError

_LOOK_TOKENS = 64


class Server(Protocol):
    """What is used of the runtime: each call streams chunks until the callback answers True."""

    listening_address: str
    """Where it also listens for HTTP, on this machine alone."""

    def handle_completions(
        self, prompt: dict[str, Any], callback: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Continues a text."""
        ...

    def handle_chat_completions(
        self, prompt: dict[str, Any], callback: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Answers messages in the model's own chat format."""
        ...


def load(
    path: Path, *, context_tokens: int, parallel: int, threads: int, long_prompts: bool = False
) -> Server:
    """Returns a loaded model.

    Args:
        path: A GGUF file.
        context_tokens: Tokens that all texts worked on together may take.
        parallel: Texts worked on together at most.
        threads: Threads that compute.
        long_prompts: Whether prompts have thousands of tokens; attention is then computed in the
            way that is faster for those here, and rounds otherwise.

    Raises:
        InputError: The file fails to load.
    """
    params = _parameters(path, context_tokens, threads)
    params.n_parallel = parallel
    params.kv_unified = True  # one prompt's cache serves all samples of a batch
    if long_prompts and not _has_gpu():
        # On processors it takes nearly twice the time for 50 tokens after 5,000.
        import xllamacpp

        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = _start(params)
    # Freed before its loop runs, the runtime waits forever; an answer shows that the loop runs.
    server.handle_completions({"prompt": "x", "n_predict": 1, "stream": True}, _ignore)
    return server


def look(path: Path) -> Server:
    """Returns a model that can tell of itself and its vocabulary: mapped, with next to no context.

    Raises:
        InputError: The file fails to load.
    """
    params = _parameters(path, _LOOK_TOKENS, 1)
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.no_extra_bufts = True  # the weights stay as they are in the file
    server = _start(params)
    ask(server, "/slots")  # answered by its loop, which must run before the server is freed
    return server


def ask(server: Server, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
    """Returns the JSON that the model answers a request with; interrupting it cancels the work.

    Raises:
        InputError: The request is refused.
    """
    connection = http.client.HTTPConnection(server.listening_address.removeprefix("http://"))
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request(
                "POST", path, json.dumps(body), headers={"content-type": "application/json"}
            )
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise InputError(f"The local model refused the request: {answer['error']['message']}.")
    return answer


def _parameters(path: Path, context_tokens: int, threads: int) -> Any:  # noqa: ANN401
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context_tokens
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.port = 0  # it insists on listening; any free loopback port will do
    params.verbosity = -1
    params.warmup = False  # a first answer does that
    return params


def _has_gpu() -> bool:
    """Whether this build of the runtime sees more than processors."""
    import xllamacpp

    return any(device["name"] != "CPU" for device in xllamacpp.get_device_info())


def _start(params: Any) -> Server:  # noqa: ANN401 - the runtime's own parameters
    import xllamacpp

    try:
        server: Server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise InputError(
            f"The model in {params.model.path} fails to load with a context of {params.n_ctx} "
            "tokens; it may be damaged, or need a smaller context (--max-model-len for in-context "
            "learning, --context-tokens for synthesis), more memory or a newer xllamacpp."
        ) from error
    return server


def _ignore(chunk: Mapping[str, Any]) -> bool:
    """Takes a chunk of a stream and asks for the next one."""
    return False
