"""Processes that serve until they are told to stop."""

import asyncio
import itertools
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from time import monotonic

import uvicorn
from fastapi import FastAPI

from ratoon.domain.errors import UsageError
from ratoon.serving.around.pressure import Pressure
from ratoon.serving.board import Place
from ratoon.serving.processes.arriving import BACKLOG, Arrivals, Handed, Listening
from ratoon.serving.processes.certificates import Certificate
from ratoon.serving.processes.connection import Around
from ratoon.serving.processes.stopping import Server
from ratoon.serving.processes.terms import Terms
from ratoon.serving.processes.workers import Workers

Started = Callable[[int], None]
"""Hears the port once connections are taken; they are answered once the application has started."""

AS_USUAL = Terms()

SWITCH_SECONDS = 0.0005
"""How long a thread beside the event loop may keep the interpreter once the loop wants it back. The loop lets go of it at every
system call and every step of SQLite, so a tenth of Python's usual 5 ms is waited for several times in an answer."""

logger = logging.getLogger("ratoon.serving")


def serve(
    app: FastAPI,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    terms: Terms = AS_USUAL,
    certificate: Certificate | None = None,
    started: Started | None = None,
) -> int:
    """Serve `app` in this process until SIGINT or SIGTERM; call it from the main thread.

    At the first signal it is not ready any more and asks its callers to go, for `terms.drain_seconds` or until they have gone;
    then it finishes what is under way. A second signal ends the process at once.

    Args:
        app: as `create_app` makes it.
        port: 0 for any free one.

    Returns:
        0, or 1 if requests had to be cut off.

    Raises:
        UsageError: the address cannot be listened on.
    """
    with _bound(host, port) as listener:
        _tell(listener, certificate, started)
        return _run(app, Listening(listener, _tls(certificate)), terms, certificate, lambda: None)


def serve_by_workers(
    opened: Callable[[Place], FastAPI],
    count: int,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    terms: Terms = AS_USUAL,
    certificate: Certificate | None = None,
    look: Callable[[], object] = lambda: None,
    started: Started | None = None,
) -> int:
    """Serve by so many processes, forked from this one, in which nothing may hold a thread or a connection; as `serve` does.

    Args:
        opened: makes the application of the worker in a place, after the fork.
        look: called a few times a second in this process.

    Returns:
        0 if every worker ended well after the signal; 1 otherwise.
    """

    def work(place: Place, control: socket.socket) -> int:
        app = opened(place)
        arrivals = Handed(control, app.state.draining, _tls(certificate))
        return _run(app, arrivals, terms, certificate, place.close)

    with _bound(host, port) as listener:
        _tell(listener, certificate, started)
        return Workers(listener, count, work, terms, look).run()


def _run(app: FastAPI, arrivals: Arrivals, terms: Terms, certificate: Certificate | None, closed: Callable[[], object]) -> int:
    prefix, numbers = os.urandom(6).hex(), itertools.count(1)
    metrics = app.state.metrics
    pressure = Pressure(monotonic, lambda reason: metrics.shed.labels(reason).inc(), terms.queue_ms)
    around = Around(terms, pressure, app.state.draining, lambda: f"{prefix}-{next(numbers)}", closed, metrics.unread)
    config = uvicorn.Config(
        app,
        log_config=None,  # `logs.configure` says how lines look
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        ws="none",
        http="httptools",
        loop="uvloop",
    )
    if certificate is not None:
        signal.signal(signal.SIGHUP, lambda *_: certificate.reload())
    server = Server(config, around, arrivals)
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve())
    return 1 if server.cut else 0


def _tell(listener: socket.socket, certificate: Certificate | None, started: Started | None) -> None:
    host, port, *_ = listener.getsockname()
    shown = f"[{host}]" if ":" in host else host
    logger.info("listening on %s://%s:%d", "http" if certificate is None else "https", shown, port)
    if started is not None:
        started(port)


def _tls(certificate: Certificate | None) -> ssl.SSLContext | None:
    return None if certificate is None else certificate.context


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"{host}:{port}", expected="an address that is free", found=str(error), fix="Choose another port with --port."
        ) from error
