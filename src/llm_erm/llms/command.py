"""A program as a model: a call starts it once; the prompt goes in, the answer comes out."""

import asyncio
import errno
import hashlib
import shlex
import shutil
import sys
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from llm_erm.errors import InputError, ProviderError
from llm_erm.llms.budget import Budget
from llm_erm.llms.command_process import MOST_OUTPUT_BYTES, Ended, run
from llm_erm.llms.in_flight import in_flight
from llm_erm.llms.llm import LLM, Completion, FinishReason, Request
from llm_erm.secrets import redact, without_keys

SHOWN_ERROR_CHARACTERS = 300
"""What is shown of the end of stderr."""

_NO_ROOM = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Why a program may fail to start now and start later."""


@dataclass(frozen=True)
class CommandModel:
    """What shapes the answers of a command.

    Attributes:
        name: ``command:`` and the program's name.
        command: The whole command line, without keys.
    """

    name: str
    command: str


class CommandLLM(LLM):
    """A program that reads a prompt from its standard input and prints an answer.

    The command line is split into words as a shell would, but no shell runs it: ``|``, ``>``, ``$``
    and ``*`` are nothing special. Within the words, ``{index}`` stands for the index of the sample
    and ``{seed}`` for its seed. The program runs in an empty folder of its own, with the
    environment of this process and without a terminal.

    Exit status 0 with a text is an answer. A program that fails, prints nothing, prints too much or
    takes too long is a completion with ``finish_reason="error"``: it may have been billed. A model
    behind a command cannot be held to a grammar or a number of tokens, and nobody knows what it
    costs.

    Args:
        command: The command line.
        timeout_seconds: Wall time of a call, at most; then the program and all that it started is
            ended.
        concurrency: Maximum number of programs at a time, for all requests together.
        speculative: Maximum number of samples per request that are in flight or not yet settled.

    Raises:
        InputError: The command line is empty, or its quotation marks are not closed.
        ProviderError: There is no such program, or it may not be executed.
    """

    concurrent = True
    """Calls of several searches wait for the same places."""
    reads_files = True
    """Nobody knows what a program reads."""

    def __init__(
        self,
        command: str,
        timeout_seconds: float = 1200.0,
        concurrency: int = 5,
        speculative: int = 1,
    ) -> None:
        if sys.platform == "win32":
            raise InputError(
                "A command can be the model on Linux and macOS only; name another provider.",
                setting="provider",
            )
        self._given = (command, timeout_seconds, concurrency, speculative)
        words = _words(command)
        self._shown = shlex.join(without_keys(words, sent=True))
        self._name = f"command:{Path(words[0]).name}"
        self._words = [_found(words[0]), *words[1:]]
        self._timeout_seconds = timeout_seconds
        self._concurrency = concurrency
        self._speculative = speculative
        self._threads: ThreadPoolExecutor | None = None
        self._budget = Budget()

    def __reduce__(self) -> tuple[type["CommandLLM"], tuple[Any, ...]]:
        """Returns how another process makes the same model."""
        return CommandLLM, self._given

    @property
    def name(self) -> str:
        """``command:`` and the program's name."""
        return self._name

    @property
    def described(self) -> object:
        """The command line, without keys."""
        return CommandModel(self._name, self._shown)

    @property
    def address(self) -> str:
        """The program's path."""
        return self._words[0]

    @property
    def budget(self) -> Budget:
        """A budget without limits: calls may cost something, but nobody counts it."""
        return self._budget

    def complete(self, request: Request) -> AsyncGenerator[Completion]:
        """Yields the samples of ``request`` as they arrive.

        At most ``speculative`` samples are in flight or not yet settled.

        Raises:
            ProviderError: The program can no longer be started.
        """
        return in_flight(request, self._speculative, self._answer)

    async def aclose(self) -> None:
        """Frees the threads that wait for programs, until the next request."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False)

    async def _answer(self, request: Request, index: int, arrived: list[Completion]) -> None:
        """Draws one sample and appends it to ``arrived``, even if it is cancelled in flight."""
        self._threads = self._threads or ThreadPoolExecutor(self._concurrency, "command")
        stop = threading.Event()
        words, text = _filled(self._words, request.seed, index), request.prompt.encode()
        call = self._threads.submit(run, words, text, self._timeout_seconds, stop)
        try:
            ended = await asyncio.shield(asyncio.wrap_future(call))
        except asyncio.CancelledError:
            if not call.cancel():  # it has begun
                stop.set()
                await self._given_up(call, index, arrived)
            raise
        except OSError as error:
            arrived.append(self._not_started(error, index))
            return
        arrived.append(self._completion(index, ended))

    async def _given_up(self, call: "Future[Ended]", index: int, arrived: list[Completion]) -> None:
        """Waits until a program has been ended; it may have answered before."""
        try:
            ended = await asyncio.wrap_future(call)
        except OSError:
            return  # it never ran
        arrived.append(self._completion(index, ended))

    def _completion(self, index: int, ended: Ended) -> Completion:
        text = ended.output.decode("utf-8", "replace")
        make = partial(Completion, index, latency_seconds=ended.seconds)
        fault = self._fault(ended, text)
        if ended.how == "stopped":
            return make("", finish_reason="cancelled", error="given up in flight")
        reason: FinishReason = "stop" if fault is None else "error"
        kept = text if ended.how == "exited" else ""
        return make(kept, finish_reason=reason, error=fault)

    def _fault(self, ended: Ended, text: str) -> str | None:
        """Returns why there is no answer, or None."""
        match ended.how:
            case "late":
                fault = f"{self._name} took longer than {self._timeout_seconds:g} s, the time limit"
            case "too long":
                fault = f"{self._name} printed more than {MOST_OUTPUT_BYTES:,} bytes"
            case _ if ended.status is not None and ended.status < 0:
                fault = f"{self._name} was ended by signal {-ended.status}"
            case _ if ended.status:
                fault = f"{self._name} ended with status {ended.status}"
            case _ if not text.strip():
                fault = f"{self._name} printed nothing"
            case _:
                return None
        if ended.status is None:
            fault += ", and could not be ended"
        said = _shown(ended.errors)
        return f"{fault}{f' ({said})' if said else ''}{self._relative(ended)}"

    def _relative(self, ended: Ended) -> str:
        """Returns a hint at arguments that name a file of this folder, where no command runs."""
        there = [word for word in self._words[1:] if not Path(word).is_absolute()]
        named = [word for word in there if _is_file(word)]
        if not (ended.how == "exited" and ended.status and named):
            return ""
        return (
            f"; it runs in an empty folder, so give {named[0]!r:.60} as a whole path if that is "
            "the file meant"
        )

    def _not_started(self, error: OSError, index: int) -> Completion:
        """Returns what became of a call whose program did not start.

        Raises:
            ProviderError: No other call can start it either.
        """
        if error.errno in _NO_ROOM:
            why = f"{self._name} could not be started ({error.strerror})"
            return Completion(index, "", finish_reason="unanswered", error=why)
        raise ProviderError(
            f"{self._words[0]} cannot be started ({error.strerror}); check that it is still there "
            "and that it is a program, or a script that begins with #! and what runs it.",
            setting="command",
        ) from error


def sample_seed(seed: int, index: int) -> int:
    """Returns the seed of a sample: a hash, so that no two samples of any series share one."""
    digest = hashlib.sha256(f"{seed}|index={index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def _words(command: str) -> list[str]:
    """Returns the words of a command line.

    Raises:
        InputError: There are none, or they cannot be told apart.
    """
    example = "give a command line, such as 'claude -p'"
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise InputError(
            f"The command {redact(command)!r:.80} cannot be split into words "
            f"({str(error)[:1].lower()}{str(error)[1:]}); close its quotation marks, or write a "
            "backslash before one that is meant.",
            setting="command",
        ) from None
    if not words or not words[0]:
        raise InputError(f"The command is empty; {example}.", setting="command")
    if "\0" in command:
        raise InputError(f"The command contains a zero character; {example}.", setting="command")
    return words


def _found(program: str) -> str:
    """Returns the absolute path of a program.

    Raises:
        ProviderError: There is none, or it may not be executed.
    """
    if (path := shutil.which(program)) is not None:
        return str(Path(path).absolute())
    if Path(program).name == program:
        raise ProviderError(
            f"There is no program {program!r:.80} in the folders of PATH; install it, or give its "
            "whole path.",
            setting="command",
        )
    if Path(program).is_file():
        raise ProviderError(
            f"{program} may not be executed; make it executable with chmod +x, or name what runs "
            f"it, as in 'python {program}'.",
            setting="command",
        )
    raise ProviderError(f"There is no program {program}; check its path.", setting="command")


def _filled(words: list[str], seed: int, index: int) -> list[str]:
    """Returns the words for one sample; all other braces are left as they are, as JSON has them."""
    values = {"{index}": str(index), "{seed}": str(sample_seed(seed, index))}
    filled = []
    for word in words:
        for place, value in values.items():
            word = word.replace(place, value)
        filled.append(word)
    return filled


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):
        return False


def _shown(errors: bytes) -> str:
    """Returns the end of what a program printed to stderr, on one line that is safe to print."""
    text = " ".join(redact(errors.decode("utf-8", "replace")).split())
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    cut = text[-SHOWN_ERROR_CHARACTERS:]
    return cut if cut == text else f"…{cut}"
