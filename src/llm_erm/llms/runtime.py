"""A GGUF model in this process, by llama.cpp: loaded, looked at, asked and freed in one place."""

import http.client
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from llm_erm.errors import InputError

Chunks = Callable[[Mapping[str, Any]], bool]
"""Takes the chunks of a stream one by one; answering True ends the stream."""

_LOOK_TOKENS = 64


class _Loaded(Protocol):
    """What is used of the runtime."""

    listening_address: str
    """Where it also listens for HTTP, on this machine alone."""

    def handle_completions(self, prompt: dict[str, Any], callback: Chunks) -> None:
        """Continues a text."""
        ...

    def handle_chat_completions(self, prompt: dict[str, Any], callback: Chunks) -> None:
        """Answers messages in the model's own chat format."""
        ...


class GGUFModel:
    """One model file and what is loaded of it: nothing, enough to look at it, or all.

    Args:
        path: A GGUF file.
        name: What messages call the model.
        threads: Number of compute threads.
    """

    def __init__(self, path: Path, name: str, threads: int) -> None:
        self.path = path
        self.name = name
        self._threads = threads
        self._loaded: _Loaded | None = None

    @property
    def address(self) -> str:
        """Where the loaded model also listens for HTTP, as ``http://127.0.0.1:<port>``."""
        return self._at_hand().listening_address

    def load(self, *, context_tokens: int, parallel: int, long_prompts: bool = False) -> None:
        """Makes ready to answer; what was loaded before is freed first.

        Args:
            context_tokens: Tokens that all texts worked on together may take.
            parallel: Maximum number of texts worked on together.
            long_prompts: Whether prompts have thousands of tokens; attention is then computed in
                the way that is faster for those here, and rounds otherwise.

        Raises:
            InputError: The file fails to load.
        """
        self.unload()
        params = self._parameters(context_tokens, self._threads)
        params.n_parallel = parallel
        params.kv_unified = True  # one prompt's cache serves all samples of a batch
        if long_prompts and not _has_gpu():
            # On processors it takes nearly twice the time for 50 tokens after 5,000.
            import xllamacpp

            off = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.flash_attn_type = off
        self._loaded = self._start(params)
        # Freed before its loop runs, the runtime waits forever; an answer shows that the loop runs.
        self.stream({"prompt": "x", "n_predict": 1, "stream": True}, lambda chunk: False)

    def unload(self) -> None:
        """Frees the memory."""
        self._loaded = None

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Returns the JSON that the model answers a request with; interrupting it cancels the work.

        Where nothing is loaded, the file is mapped with next to no context: enough to describe the
        model and its vocabulary.

        Raises:
            InputError: The request is refused or the file fails to load.
        """
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"))
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
            raise self._refused(answer["error"])
        return answer

    def stream(self, query: dict[str, Any], on_chunk: Chunks) -> None:
        """Hands the chunks of an answer to ``on_chunk`` until it returns True.

        Args:
            query: With ``messages``, which are answered in the model's own chat format, or with a
                ``prompt``, which is continued.
            on_chunk: Called from the thread that computes.

        Raises:
            InputError: The request is refused or the file fails to load.
        """
        refused: list[Mapping[str, Any]] = []

        def take(chunk: Mapping[str, Any]) -> bool:
            if "error" in chunk:
                refused.append(chunk["error"])
                return True
            return on_chunk(chunk)

        loaded = self._at_hand()
        if "messages" in query:
            loaded.handle_chat_completions(query, take)
        else:
            loaded.handle_completions(query, take)
        if refused:
            raise self._refused(refused[0])

    def _at_hand(self) -> _Loaded:
        """What is loaded; where nothing is, the file is mapped to be looked at."""
        if self._loaded is None:
            params = self._parameters(_LOOK_TOKENS, 1)
            params.n_parallel = 1
            params.n_gpu_layers = 0
            params.no_extra_bufts = True  # the weights stay as they are in the file
            self._loaded = self._start(params)
            self.ask("/slots")  # answered by its loop, which must run before the model is freed
        return self._loaded

    def _parameters(self, context_tokens: int, threads: int) -> Any:  # noqa: ANN401
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.n_ctx = context_tokens
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.port = 0  # it insists on listening; any free loopback port will do
        params.verbosity = -1
        params.warmup = False  # a first answer does that
        return params

    def _start(self, params: Any) -> _Loaded:  # noqa: ANN401 - the runtime's own parameters
        import xllamacpp

        try:
            loaded: _Loaded = xllamacpp.Server(params)
        except RuntimeError as error:
            raise InputError(
                f"The model in {self.path} fails to load with a context of {params.n_ctx} tokens; "
                "it may be damaged, or need a smaller context, more memory or a newer xllamacpp.",
                setting="context_tokens",
            ) from error
        return loaded

    def _refused(self, error: Mapping[str, Any]) -> InputError:
        if error.get("type") == "exceed_context_size_error":
            return InputError(
                f"The prompt has {error['n_prompt_tokens']} tokens and {self.name} can read at "
                f"most {error['n_ctx']}; use fewer or shorter examples or a larger context.",
                setting="context_tokens",
            )
        return InputError(f"{self.name} refused the request: {error.get('message', error)}.")


def _has_gpu() -> bool:
    """Whether this build of the runtime sees more than processors."""
    import xllamacpp

    return any(device["name"] != "CPU" for device in xllamacpp.get_device_info())
