"""From an event that is posted to an answer of the same user that knows it, while many others' come in too."""

from collections.abc import Iterator
from statistics import quantiles
from time import perf_counter, sleep

import httpx

from ratoon.bench.row import Row, at_least, at_most
from ratoon.bench.serving import asking, beside, servers
from ratoon.bench.serving.beside import Beside
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import Setting

EVENTS = 500
LOOKS = 500
GIVEN_UP = 5.0
"""Seconds after which an event counts as having changed nothing; it is counted with that time."""


def freshness(setting: Setting) -> Iterator[Row]:
    """Post, and ask until the answer has changed; both ways in which it can: what was seen, and what a feature says."""
    looks = max(20, round(LOOKS * setting.share))
    with servers.ratoon(setting.world) as server, beside.posting(server, setting.world, EVENTS) as other:
        users = asking.askers(setting.world, 2 * looks, seed=54)
        sleep(2)
        before, begun = len(other.told), perf_counter()
        seen = _looked(setting, server, other, users[:looks], "an interaction")
        felt = _looked(setting, server, other, users[looks:], "a user's own features")
        rate = sum(one["taken"] for one in other.told[before:]) / (perf_counter() - begun)
    for what, found in (("an interaction", seen), ("a user's own features", felt)):
        hundredths = quantiles(found, n=100)
        against = f"{len(found)} times, p50 {hundredths[49]:.1f}, the longest {max(found):.1f} ms; one at a time"
        yield at_most(f"from {what} posted to the changed answer, p99", hundredths[98], 50, against, "ms")
    yield at_least(
        "events taken a second meanwhile", rate, 0.95 * EVENTS, f"{EVENTS} a second were sent, one a request", "per second"
    )


def _looked(setting: Setting, server: Server, other: Beside, users: list[int], what: str) -> list[float]:
    found = []
    with server.client() as http:
        for place, user in enumerate(users):
            if place % 50 == 0:
                setting.tell(f"{what}, {place} of {len(users)}", place / len(users))
            assert other.running
            found.append(_once(http, f"u{user}", what))
    return found


def _once(http: httpx.Client, user: str, what: str) -> float:
    """Milliseconds from sending the event until an answer is there that differs."""
    asked = {"user_id": user, "k": 10}
    before = _items(http, asked)
    event: dict[str, object]
    if what == "an interaction":
        event = {"kind": "interaction", "user_id": user, "item_id": before[0], "type": "view"}
    else:
        event = {"kind": "user", "user_id": user, "features": {"taste": [1.0, *[0.0] * 63]}}
    begun = perf_counter()
    http.post("/v1/events", json=event).raise_for_status()
    while _items(http, asked) == before and perf_counter() - begun < GIVEN_UP:
        pass
    return 1e3 * (perf_counter() - begun)


def _items(http: httpx.Client, asked: dict[str, object]) -> list[str]:
    answer = http.post("/v1/retrieve", json=asked).raise_for_status().json()
    return [one["item_id"] for one in answer["candidates"]]
