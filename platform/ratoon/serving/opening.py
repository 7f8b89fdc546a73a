"""A house to an application: which rooms serve which surface."""

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import pyarrow as pa
from fastapi import FastAPI

from ratoon.adopt import Live
from ratoon.domain.schema import TowerSchema
from ratoon.ports import OnlineFeatures
from ratoon.serving.app import create_app
from ratoon.serving.rooms import Policy, Rooms, Surface
from ratoon.towers import open_towers
from ratoon.wiring import House


class _Updated(OnlineFeatures, Protocol):
    """Online features that a server also keeps up to date."""

    def refresh(self, user_ids: list[str]) -> object: ...

    def catch_up(self) -> object: ...


class _Online:
    """Online features, opened when first needed: before the first bootstrap a server runs and there are none."""

    def __init__(self, opening: Callable[[], _Updated]) -> None:
        self._opening = opening

    @cached_property
    def _opened(self) -> _Updated:
        return self._opening()

    def user(self, user_id: str, schema: TowerSchema) -> pa.Table | None:
        return self._opened.user(user_id, schema)

    def refresh(self, user_ids: list[str]) -> None:
        self._opened.refresh(user_ids)

    def catch_up(self) -> None:
        self._opened.catch_up()


def open_app(house: House) -> FastAPI:
    """The API over the rooms of `house`, one live slot per configured surface."""
    settings, online = house.settings, _Online(house.online)
    surfaces = {
        name: Surface(Live(), house.registry(name), house.log_of(name), Policy(exclude_seen=surface.repeat == "mask"))
        for name, surface in settings.surfaces.items()
    }
    rooms = Rooms(
        log=house.accepted,
        surfaces=surfaces,
        online=online,
        open_towers=open_towers,
        indexes=house.served_indexes(),
        posted_items=house.posted_items,
        clock=house.accepted.now,
        apply_user_events=online.refresh,
        check_features=house.check_features,
        catch_up=online.catch_up,
        feature_ages=house.feature_ages,
        poll_seconds=settings.serving.poll_seconds,
    )
    return create_app(rooms)
