"""A client of the retrieval API that counts every failed request, and a second one that never stops asking."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyarrow as pa

from ratoon.domain.errors import StoreError, UsageError

ONE = ("event_id", "kind", "user_id", "item_id", "type", "value")


@dataclass
class Api:
    """The API at `url`.

    Attributes:
        failed: requests that did not get a 2xx answer, from here and from `asking`.
        sent: all requests.
    """

    url: str
    sent: int = 0
    failed: int = 0
    mixed: int = 0
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=30.0))

    def retrieve(self, user_id: str, **more: Any) -> dict[str, Any]:
        """`POST /v1/retrieve`."""
        return self._call("POST", "/v1/retrieve", {"user_id": user_id, **more})

    def items(self, user_id: str, surface: str, k: int, **more: Any) -> list[str]:
        """The candidates' ids."""
        return [one["item_id"] for one in self.retrieve(user_id, k=k, surface=surface, **more)["candidates"]]

    def post(self, events: pa.Table) -> None:
        """`POST /v1/events` with events (EVENT_SCHEMA) in order."""
        if events.num_rows:
            self._call("POST", "/v1/events", {"events": [event_body(row) for row in events.to_pylist()]})

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Any request; a failure is counted and raised."""
        return self._call(method, path, body)

    def await_release(self, surface: str, sequence: int, seconds: float = 30.0) -> None:
        """Wait until the server answers from a release at least this new."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._call("GET", f"/v1/releases/current?surface={surface}", None)["sequence"] >= sequence:
                return
            time.sleep(0.05)
        raise StoreError(
            f"surface {surface!r}",
            expected=f"release {sequence} served within {seconds:.0f} s",
            found="an older one",
            fix="Look at the server's log.",
        )

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        self.sent += 1
        try:
            answer = self.http.request(method, self.url + path, json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self.failed += 1
            detail = error.response.text if isinstance(error, httpx.HTTPStatusError) else repr(error)
            raise StoreError(
                f"{method} {path}", expected="an answer 2xx", found=detail, fix="Look at the server's log."
            ) from error
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def asking(api: Api, user_id: str, surface: str = "default", pause: float = 0.1) -> Iterator[None]:
    """Ask for one user's candidates again and again while the body runs; failures are counted in `api`."""
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=30.0) as http:
            while not stop.wait(pause):
                api.sent += 1
                try:
                    http.post(api.url + "/v1/retrieve", json={"user_id": user_id, "surface": surface}).raise_for_status()
                except httpx.HTTPError:
                    api.failed += 1

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def unused(port: int) -> None:
    """Make sure that nothing listens on this port of 127.0.0.1: it would be asked instead, and given the events.

    Raises:
        UsageError: something does.
    """
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as error:
        fix = "Choose another one with --port, or PORT= of make."
        raise UsageError("--port", expected="a port that is free", found=f"{port}: {error}", fix=fix) from error


@contextmanager
def server(port: int, environment: Mapping[str, str], seconds: float = 60.0) -> Iterator[tuple[Api, subprocess.Popen[bytes]]]:
    """`ratoon serve` in a process of its own, ready to answer; stopped at the end."""
    unused(port)
    port = port or _free_port()
    command = [sys.executable, "-m", "ratoon", "serve", "--port", str(port)]
    process = subprocess.Popen(command, env=dict(environment))
    api = Api(f"http://127.0.0.1:{port}")
    try:
        _ready(api, process, seconds)
        yield api, process
    finally:
        api.http.close()
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _ready(api: Api, process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if api.http.get(api.url + "/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise StoreError(
        "ratoon serve",
        expected=f"ready on {api.url} within {seconds:.0f} s",
        found="exited" if process.poll() is not None else "not ready",
        fix="Read what it printed; is the port taken?",
    )


def event_body(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of EVENT_SCHEMA as `POST /v1/events` takes it."""
    event = {name: row[name] for name in ONE if row[name] is not None}
    event["event_timestamp"] = row["event_timestamp"].isoformat()
    if row["features"]:
        event["features"] = json.loads(row["features"])
    return event


def in_order(events: pa.Table) -> Sequence[int]:
    """Positions of the interactions among `events`."""
    kinds = events.column("kind").to_pylist()
    return [position for position, kind in enumerate(kinds) if kind == "interaction"]
