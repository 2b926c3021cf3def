"""Connects this process to a Ray cluster, or starts one of this machine alone."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from llm_erm.errors import InputError, MissingExtraError

CONNECT_SECONDS = 10.0
"""Time to connect to the address of a cluster."""


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Yields the module ``ray``, connected to a cluster; disconnects only what it connected.

    Raises:
        InputError: There is no cluster at the address.
        MissingExtraError: Ray is not installed.
    """
    ray = import_ray()
    if ray.is_initialized():
        if address is not None:
            raise InputError(
                f"This process is connected to a Ray cluster already, so it cannot use "
                f"{address!r}; omit the address, or call ray.shutdown() first.",
                setting="ray_address",
            )
        yield ray
        return
    environment = os.environ  # noqa: TID251 - Ray reads it when it starts
    environment.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    own: dict[str, Any] = {"include_dashboard": False}
    try:
        ray.init(
            address=address or "local",
            **({} if address else own),
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        if address == "auto" and isinstance(error, ConnectionError):
            raise InputError(
                "No Ray cluster runs on this machine; start one with `ray start --head`, or give "
                "the HOST:PORT of one that runs elsewhere.",
                setting="ray_address",
            ) from error
        cause = error.__cause__ or error.__context__ or error
        where = "Ray cannot start" if address is None else f"Cannot connect to Ray at {address!r}"
        raise InputError(
            f"{where}: {str(cause).splitlines()[0].rstrip('.')}; `ray status` shows whether a "
            "cluster runs here, and RAY_AUTH_MODE=token is for one that asks for a token.",
            setting="ray_address",
        ) from error
    try:
        if in_main_thread:  # Ray's own handler would end the process at once
            signal.signal(signal.SIGTERM, handler)
        with _printing_nothing():
            yield ray
    finally:
        ray.shutdown()


@contextmanager
def _printing_nothing() -> Iterator[None]:
    """Keeps Ray from printing pages about a lost node to stdout, which is for results.

    No setting of Ray does that (2.60); a run itself says what is lost.
    """
    from ray._private import worker

    before = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = before


def stay_connected(address: str) -> None:
    """Connects this process to a cluster until it ends, unless it is connected to one.

    The cluster keeps the processes that it started for a connection, so later runs begin sooner.

    Raises:
        InputError: There is no cluster at the address.
        MissingExtraError: Ray is not installed.
    """
    if import_ray().is_initialized():
        return
    from multiprocessing.util import Finalize

    opened = ExitStack()
    opened.enter_context(connected(address))
    Finalize(None, opened.close, exitpriority=0)  # pool processes exit without `atexit`


def import_ray() -> Any:  # noqa: ANN401 - a module
    """Returns the module ``ray``.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError(
            "A cluster needs Ray; install it with: pip install 'llm-erm[distributed]'"
        ) from None
    logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)  # says what it found
    return ray


def check_reachable(address: str) -> None:
    """Checks that something listens at an address; Ray itself tries for five minutes.

    Raises:
        InputError: Nothing does, or it is no address.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or "/" in host:
        raise InputError(
            f"The address {address!r:.80} of the cluster is not HOST:PORT, as `ray start --head` "
            "prints it; give that, or auto on a machine of the cluster.",
            setting="ray_address",
        )
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"Cannot connect to Ray at {address!r}: {error}; give HOST:PORT as `ray start --head` "
            "prints it, or auto on a machine of the cluster.",
            setting="ray_address",
        ) from error
