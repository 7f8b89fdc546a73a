"""A server for a home: one process, or a parent and its workers."""

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from ratoon.adopt import Slot
from ratoon.config import Settings
from ratoon.config.sections import Serving
from ratoon.domain.errors import UsageError
from ratoon.serving import logs
from ratoon.serving.board import Place
from ratoon.serving.keys import KeyFile, listening
from ratoon.serving.metrics import Shared
from ratoon.serving.opening import Among, open_app, prepare_all
from ratoon.serving.processes.certificates import Certificate
from ratoon.serving.processes.terms import Terms
from ratoon.serving.run import Started, serve, serve_by_workers
from ratoon.serving.spared import spare_pandas
from ratoon.serving.tracing import exporter
from ratoon.wiring import House

MEMORY = Path("/dev/shm")


def serve_home(
    settings: Settings, host: str, port: int, workers: int, *, insecure: bool = False, started: Started | None = None
) -> int:
    """Serve the home that `settings` name until SIGINT or SIGTERM; the exit code.

    Args:
        insecure: listen where others can reach it, with neither keys nor TLS.

    Raises:
        UsageError: it must not or cannot listen there.
    """
    spare_pandas()
    wanted = settings.serving.model_copy(update={"host": host, "port": port, "workers": workers})
    settings = settings.model_copy(update={"serving": wanted})
    logs.configure(wanted.log_level, None if wanted.log_format == "auto" else wanted.log_format == "json")
    if settings.tracing.address:
        exporter()  # so that workers find it, and not each of them that it is missing
    certificate = _certificate(wanted)
    has_keys = bool(KeyFile(settings.paths.home).all())
    listening(host, has_keys=has_keys, has_tls=certificate is not None, insecure=insecure)
    terms = Terms(queue_ms=wanted.queue_ms, client_seconds=wanted.client_seconds, drain_seconds=wanted.drain_seconds)
    if workers == 1:
        return serve(open_app(House(settings, answers=True)), host, port, terms=terms, certificate=certificate, started=started)
    with tempfile.TemporaryDirectory(prefix="ratoon-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        opened, look = _before_the_fork(settings, Path(folder))
        return serve_by_workers(opened, workers, host, port, terms=terms, certificate=certificate, look=look, started=started)


def _certificate(wanted: Serving) -> Certificate | None:
    if bool(wanted.certificate) != bool(wanted.private_key):
        raise UsageError(
            "[serving]",
            expected="both of `certificate` and `private_key`, or neither",
            found="one",
            fix="Name the other one, too.",
        )
    return Certificate(Path(wanted.certificate), Path(wanted.private_key)) if wanted.certificate else None


def _before_the_fork(settings: Settings, folder: Path) -> tuple[Callable[[Place], FastAPI], Callable[[], object]]:
    """What opens a worker's application, and what is to be done in the parent now and then."""
    parent = House(settings, answers=True)
    prepared = prepare_all(parent)
    gc.collect()
    gc.freeze()  # a collection in a worker would write to every object, and so copy its page

    def opened(place: Place) -> FastAPI:
        shared = Shared(folder, str(place.number), time.time)
        return open_app(House(settings, answers=True), Among(place, prepared, shared))

    return opened, _Letting(parent, prepared, settings.serving.poll_seconds)


class _Letting:
    """Lets the parent's copy of a release go once another one is current: no worker will be forked to serve it."""

    def __init__(self, house: House, prepared: dict[str, Slot], seconds: float) -> None:
        self._house, self._prepared, self._seconds = house, prepared, seconds
        self._due = 0.0

    def __call__(self) -> None:
        if not self._prepared or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self._seconds
        for name, slot in list(self._prepared.items()):
            current = self._house.registry(name).current()
            if current is None or current.id != slot.release.id:
                del self._prepared[name]
