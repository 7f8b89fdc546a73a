"""The clients: calls over kept connections, in a thread or in an event loop."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

import httpx

from ratoon.client.call import Call, Json, OnSurface, Options, checked, jsonable, made_id, said, segment
from ratoon.client.errors import ClientError, Unreachable, Unreadable, problem
from ratoon.client.generated.changing.awaited import AsyncChanging
from ratoon.client.generated.changing.calls import Changing
from ratoon.client.generated.operating.awaited import AsyncOperating
from ratoon.client.generated.operating.calls import Operating
from ratoon.client.generated.retrieving.awaited import AsyncRetrieving
from ratoon.client.generated.retrieving.calls import Retrieving
from ratoon.client.generated.running.awaited import AsyncRunning
from ratoon.client.generated.running.calls import Running
from ratoon.client.retrying import Attempts, Retries

T = TypeVar("T")

HERE = "http://127.0.0.1:8080"
"""Where `ratoon serve` listens unless told otherwise."""

KEPT_SECONDS = 4.0
"""Servers let idle connections go after 5: one that is let go earlier here never closes under a request."""

USUAL = Retries()

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class _Settings:
    """What both clients are told."""

    url: str
    surface: str | None
    timeout: float
    retries: Retries
    headers: Mapping[str, str]

    @classmethod
    def of(cls, url: str, key: str | None, surface: str | None, timeout: float, retries: Retries) -> Self:
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ValueError(f"expected an address like {HERE}, found {url!r}")
        headers = {"User-Agent": "ratoon.client", "Accept": "application/json"}
        if key is not None:
            headers["Authorization"] = f"Bearer {checked('key', key)}"
        return cls(url.rstrip("/"), surface, timeout, retries, headers)


class _Sending:
    """One call on its way: its request, its attempts, its answer."""

    def __init__(self, settings: _Settings, call: Call[T], options: Options) -> None:
        surface = cast(OnSurface, options).get("surface", settings.surface)  # only what is about a surface offers the option
        self.name = f"{call.method} {call.path}"
        self.request_id = options.get("request_id") or made_id()
        self._attempts = Attempts(settings.retries, call.repeatable, options.get("timeout", settings.timeout))
        headers = {**settings.headers, "X-Request-ID": self.request_id}
        headers |= said(traceparent=options.get("traceparent"))
        headers |= {} if call.idempotency_key is None else {"Idempotency-Key": call.idempotency_key}
        self._sent: dict[str, Any] = {
            "method": call.method,
            "url": settings.url + _placed(call.path, surface),
            "headers": {name: checked(name, value) for name, value in headers.items()},
        }
        if call.query:
            self._sent["params"] = call.query
        if call.body is not None:
            self._sent["content"] = json.dumps(call.body, default=jsonable, allow_nan=False, separators=(",", ":")).encode()
            self._sent["headers"]["Content-Type"] = "application/json"

    def request(self) -> dict[str, Any]:
        """The next attempt, as httpx takes it."""
        return {**self._sent, "timeout": self._attempts.left()}

    def read(self, call: Call[T], response: httpx.Response) -> T:
        """What the answer says, or the problem that it is, raised."""
        if not response.is_success:
            raise problem(response.status_code, response.content, response.headers, call.path, self.request_id)
        try:
            return call.read(response.text if call.text else json.loads(response.content))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            cause = f"the answer is not what was expected: {type(error).__name__} {error}"
            raise Unreadable(self.name, cause, self.request_id) from error

    def lost(self, error: httpx.RequestError) -> Unreachable:
        """What it means that no answer came."""
        cause = f"{type(error).__name__} {error}".strip()
        return Unreachable(self.name, cause, self.request_id, not isinstance(error, UNSENT))

    def pause(self, error: ClientError) -> float:
        """See `Attempts.pause`."""
        return self._attempts.pause(error)


class Client(Retrieving, Changing, Operating, Running):
    """Asks a server. It may be shared between threads; `with` closes its connections.

    Args:
        url: the server's address.
        key: an API key, sent as `Authorization: Bearer`.
        surface: the product surface that is asked unless a call names another.
        timeout: seconds that a call may take, all its attempts and the waits between them included. A step on the network that
            began in time (to connect, to send, to read on) is not cut short by the others' share.
        retries: how often and when what may be sent again is.
        connections: how many are open at most, and kept.
        transport: another way to send than over sockets, for tests.
        sleep: waits for so many seconds.

    Raises:
        ValueError: the address or the key cannot be one.
    """

    def __init__(
        self,
        url: str = HERE,
        *,
        key: str | None = None,
        surface: str | None = None,
        timeout: float = 10.0,
        retries: Retries = USUAL,
        connections: int = 100,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._settings, self._sleep = _Settings.of(url, key, surface, timeout, retries), sleep
        self._http = httpx.Client(transport=transport, limits=_limits(connections))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def request(self, method: str, path: str, body: Json = None, *, repeatable: bool, **options: Unpack[OnSurface]) -> Json:
        """Ask what this client has no method for; the answer's JSON as it came.

        Args:
            path: quoted, as `/v1/retrieve`.
            repeatable: whether sending it twice does what sending it once does.
        """
        return self._send(Call(method, path, _as_it_came, repeatable, body=body), options)

    def _send(self, call: Call[T], options: Options) -> T:
        sending = _Sending(self._settings, call, options)
        while True:
            try:
                return sending.read(call, self._answer(sending))
            except ClientError as error:
                pause = sending.pause(error)
            self._sleep(pause)

    def _answer(self, sending: _Sending) -> httpx.Response:
        try:
            return self._http.request(**sending.request())
        except httpx.RequestError as error:
            raise sending.lost(error) from error


class AsyncClient(AsyncRetrieving, AsyncChanging, AsyncOperating, AsyncRunning):
    """Asks a server from an event loop, any number of calls at a time; see `Client` for the arguments."""

    def __init__(
        self,
        url: str = HERE,
        *,
        key: str | None = None,
        surface: str | None = None,
        timeout: float = 10.0,
        retries: Retries = USUAL,
        connections: int = 100,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._settings, self._sleep = _Settings.of(url, key, surface, timeout, retries), sleep
        self._http = httpx.AsyncClient(transport=transport, limits=_limits(connections))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def request(self, method: str, path: str, body: Json = None, *, repeatable: bool, **options: Unpack[OnSurface]) -> Json:
        """Ask what this client has no method for; see `Client.request`."""
        return await self._send(Call(method, path, _as_it_came, repeatable, body=body), options)

    async def _send(self, call: Call[T], options: Options) -> T:
        sending = _Sending(self._settings, call, options)
        while True:
            try:
                return sending.read(call, await self._answer(sending))
            except ClientError as error:
                pause = sending.pause(error)
            await self._sleep(pause)

    async def _answer(self, sending: _Sending) -> httpx.Response:
        try:
            return await self._http.request(**sending.request())
        except httpx.RequestError as error:
            raise sending.lost(error) from error


def _placed(path: str, surface: str | None) -> str:
    """The path under its surface; what is not about one has none."""
    about = surface is not None and path.startswith("/v1/")
    return f"/v1/surfaces/{segment(surface or '')}/{path.removeprefix('/v1/')}" if about else path


def _limits(connections: int) -> httpx.Limits:
    return httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=KEPT_SECONDS)


def _as_it_came(raw: Json) -> Json:
    return raw
