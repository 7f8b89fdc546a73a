"""What users do meanwhile: events that are sent until they are acknowledged, and questions without end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx
import pyarrow as pa

from ratoon.bench.api import event_body

PAUSE = 0.05
"""Seconds between an answer and the next question of the same asker."""
AGAIN = 0.2
"""Seconds before a request that failed is sent again."""
TIMEOUT = 30.0

REFUSED = range(400, 429)
"""Answers that sending the same again would not change."""
NO_ANSWER = 0
"""The status of a request whose connection was refused, or ended before an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for candidates.

    Attributes:
        at, until: when it was sent and when its end was known, in seconds since the replay began.
        status: of HTTP, or NO_ANSWER.
        release, sequence: that the answer names.
        found: how many candidates.
    """

    at: float
    until: float
    status: int
    release: str = ""
    sequence: int = 0
    found: int = 0


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt to post a batch.

    Attributes:
        batch: its number, from 0.
        offset: the log's position that was acknowledged; 0 without an acknowledgement.
        accepted, duplicates: how many events were new, and how many were known from an attempt before.
        applied: whether the users' features were brought up to date.
    """

    batch: int
    at: float
    until: float
    status: int
    offset: int = 0
    accepted: int = 0
    duplicates: int = 0
    applied: bool = True


def ok(status: int) -> bool:
    """Whether it is 2xx."""
    return 200 <= status < 300


@dataclass
class Asker:
    """Asks for one user after the other, all the time."""

    url: str
    users: Sequence[str]
    zero: float
    stop: Event
    asked: list[Asked] = field(default_factory=list)

    def run(self) -> None:
        """Until `stop`."""
        place = 0
        with httpx.Client(timeout=TIMEOUT) as http:
            while not self.stop.is_set():
                one = self._ask(http, self.users[place % len(self.users)])
                self.asked.append(one)
                place += 1
                self.stop.wait(PAUSE if ok(one.status) else AGAIN)

    def _ask(self, http: httpx.Client, user: str) -> Asked:
        at = time.monotonic() - self.zero
        status, said = _posted(http, f"{self.url}/v1/retrieve", {"user_id": user, "k": 20})
        until = time.monotonic() - self.zero
        if not ok(status):
            return Asked(at, until, status)
        return Asked(at, until, status, said["release"], said["sequence"], len(said["candidates"]))


@dataclass
class Poster:
    """Posts batches of events at a pace, each until it is acknowledged, one after the other: the log's order is theirs.

    Attributes:
        batches: events as the API takes them.
        begin: when the first one's turn is, in seconds after `zero`.
        pause: seconds from one batch's turn to the next one's; a batch that is late is sent at once.
    """

    url: str
    batches: Sequence[Sequence[Mapping[str, Any]]]
    begin: float
    pause: float
    zero: float
    stop: Event
    sent: list[Sent] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether every batch had its turn."""
        return not self.batches or (
            bool(self.sent)
            and self.sent[-1].batch == len(self.batches) - 1
            and (ok(self.sent[-1].status) or self.sent[-1].status in REFUSED)
        )

    def run(self) -> None:
        """Until all are acknowledged, or refused for good, or `stop`."""
        with httpx.Client(timeout=TIMEOUT) as http:
            for number, batch in enumerate(self.batches):
                turn = self.begin + number * self.pause - (time.monotonic() - self.zero)
                if turn > 0:
                    self.stop.wait(turn)
                while not self.stop.is_set():
                    self.sent.append(one := self._post(http, number, batch))
                    if ok(one.status) or one.status in REFUSED:
                        break
                    self.stop.wait(AGAIN)

    def _post(self, http: httpx.Client, number: int, batch: Sequence[Mapping[str, Any]]) -> Sent:
        at = time.monotonic() - self.zero
        status, said = _posted(http, f"{self.url}/v1/events", {"events": list(batch)})
        until = time.monotonic() - self.zero
        if not ok(status):
            return Sent(number, at, until, status)
        return Sent(number, at, until, status, said["offset"], said["accepted"], said["duplicates"], said["applied"])


def batches(events: pa.Table, size: int) -> Iterator[list[dict[str, Any]]]:
    """Events (EVENT_SCHEMA) as the API takes them, so many in a request."""
    for start in range(0, events.num_rows, size):
        yield [event_body(row) for row in events.slice(start, size).to_pylist()]


def _posted(http: httpx.Client, url: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and what was said; an answer that ends in the middle is none."""
    try:
        answer = http.post(url, json=body)
        said: dict[str, Any] = answer.json() if ok(answer.status_code) else {}
    except (httpx.HTTPError, ValueError):
        return NO_ANSWER, {}
    return answer.status_code, said
