"""Loads, inspects, calls and frees a GGUF model in this process, with llama.cpp."""

import http.client
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from llm_erm.errors import InputError
from llm_erm.llms.parts import OnRead, joined

Chunks = Callable[[Mapping[str, Any]], bool]
"""Takes the chunks of a stream one by one; returning True ends the stream."""

_TEMPLATE = "/apply-template"
_LOOK_TOKENS = 64
_SETTLE_SECONDS = 600.0
"""Longest wait for a cancelled request; a long prompt on a slow machine takes minutes."""
_BATCH_TOKENS = 512
"""Tokens of a prompt that are computed before the runtime looks whether it should stop."""

_ending: set[threading.Thread] = set()
"""Threads that free a model once its last computation has ended."""


class _Loaded(Protocol):
    """The part of the runtime's interface that is used here."""

    listening_address: str
    """Address at which it also listens for HTTP, from this machine only."""

    def handle_completions(self, prompt: dict[str, Any], callback: Chunks) -> None:
        """Continues a text."""
        ...

    def handle_chat_completions(self, prompt: dict[str, Any], callback: Chunks) -> None:
        """Answers messages in the model's own chat format."""
        ...


class GGUFModel:
    """A model file that is not loaded, loaded for inspection only, or fully loaded.

    Args:
        path: A GGUF file.
        name: Name of the model in messages.
        threads: Number of compute threads.
    """

    def __init__(self, path: Path, name: str, threads: int) -> None:
        self.path = path
        self.name = name
        self._threads = threads
        self._loaded: _Loaded | None = None
        self._has_bad_template = False

    @property
    def address(self) -> str:
        """Address at which the model also listens for HTTP, as ``http://127.0.0.1:<port>``."""
        return self._at_hand().listening_address

    def load(self, *, context_tokens: int, parallel: int, long_prompts: bool = False) -> None:
        """Loads the model to answer; frees what was loaded before.

        Args:
            context_tokens: Maximum number of tokens of all texts processed together.
            parallel: Maximum number of texts processed together.
            long_prompts: Whether prompts have thousands of tokens; attention is then computed in a
                way that is faster for them, and rounds differently.

        Raises:
            InputError: The file fails to load.
        """
        self.unload()
        params = self._parameters(context_tokens, self._threads)
        params.n_parallel = parallel
        params.kv_unified = True  # one prompt's cache serves all samples of a batch
        if long_prompts and not _has_gpu():
            # On CPUs, flash attention takes nearly twice as long for 50 tokens after 5,000.
            import xllamacpp

            off = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
            params.flash_attn_type = off
        with _signals_later():
            self._loaded = self._start(params)
            self.stream({"prompt": "x", "n_predict": 1, "stream": True}, lambda chunk: False)

    def unload(self) -> None:
        """Frees the memory."""
        self._loaded = None

    def ask(
        self, path: str, body: Mapping[str, Any] | None = None, on_read: OnRead | None = None
    ) -> Any:  # noqa: ANN401
        """Returns the model's JSON response to a request; an interrupt cancels the work.

        If nothing is loaded, maps the file with a tiny context, which is enough to describe the
        model and its vocabulary.

        Args:
            path: What is asked for, such as ``/completion``.
            body: The question; None for what has none.
            on_read: Told of every part of a prompt that is read, for ``/completion`` alone.

        Raises:
            InputError: The request is refused or the file fails to load.
        """
        loaded = self._at_hand()
        if path == _TEMPLATE:
            self._check_template()
        try:
            status, answer = _response(loaded, path, body, on_read)
        except BaseException:
            self._loaded = None
            free_later(lambda: _settle(loaded))
            raise
        if status != http.client.OK:
            raise self._refused(answer["error"])
        return answer

    def stream(self, query: dict[str, Any], on_chunk: Chunks) -> None:
        """Passes the chunks of an answer to ``on_chunk`` until it returns True.

        Args:
            query: Contains ``messages`` to answer in the model's own chat format, or a ``prompt``
                to continue.
            on_chunk: Called from the compute thread.

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
            self._check_template()
            loaded.handle_chat_completions(query, take)
        else:
            loaded.handle_completions(query, take)
        if refused:
            raise self._refused(refused[0])

    def _at_hand(self) -> _Loaded:
        """Returns the loaded model; if nothing is loaded, loads it for inspection only."""
        if self._loaded is None:
            params = self._parameters(_LOOK_TOKENS, 1)
            params.n_parallel = 1
            params.n_gpu_layers = 0
            params.no_extra_bufts = True  # the weights stay as they are in the file
            with _signals_later():
                self._loaded = self._start(params)
                self.ask("/slots")
        return self._loaded

    def _parameters(self, context_tokens: int, threads: int) -> Any:  # noqa: ANN401
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.n_ctx = context_tokens
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        if not _has_gpu():  # slow; it computes larger batches in parts of this size anyway
            params.n_batch = _BATCH_TOKENS
        params.port = 0  # it always listens; any free loopback port will do
        params.verbosity = -1
        params.warmup = False  # the first answer does that
        return params

    def _start(self, params: Any) -> _Loaded:  # noqa: ANN401 - the runtime's own parameters
        import xllamacpp

        self._has_bad_template = False
        try:
            loaded: _Loaded = xllamacpp.Server(params)
        except RuntimeError as error:
            # It also fails if it cannot render the file's chat template, which may not be needed.
            params.chat_template = "chatml"
            with suppress(RuntimeError):
                loaded = xllamacpp.Server(params)
                self._has_bad_template = True
                return loaded
            raise InputError(
                f"The model in {self.path} fails to load with a context of {params.n_ctx} tokens; "
                "it may be damaged, or need a smaller context, more memory or a newer xllamacpp.",
                setting="context_tokens",
            ) from error
        return loaded

    def _check_template(self) -> None:
        if self._has_bad_template:
            raise InputError(
                f"The chat template in {self.path} cannot be rendered by llama.cpp; use a file "
                "with another template, or leave the template out where that is possible.",
                setting="raw_prompt",
            )

    def _refused(self, error: Mapping[str, Any]) -> InputError:
        if error.get("type") == "exceed_context_size_error":
            return InputError(
                f"The prompt has {error['n_prompt_tokens']} tokens, but {self.name} can read at "
                f"most {error['n_ctx']}; use fewer or shorter examples or a larger context.",
                setting="context_tokens",
            )
        return InputError(f"{self.name} refused the request: {error.get('message', error)}.")


def free_later(wait: Callable[[], object]) -> None:
    """Calls a function in a thread of its own: it waits for a computation and frees its model.

    A program that ends waits for that thread; see ``still_computing``.
    """

    def run() -> None:
        try:
            wait()
        finally:
            _ending.discard(threading.current_thread())

    thread = threading.Thread(target=run, name="free a model")
    _ending.add(thread)
    thread.start()


def still_computing() -> bool:
    """Returns whether a model computes something that nobody wants any more."""
    return bool(_ending)


def _response(
    loaded: _Loaded,
    path: str,
    body: Mapping[str, Any] | None = None,
    on_read: OnRead | None = None,
    timeout_seconds: float | None = None,
) -> tuple[int, Any]:
    """Returns the status and the JSON content of a response; an interrupt cancels the request."""
    if on_read is not None:
        body = {**(body or {}), "stream": True, "return_progress": True}
    address = loaded.listening_address.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=timeout_seconds)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            connection.request(
                "POST", path, json.dumps(body), headers={"content-type": "application/json"}
            )
        response = connection.getresponse()
        if on_read is None or response.status != http.client.OK:
            return response.status, json.loads(response.read())
        return joined(response, on_read)
    finally:
        connection.close()


def _settle(loaded: _Loaded) -> None:
    """Waits until a cancelled request has ended: freed before, the runtime hangs."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    with suppress(TimeoutError):
        while (left := deadline - time.monotonic()) > 0 and any(
            slot["is_processing"] for slot in _response(loaded, "/slots", timeout_seconds=left)[1]
        ):
            time.sleep(0.05)
    time.sleep(0.1)  # the request's own thread ends after its slot


@contextmanager
def _signals_later() -> Iterator[None]:
    """Holds back Ctrl-C and SIGTERM.

    Freed before its loop runs, as an interrupt would have it, the runtime hangs. Threads that start
    meanwhile, which are the runtime's, never get these signals.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_gpu() -> bool:
    """Returns whether this build of the runtime can use more than CPUs."""
    import xllamacpp

    return any(device["name"] != "CPU" for device in xllamacpp.get_device_info())
