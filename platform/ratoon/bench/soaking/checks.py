"""What has to hold once everything has settled."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa

from ratoon.bench.faults import Check
from ratoon.bench.soaking.figures import failures, unseen, went_back
from ratoon.bench.soaking.home import Home
from ratoon.bench.soaking.seen import Seen
from ratoon.bench.soaking.traffic import ok
from ratoon.bench.soaking.undisturbed import Tell, again, filled, offline, unlike
from ratoon.wiring import House

SHOWN = 5
"""Names of what differs that are told."""
EVERYBODY = 10**9
"""More users and items than a home has."""


def checks(home: Home, before: Home, events: pa.Table, seen: Seen, tell: Tell) -> Iterator[Check]:
    """All of them.

    Args:
        home: as the replay has left it; nothing works on it any more.
        before: a copy from before the replay.
        events: EVENT_SCHEMA, all that were to be posted.
    """
    house = home.house()
    yield from served(seen)
    yield from logged(house, events, seen)
    tell("undisturbed", 0.0)
    other, made = again(before, events, [one.release for one in seen.published[1:]], tell)
    unequal = [one for one in made if not one.equal]
    said = f"{len(made) - len(unequal)} of {len(made)} releases, the last one {seen.published[-1].release.id[:12]}"
    if unequal:
        first = unequal[0]
        said += f"; release {first.sequence} is not ({first.outcome}): {', '.join(first.differing) or 'its parent'}"
    yield Check("every release is, bit for bit, what the same windows give undisturbed", bool(made) and not unequal, said)
    tell("comparing", 0.0)
    filled(house)
    yield _log(house, other)
    yield _offline(house, other)
    yield _alike(house, "every user and item has the same values online and offline")
    yield _alike(other, "the same in the undisturbed home")
    house.log.close()
    other.log.close()


def served(seen: Seen) -> Iterator[Check]:
    """What clients saw."""
    known = {one.release.id for one in seen.published}
    good = [one for one in seen.asked if ok(one.status)]
    strange = sum(one.release not in known for one in good)
    back = went_back(good)
    empty = sum(one.found == 0 for one in good)
    yield Check(
        "every answer is from a published release, and none goes back to an older one",
        not strange and not back and not empty and bool(good),
        f"{len(good):,} answers, {strange} from others, {back} from an older one than before, {empty} empty",
    )
    excused, others = failures(seen)
    statuses = Counter(one.status for one in excused)
    told = ", ".join(f"{count} x {status or 'no answer'}" for status, count in sorted(statuses.items()))
    yield Check(
        "no request failed while the server was not the victim",
        not others,
        f"{len(others)} of {len(seen.asked) + len(seen.sent):,}; while it was: {told or 'none'}",
    )
    alone = [f"{name} ({life.code})" for name, lives in seen.lives.items() for life in lives if life.how == "by itself"]
    deaf = [str(name) for name, lives in seen.lives.items() for life in lives if life.how.endswith("not heeded")]
    yield Check(
        "neither process ended by itself, or did not heed SIGTERM",
        not alone and not deaf,
        ", ".join(alone + deaf) or f"{sum(map(len, seen.lives.values()))} lives",
    )


def logged(house: House, events: pa.Table, seen: Seen) -> Iterator[Check]:
    """What became of the events."""
    taken, wanted = [one for one in seen.sent if ok(one.status)], events.column("event_id").to_pylist()
    acknowledged = sum(one.accepted + one.duplicates for one in taken)
    again_sent = sum(one.duplicates for one in taken)
    past = seen.published[0].release.window.end
    ids = house.log.read(0).column("event_id").to_pylist()
    safe = {one for sent in taken for one in wanted[sent.batch * seen.batch : (sent.batch + 1) * seen.batch]}
    missing, doubled = len(safe - set(ids)), len(ids) - len(set(ids))
    yield Check(
        "every event was acknowledged, and is in the log once",
        acknowledged == len(wanted) and not missing and not doubled and ids[-len(wanted) :] == wanted,
        f"{acknowledged:,} of {len(wanted):,} acknowledged, {missing} of these lost, {doubled} doubled; "
        f"{again_sent:,} were on disk already when they were sent again, unheard",
    )
    releases = [one.release for one in seen.published]
    chained = all(later.parent == one.id and later.window.start == one.window.end for one, later in pairwise(releases))
    end, waiting = house.log.end(), unseen(seen.sent, seen.asked, seen.published)
    yield Check(
        "windows follow each other without a gap, and the watermark reached the end of the log",
        chained and seen.settled and releases[-1].window.end == end and not waiting,
        f"{len(releases) - 1} releases over events {past + 1:,} to {releases[-1].window.end:,} of {end:,}, "
        f"{waiting} in no answer's release",
    )


def _log(house: House, other: House) -> Check:
    differ = unlike(_read(house), _read(other))
    name = "the log equals the undisturbed one, row by row, arrival times included"
    return Check(name, not differ, _told(differ, house.log.end()))


def _read(house: House) -> pa.Table:
    """The log, its features written one way: the API escapes letters that are not ASCII, and JSON means the same either way."""
    logged, name = house.log.read(0), "features"
    said = [None if one is None else json.dumps(json.loads(one)) for one in logged.column(name).to_pylist()]
    return logged.set_column(logged.column_names.index(name), name, pa.array(said, pa.string()))


def _offline(house: House, other: House) -> Check:
    here, there = offline(house), offline(other)
    differ = [f"{view}.{name}" for view in sorted({*here, *there}) for name in _unlike(here.get(view), there.get(view))]
    rows = sum(one.num_rows for one in here.values())
    return Check("offline features equal the undisturbed ones, value by value", bool(rows) and not differ, _told(differ, rows))


def _unlike(one: pa.Table | None, other: pa.Table | None) -> list[str]:
    return unlike(one, other) if one is not None and other is not None else ["all"]


def _told(differ: list[str], rows: int) -> str:
    more = f" and {len(differ) - SHOWN} others" if len(differ) > SHOWN else ""
    return f"{rows:,} rows" if not differ else f"different: {', '.join(differ[:SHOWN])}{more}"


def _alike(house: House, name: str) -> Check:
    found = house.parity(EVERYBODY, 0)
    first = f", such as {found.differences[0].feature} of {found.differences[0].entity}" if found.differences else ""
    said = f"{found.values:,} values of {found.entities:,} entities, {len(found.differences)} differ{first}"
    said += f"; {found.waiting} have events that are not materialised yet" if found.waiting else ""
    return Check(name, not found.differences and found.entities > 0, said)
