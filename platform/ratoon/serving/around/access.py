"""Who may ask: finds the caller's key, their role and their rate, and writes down what operators do."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ratoon.domain.errors import StoreError
from ratoon.serving.keys.audit import Act, Audit
from ratoon.serving.keys.rates import Limit, Rates, Standing
from ratoon.serving.keys.ring import KeyRing, Known
from ratoon.serving.keys.roles import ANONYMOUS, ASSETS_PATH, OPEN, PAGE, RANKS, Caller, Role, action, needed
from ratoon.serving.problems import problem

COOKIE = b"ratoon_key"
STRANGERS = Limit(10, 1)
"""Refusals of callers without a good key that are written down: each costs a disk write, and anybody can cause them."""

logger = logging.getLogger("ratoon.serving")

_HEADERS = frozenset((b"authorization", b"x-api-key", b"cookie", b"origin", b"host", b"sec-fetch-site"))
_UNAUTHORIZED = "Show a good API key, as `Authorization: Bearer rtn_...` or `X-API-Key: rtn_...`; `ratoon keys create` makes one."


class Access:
    """Lets a request pass if its key is good, its role is enough and its rate is kept; `/healthz` and `/readyz` always.

    Puts the `Caller` into `scope["state"]["caller"]`. Needs the request's id in `scope["state"]["request_id"]`, so it stands
    within what gives it. As long as no key was ever made, nothing is asked.

    Args:
        rates: counts of this process.
        default: the rate of keys that have none of their own; None lets them ask as often as they like.
        now: dates audit lines, UTC.
    """

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing,
        audit: Audit,
        rates: Rates,
        now: Callable[[], datetime],
        default: Limit | None = None,
    ) -> None:
        self._app, self._ring, self._audit, self._rates, self._now, self._default = app, ring, audit, rates, now, default
        self._told_open, self._left_out = False, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http" or _open(scope["path"]):
            await self._app(scope, receive, send)
            return
        role = needed(scope["method"], scope["path"])
        app, caller, stranger = self._app, ANONYMOUS, False
        if self._ring.asks():
            known = self._ring.find(shown(scope))
            if known is None:
                stranger = True
                app = problem(scope, 401, "unauthorized", _UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})
            else:
                caller = known.caller
                app, send = self._within(scope, send, known, role)
        elif not self._told_open:
            self._told_open = True
            logger.warning("there are no API keys: whoever reaches this server may do everything; see `ratoon keys create`")
        scope["state"]["caller"] = caller
        if role != "operate":
            await app(scope, receive, send)
        else:
            await self._audited(app, scope, receive, send, caller, stranger)

    def _within(self, scope: Scope, send: Send, known: Known, role: Role) -> tuple[ASGIApp, Send]:
        """What answers a known caller, and what sends the answer."""
        limit = known.limit or self._default
        if limit is not None:
            standing = self._rates.hit(known.caller.id, limit)
            send = _saying(send, limit, standing)
            if not standing.allowed:
                detail = f"This key may ask {limit.amount} times in {limit.seconds} s; ask again in {standing.reset} s."
                retry = {"Retry-After": str(standing.reset)}
                return problem(scope, 429, "rate_limited", detail, headers=retry), send
        held = known.caller.role
        if RANKS[held] < RANKS[role]:
            detail = f"This needs a key with the role `{role}`; this one has `{held}`."
            return problem(scope, 403, "forbidden", detail), send
        return self._app, send

    async def _audited(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, caller: Caller, stranger: bool) -> None:
        status = 500  # what an application that breaks before it answers is answered with

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, send_seen)
        finally:
            await self._write_down(scope, caller, stranger, status)

    async def _write_down(self, scope: Scope, caller: Caller, stranger: bool, status: int) -> None:
        on = dict(scope.get("path_params", {}))
        if stranger:
            if not self._rates.hit("", STRANGERS).allowed:
                self._left_out += 1
                return
            if self._left_out:
                on["refusals_not_written"] = self._left_out
                self._left_out = 0
        act = Act(self._now(), caller.id, caller.name, _action(scope), status, scope["state"]["request_id"], on)
        try:
            await asyncio.to_thread(self._audit.record, act)
        except StoreError:
            logger.exception("%s was answered with %d and not written down", act.action, status)


_TOLD_ANYBODY = (ASSETS_PATH, "/problems/")
"""What holds no data: the page's looks, and what errors mean, the one about a missing key among them."""


def _open(path: str) -> bool:
    return path in OPEN or path in PAGE or path.startswith(_TOLD_ANYBODY)


def shown(scope: Scope) -> bytes | None:
    """The key that a request shows, whatever it is: a header of its own, or the page's cookie.

    A browser sends cookies along with what other sites make it ask. So a cookie counts for reading, and for a POST that says
    it comes from this very origin: other sites can read no answer, and cannot forge `Origin`.
    """
    found = {name: value for name, value in scope["headers"] if name in _HEADERS}
    authorization = found.get(b"authorization", b"")
    if authorization[:7].lower() == b"bearer ":
        return bytes(authorization[7:].strip())
    if b"x-api-key" in found:
        return bytes(found[b"x-api-key"])
    method = scope["method"]
    if b"cookie" in found and (method in ("GET", "HEAD") or (method == "POST" and _same_origin(found))):
        return _cookie(found[b"cookie"])
    return None


def _same_origin(headers: Mapping[bytes, bytes]) -> bool:
    # The scheme is left out: what ends TLS in front of this server speaks plain HTTP with it.
    _, _, authority = headers.get(b"origin", b"").partition(b"://")
    said = headers.get(b"sec-fetch-site", b"same-origin")
    return bool(authority) and authority == headers.get(b"host") and said == b"same-origin"


def _cookie(cookies: bytes) -> bytes | None:
    pairs: Iterable[tuple[bytes, bytes, bytes]] = (one.strip().partition(b"=") for one in cookies.split(b";"))
    return next((value for name, _, value in pairs if name == COOKIE), None)


def _saying(send: Send, limit: Limit, standing: Standing) -> Send:
    """`send`, adding the limit's headers (RateLimit header fields for HTTP, IETF draft 07) to the answer."""
    headers = [
        (b"ratelimit-limit", b"%d" % limit.amount),
        (b"ratelimit-remaining", b"%d" % standing.remaining),
        (b"ratelimit-reset", b"%d" % standing.reset),
    ]

    async def send_with_limit(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_limit


def _action(scope: Mapping[str, Any]) -> str:
    """By the route's template, where it came to a route: paths hold ids."""
    template = getattr(scope.get("route"), "path_format", None)
    return f"{scope['method']} {template}" if template else action(scope["method"], scope["path"])
