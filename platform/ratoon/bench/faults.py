"""What goes wrong in life, done on purpose to the running loop: poison, a kill, a rollback, an item that comes and goes."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa

from ratoon.bench.api import Api, asking
from ratoon.bench.loop import K, Loop
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.ports import EventLog

VICTIMS, TURNS = 400, 10
"""How many known users' clients break, and how many interactions each of them reports wrongly."""

WIDEST = 1000
"""The most candidates that the API gives."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that had to hold, and what was seen."""

    name: str
    holds: bool
    seen: str


def checks(loop: Loop, api: Api, user_id: str, title: str | None) -> Iterator[Check]:
    """The story after the last slice, step by step.

    Args:
        title: the display column every candidate must carry a value of, if the world has one.
    """
    with asking(api, user_id):
        yield _poison(loop, api)
        yield _new_item(loop, api, title)
        yield _kill(loop, api, user_id)
        yield _rollback(loop, api)
    yield from _answers(loop, api, user_id, title)
    yield Check("requests failed", api.failed == 0, f"{api.failed} of {api.sent}")


def poison(log: EventLog, seed: int = 1) -> pa.Table:
    """What a broken client reports: known users interacting with items drawn at random."""
    rng = np.random.default_rng(seed)
    items, now, victims = log.catalogue(log.end()), log.now(), _users(log.read(0))[:VICTIMS]
    rows = [
        {
            "event_id": f"poison:{seed}:{user}:{turn}",
            "kind": "interaction",
            "user_id": user,
            "item_id": items[int(rng.integers(len(items)))],
            "type": "rating",
            "value": 5.0,
            "event_timestamp": now + timedelta(microseconds=turn),
        }
        for turn in range(TURNS)
        for user in victims
    ]
    return pa.Table.from_pylist(rows, EVENT_SCHEMA)


def _users(logged: pa.Table) -> list[str]:
    """Users of the log, most active first."""
    counts = Counter(logged.column("user_id").drop_null().to_pylist())
    return sorted(counts, key=lambda user: (-counts[user], user))


def _poison(loop: Loop, api: Api) -> Check:
    loop.tell("a poisoned batch arrives", 0.0)
    before = loop.house.registry("default").current()
    events = poison(loop.house.log)
    for start in range(0, events.num_rows, 2000):
        api.post(events.slice(start, 2000))
    report = loop.refresh("default")
    after = loop.house.registry("default").current()
    assert report.window is not None
    if report.outcome == "refused":
        loop.house.registry("default").resume(((report.window.start + 1, report.window.end),))
    kept = before is not None and after is not None and before.id == after.id
    reasons = "; ".join(report.verdict.reasons) if report.verdict else report.outcome
    return Check("poisoned batch refused, last good release kept", report.outcome == "refused" and kept, reasons)


def _new_item(loop: Loop, api: Api, title: str | None) -> Check:
    loop.tell("an item is posted, served and removed", 0.0)
    item = "posted-through-the-api"
    api.call("POST", "/v1/items", {"item_id": item, "features": {title: "Posted through the API"} if title else {}})
    fans = [{"event_id": f"fan:{n}", "user_id": f"fan-{n}", "item_id": item, "type": "rating", "value": 5.0} for n in range(20)]
    api.call("POST", "/v1/events", {"events": fans})
    report = loop.refresh("default")
    api.await_release("default", report.sequence)
    here = item in api.items("fan-1", "default", WIDEST, exclude_seen=False)
    api.call("DELETE", f"/v1/items/{item}")
    gone = item not in api.items("fan-1", "default", WIDEST, exclude_seen=False)
    seen = f"{report.outcome}, {'there' if here else 'missing'}, then {'gone' if gone else 'still there'}"
    return Check("a posted item is served after one refresh, a removed one is gone", here and gone, seen)


def _kill(loop: Loop, api: Api, user_id: str) -> Check:
    loop.tell("a refresh is killed with -9 and run again", 0.0)
    api.call("POST", "/v1/events", {"user_id": user_id, "item_id": loop.house.log.seen(user_id)[0], "type": "rating", "value": 4})
    before = loop.house.registry("default").current()
    killed = loop.command("refresh", fault="refresh.embedded")
    between = loop.house.registry("default").current()
    again = loop.command("refresh", "--json")
    outcome = json.loads(again.stdout)["outcome"] if again.returncode == 0 else again.stderr.decode()[-200:]
    sound = killed.returncode == -signal.SIGKILL and between == before and outcome == "published"
    return Check("killed refresh left nothing behind, its rerun published", sound, f"exit {killed.returncode}, then {outcome}")


def _rollback(loop: Loop, api: Api) -> Check:
    loop.tell("a release is rolled back", 0.0)
    registry = loop.house.registry("default")
    current = registry.current()
    assert current is not None
    release = registry.rollback(None, "shown by the demo")
    api.await_release("default", release.sequence)
    held = loop.refresh("default").outcome
    registry.resume()
    sound = release.sequence == current.sequence + 1 and held == "held"
    return Check("rollback is a new release, refreshing waits", sound, f"release {release.sequence}, refresh {held}")


def _answers(loop: Loop, api: Api, user_id: str, title: str | None) -> Iterator[Check]:
    loop.tell("asking for a known, an unknown and a new user", 0.0)
    items = loop.house.log.seen(user_id)
    api.call("POST", "/v1/events", {"user_id": "just-seen", "item_id": items[0], "type": "rating", "value": 5})
    for who, user, sources in (
        ("known", user_id, ("tower",)),
        ("unknown", "nobody-knows-me", ("cold",)),
        ("just seen", "just-seen", ("tower",)),
    ):
        answer = api.retrieve(user, k=K)
        found = answer["candidates"]
        titled = sum(1 for one in found if title is None or one["item"].get(title))
        good = len(found) == K == titled and answer["source"] in sources
        yield Check(
            f"{who} user gets {K} candidates with titles", good, f"{len(found)}, {titled} titled, from {answer['source']}"
        )
