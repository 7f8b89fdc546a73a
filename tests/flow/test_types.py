"""Interactions that weigh nothing for a surface, over real rooms: nobody has had an item by them there."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon import config
from ratoon.adopt import Live, Slot, adopt
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.plan import Scope
from ratoon.domain.popularity import WIDTH, ever_of
from ratoon.refresh import refresh
from ratoon.serving import open_app
from ratoon.towers import open_towers
from ratoon.wiring import House
from tests.fakes.serving_world import Ask, asking, ids

SHOWN = 300
"""How many people one item is shown to: more than have rated any."""

SURFACES = """
[surfaces.default.weights]
rating = 1
glance = 0

[surfaces.all]
"""


@pytest.fixture
def house(copied: Callable[[str], Path]) -> House:
    """Two surfaces over one log: ratings alone count for `default`, for `all` everything does."""
    toml = copied("house")
    toml.write_text(toml.read_text() + SURFACES)
    return House(config.load(toml, environment={}))


def show(house: House, item: str) -> None:
    """An item is shown to u1 and to many more, and u1 glances at it."""
    users = ["u1", *(f"passer-by-{n}" for n in range(SHOWN - 1))]
    blank, moment = dict.fromkeys(EVENT_SCHEMA.names), house.log.now()
    rows = [
        blank
        | {"event_id": f"shown-{n}", "kind": "interaction", "user_id": user, "item_id": item, "type": "impression"}
        | {"event_timestamp": moment + timedelta(seconds=n + 1)}
        for n, user in enumerate(users)
    ]
    rows.append({**rows[0], "event_id": "glance", "type": "glance", "event_timestamp": moment + timedelta(seconds=SHOWN + 1)})
    house.log.append(pa.Table.from_pylist(rows, EVENT_SCHEMA))


def slot(house: House, surface: str) -> Slot:
    live = Live()
    adopt(live, house.registry(surface), house.log_of(surface), open_towers, house.indexes, house.posted_items)
    assert live.slot is not None
    return live.slot


def everything(ask: Ask, surface: str, user: str, **more: str) -> list[str]:
    return ids(ask("POST", "/v1/retrieve", json={"user_id": user, "k": 500, "surface": surface, **more}))


def fashions(ask: Ask, surface: str) -> list[str]:
    return everything(ask, surface, "nobody", source="popular")


def unpopular(house: House) -> str:
    """An item of the first release that user u1 has not had, nor many others."""
    counts, mine = dict(house.log.popular(10_000)), set(house.log.seen("u1"))
    return min(set(slot(house, "default").index.ids()) - mine, key=lambda one: (counts.get(one, 0), one))


def had_by(house: House, item: str) -> int:
    """How many users have had an item, by the log."""
    return len({user for _, user, one in house.log.recent(house.log.end(), house.log.end()) if one == item})


def worth(house: House, surface: str, item: str) -> int:
    """The same by the index that is served."""
    return int(ever_of(slot(house, surface).index.vectors([item])[:, -WIDTH:])[0])


def test_showing_hides_nothing_in_the_next_answer(house: House) -> None:
    """However many people an item is shown to, it is offered to them, and neither cold answers nor scores change."""
    item = unpopular(house)
    with asking(open_app(house)) as ask:
        before, other, popular = *(everything(ask, "default", user) for user in ("u1", "u2")), fashions(ask, "default")
    shift = slot(house, "default").shift
    show(house, item)
    with asking(open_app(house)) as ask:
        assert item in before
        assert sorted(everything(ask, "default", "u1")) == sorted(before)
        assert everything(ask, "default", "u2") == other
        assert fashions(ask, "default") == popular
    now = slot(house, "default").shift
    assert shift is not None
    assert now is not None
    assert now.items == shift.items
    assert np.array_equal(now.amounts, shift.amounts)


def test_showing_is_no_having_after_a_refresh(house: House) -> None:
    """From the same log each surface's release counts who has had an item by its own weights, whatever the plan's scope."""
    item = unpopular(house)
    before = had_by(house, item)
    show(house, item)
    runs: tuple[tuple[str, Scope, int], ...] = (
        ("default", "rows", before),
        ("default", "dense", before),
        ("all", "full", before + SHOWN),
    )
    for surface, scope, had in runs:
        report = refresh(house.workshop(surface), house.stopwatch(), scope)
        assert (report.outcome, report.plan.scope) == ("published", scope), report.verdict
        assert worth(house, surface, item) == had
    with asking(open_app(house)) as ask:
        assert item in everything(ask, "default", "u1")
        assert item not in everything(ask, "all", "u1")
        assert fashions(ask, "default")[0] != fashions(ask, "all")[0] == item
