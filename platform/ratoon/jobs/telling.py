"""Who hears what is wrong: the log, and a webhook; each thing once, and once that it is well again."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

TRIES, FIRST_PAUSE, PATIENCE = 3, 0.5, 5.0
"""How often a message is sent until it is left to the next look; the seconds before the second try; of one try."""

logger = logging.getLogger("ratoon.jobs")

Post = Callable[[Mapping[str, str]], bool]
"""Sends one message; whether it arrived."""


class Alarms(Protocol):
    """What is known to be wrong; see `Ledger` and `Notes`."""

    def alarms(self) -> dict[str, tuple[str, datetime, bool]]:
        """Key -> what is said of it, since when, and whether the webhook took it."""

    def alarm(self, key: str, text: str, since: datetime, *, told: bool) -> None:
        """Write down that something is wrong."""

    def recovered(self, key: str) -> None:
        """Write down that it is not wrong any more."""


def webhook(url: str) -> Post:
    """Posts JSON to a URL; without one, everything counts as sent. Of the URL, which may be a secret, only the host is logged."""
    host = _host(url)

    def post(message: Mapping[str, str]) -> bool:
        if not host:
            logger.warning("webhook: not a URL that can be posted to")
            return False
        tries = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(FIRST_PAUSE),
            retry=retry_if_exception_type(httpx.HTTPError),
        )
        try:
            tries(lambda: httpx.post(url, json=dict(message), timeout=PATIENCE).raise_for_status())
        except RetryError as error:
            cause = error.last_attempt.exception()
            code = f" {cause.response.status_code}" if isinstance(cause, httpx.HTTPStatusError) else ""
            logger.warning("webhook at %s: %s%s; tried again later", host, type(cause).__name__, code)
            return False
        return True

    return post if url else lambda _: True


def _host(url: str) -> str:
    """The host of a URL that can be posted to; empty if it is none."""
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except (ValueError, httpx.InvalidURL):
        return ""


@dataclass
class Herald:
    """Tells what is wrong and what is well again; remembers in the ledger what was told.

    A message is sent by a thread, so that a webhook that hangs holds up no job. One that did not arrive is sent again at the
    next look. With the ledger gone, what is still wrong is told once more.
    """

    ledger: Alarms
    post: Post
    _sending: dict[str, tuple[str, Future[bool]]] = field(default_factory=dict, init=False)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "alerts"), init=False)

    def look(self, wrong: Mapping[str, str], now: datetime) -> None:
        """Tell what has become wrong, and what no longer is."""
        self._collect()
        known = self.ledger.alarms()
        for key, text in wrong.items():
            if key not in known:
                logger.error("%s", text, extra={"alert": key})
                self.ledger.alarm(key, text, now, told=False)
                known[key] = (text, now, False)
            if not known[key][2]:
                self._send("alert", key, known[key][0], known[key][1])
        for key in known.keys() - wrong.keys():
            self._send("recovery", key, f"well again: {known[key][0]}", now)

    def close(self) -> None:
        """Wait for what is being sent."""
        self._thread.shutdown(wait=True)
        self._collect()

    def _send(self, kind: str, key: str, text: str, since: datetime) -> None:
        if key not in self._sending:
            message = {"kind": kind, "key": key, "text": text, "since": since.isoformat()}
            self._sending[key] = kind, self._thread.submit(self.post, message)

    def _collect(self) -> None:
        for key, (kind, future) in list(self._sending.items()):
            if not future.done():
                continue
            del self._sending[key]
            if not future.result():
                continue
            if kind == "recovery":
                logger.info("well again: %s", key, extra={"recovered": key})
                self.ledger.recovered(key)
            elif known := self.ledger.alarms().get(key):
                self.ledger.alarm(key, known[0], known[1], told=True)
