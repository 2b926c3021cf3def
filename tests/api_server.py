"""A real HTTP server on loopback, asynchronous, for hundreds of calls in flight.

It speaks just enough HTTP/1.1 for the clients under test: a body of known length in, one out, and
the connection kept.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Call:
    """One request as it arrived.

    Attributes:
        number: Which one it is, counted from 0.
        path: Path and query.
        headers: Names in lower case.
        body: The JSON sent, or None.
        at: Loop time of arrival.
        left: Loop time when the reply was written, or None.
    """

    number: int
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    left: float | None = None


@dataclass(frozen=True)
class Reply:
    """What goes back.

    Attributes:
        content: JSON, or bytes as they are.
        status: HTTP status.
        headers: More headers.
        after: Seconds before the first byte.
        together: Calls that must have been in flight at once before the first byte, however long
            a busy machine takes to send them; a minute at most.
        stall: Bytes of the body after which nothing more comes; None for all of it.
        cut: Whether the connection is closed after all of it, although more was announced.
        reset: Whether the connection is cut instead of a reply.
    """

    content: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    after: float = 0.0
    together: int = 0
    stall: int | None = None
    cut: bool = False
    reset: bool = False


@dataclass
class Api:
    """The server, and all that it got."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    most_in_flight: int = 0


Answer = Callable[[Call], Reply]


@contextmanager
def serving(answer: Answer) -> Iterator[Api]:
    """Serves ``answer(call)`` on a free port of 127.0.0.1, from a thread of its own."""
    api, loop, started = Api(), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        in_flight = 0

        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal in_flight
            try:
                while True:
                    read = await _read(reader)
                    call = Call(len(api.calls), *read, loop.time())
                    api.calls.append(call)
                    in_flight += 1
                    api.most_in_flight = max(api.most_in_flight, in_flight)
                    try:
                        reply = answer(call)
                        while loop.time() < call.at + 60 and api.most_in_flight < reply.together:
                            await asyncio.sleep(0.01)
                        await _write(writer, _echoing(reply, call))
                    finally:
                        in_flight -= 1
                    call.left = loop.time()
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=2048)
        api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await stop.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    started.wait()
    try:
        yield api
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def _echoing(reply: Reply, call: Call) -> Reply:
    """Adds to an error the headers that came, the key among them, as a debugging proxy would."""
    if reply.status < 400 or not isinstance(reply.content, dict):
        return reply
    return replace(reply, content={**reply.content, "request_headers": call.headers})


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], Any]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in lines)
        if colon
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return first.split(" ")[1], headers, json.loads(body) if body else None


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    await asyncio.sleep(reply.after)
    if reply.reset:
        writer.transport.abort()
        raise ConnectionResetError
    content = reply.content
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    kind = "text/html" if isinstance(content, bytes) else "application/json"
    size = len(data) + reply.cut
    head = [f"HTTP/1.1 {reply.status} X", f"content-type: {kind}", f"content-length: {size}"]
    head += [f"{name}: {value}" for name, value in reply.headers]
    writer.write("\r\n".join([*head, "", ""]).encode() + data[: reply.stall])
    await writer.drain()
    if reply.cut:
        writer.close()
        raise ConnectionResetError
    if reply.stall is not None:
        await asyncio.sleep(3600)
