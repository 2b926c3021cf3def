"""Serves a search to an agent by the Model Context Protocol, over standard input and output."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from llm_erm.errors import LLMERMError, MissingExtraError
from llm_erm.phrases import listed
from llm_erm.runs.stopping import stopping_at_sigterm
from llm_erm.synthesis.code_tool import NAME, OUTPUT_BYTES, SECONDS
from llm_erm.synthesis.submissions import Submissions
from llm_erm.version import VERSION

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult, Tool

INSTRUCTIONS = """\
A task is to find the rule behind labelled examples, and to write it as a short Python function. \
Call describe_task first. Submissions are limited; how a program does on the examples can be tried \
with run_python before it is submitted. Call finish at the end: it selects one of the submitted \
programs, and says what is known of its error on new inputs."""
WAKE_SECONDS = 0.5
"""How long a signal may wait to be noticed, at most."""


def require_mcp() -> None:
    """Checks that the protocol's package is installed.

    Raises:
        MissingExtraError: It is not.
    """
    try:
        import mcp.server.lowlevel  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "Serving a task to an agent needs the package mcp, which is not installed; run: "
            "pip install 'llm-erm[mcp]'"
        ) from error


def serve(submissions: Submissions) -> None:
    """Answers a client until it closes standard input.

    While it does, whatever else this process prints to standard output goes to standard error.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM came. Submissions are on disk.
    """
    crashed: list[BaseException] = []
    wanted: Queue[tuple[Future[str], Callable[[], str]]] = Queue()

    async def finish() -> str:
        done: Future[str] = Future()
        wanted.put((done, submissions.finish))
        return await asyncio.wrap_future(done)

    async def answer() -> None:
        from mcp.server.stdio import stdio_server

        server = _server(submissions, finish, crashed)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    # A thread that waits for input keeps the process alive unless it, and whoever began it, is a
    # daemon. The main thread, where signals arrive, does the run, which then stops like any other.
    serving = threading.Thread(target=lambda: asyncio.run(answer()), name="mcp", daemon=True)
    with stopping_at_sigterm():
        serving.start()
        while serving.is_alive():
            with suppress(Empty):
                _settle(*wanted.get(timeout=WAKE_SECONDS))
    for bug in crashed:
        raise bug


def _settle(done: Future[str], call: Callable[[], str]) -> None:
    """Makes a call for another thread, unless that has gone."""
    if done.set_running_or_notify_cancel():
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001 - whoever waits for the call handles it
            done.set_exception(error)


def _server(
    submissions: Submissions, finish: Callable[[], Awaitable[str]], crashed: list[BaseException]
) -> "Server[Any]":
    """Returns the server of one search.

    Args:
        submissions: The search.
        finish: Ends it.
        crashed: Receives errors that are bugs. The agent must not see them, since they may quote
            data.
    """
    import anyio.to_thread
    import mcp_types as types
    from mcp.server.lowlevel import Server
    from mcp.shared.exceptions import MCPError

    def in_thread(call: Callable[..., str]) -> Callable[..., Awaitable[str]]:
        return lambda **given: anyio.to_thread.run_sync(partial(call, **given))

    program = "Python code that defines f(x)."
    tools: dict[str, tuple[types.Tool, Callable[..., Awaitable[str]]]] = {
        tool.name: (tool, call)
        for tool, call in (
            (_tool("describe_task", _DESCRIBE), in_thread(submissions.describe_task)),
            (_tool(NAME, _RUN, code="Python code."), in_thread(submissions.run_python)),
            (_tool("submit", _SUBMIT, program=program), in_thread(submissions.submit)),
            (_tool("finish", _FINISH), finish),
        )
    }

    async def list_tools(_: object, __: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool for tool, _ in tools.values()])

    async def call_tool(_: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool, call = tools.get(params.name, (None, None))
        given = params.arguments or {}
        if tool is None or call is None:
            return _said(f"There is no tool {params.name!r:.80}; {_there_are(tools)}", wrong=True)
        if (fault := _fault(tool, given)) is not None:
            return _said(fault, wrong=True)
        try:
            return _said(await call(**given))
        except LLMERMError as error:
            return _said(str(error), wrong=True)
        except Exception as error:  # noqa: BLE001 - or the protocol's package sends its text
            crashed.append(error)
            return _said(
                "The server failed; whoever started it finds out when it ends.", wrong=True
            )

    async def answered(ctx: Any, call_next: Any) -> Any:  # noqa: ANN401 - the package's types
        try:
            return await call_next(ctx)
        except MCPError as error:
            if error.error.code != types.METHOD_NOT_FOUND:
                raise
            text = f"This server has no {ctx.method!r:.80}; {_there_are(tools)}"
            raise MCPError(code=types.METHOD_NOT_FOUND, message=text) from None

    server: Server[Any] = Server(
        "llm-erm",
        version=VERSION,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.middleware.append(answered)
    return server


_DESCRIBE = """\
Tells the task: what the inputs and labels are, the labelled examples, the rules, and how many \
submissions are left."""
_RUN = f"""\
Runs Python code in a sandbox and returns what it prints, and the value of a last line that is an \
expression. `examples` is the list of labelled examples as (x, y) pairs: x a string, y an int. \
numpy and sympy are there; files and the network are not. Every call starts afresh; it may take \
{SECONDS:g} seconds and print {OUTPUT_BYTES:,} characters. Calls are not limited in number."""
_SUBMIT = """\
Submits a program, one of the few that may be submitted. The reply says how it does on the \
labelled examples, and how many submissions are left."""
_FINISH = """\
Ends the task: selects one of the submitted programs by data that you have not seen, and says \
which one, and what is known of its error on new inputs. Nothing can be submitted after that."""


def _tool(name: str, description: str, **texts: str) -> "Tool":
    """Returns what a client is told of a tool whose arguments are texts, with their meanings."""
    from mcp_types import Tool

    properties = {key: {"type": "string", "description": about} for key, about in texts.items()}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(texts),
        "additionalProperties": False,
    }
    return Tool(name=name, description=description, input_schema=schema)


def _fault(tool: "Tool", given: Mapping[str, object]) -> str | None:
    """Returns a sentence on arguments that a tool does not take, or None."""
    (*names,) = tool.input_schema["properties"]
    if given.keys() == set(names) and all(isinstance(text, str) for text in given.values()):
        return None
    takes = f"takes one argument, the text {names[0]!r}" if names else "takes no arguments"
    got = [f"{key!r:.40} ({type(value).__name__})" for key, value in [*given.items()][:5]]
    return f"{tool.name} {takes}, but got {listed(got) or 'none'}."


def _there_are(tools: Collection[str]) -> str:
    return f"there are only the tools {listed([*tools])}."


def _said(text: str, *, wrong: bool = False) -> "CallToolResult":
    from mcp_types import CallToolResult, TextContent

    readable = text.encode("utf-8", "replace").decode()
    return CallToolResult(content=[TextContent(type="text", text=readable)], is_error=wrong)
