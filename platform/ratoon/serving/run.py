"""A process that serves until it is told to stop."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ratoon.domain.errors import UsageError

STOPS = (signal.SIGINT, signal.SIGTERM)


def serve(
    app: FastAPI, host: str = "127.0.0.1", port: int = 8080, *, grace: int = 10, started: Callable[[int], None] | None = None
) -> None:
    """Serve `app` until SIGINT or SIGTERM; requests under way are finished first. Call it from the main thread.

    Args:
        port: 0 for any free one.
        grace: the longest wait for requests under way, in seconds.
        started: hears the port once connections are taken (they are answered once the application has started).

    Raises:
        UsageError: the address cannot be listened on.
    """
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=grace, server_header=False, lifespan="on"
    )
    with _listening(host, port) as listener, _quiet_stop():
        if started is not None:
            started(listener.getsockname()[1])
        uvicorn.Server(config).run([listener])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{host}:{port}", expected="an address that is free", found=str(error), fix="Choose another port with --port."
        ) from error


@contextmanager
def _quiet_stop() -> Iterator[None]:
    """Return normally after a stop: uvicorn raises the signal again once it is done, which would end the process."""
    before = {number: signal.signal(number, lambda *_: None) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
