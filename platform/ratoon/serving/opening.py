"""The application over the rooms of one home."""

from fastapi import FastAPI

from ratoon.adopt import Live
from ratoon.serving.app import create_app
from ratoon.serving.rooms import Policy, Rooms, Surface
from ratoon.towers import open_towers
from ratoon.wiring import House


def open_app(house: House) -> FastAPI:
    """The API over every surface of `house`; needs an applied feature repository, not a release.

    Raises:
        StoreError: nothing was bootstrapped yet.
    """
    online = house.online()
    surfaces = {
        name: Surface(Live(), house.registry(name), Policy(exclude_seen=policy.repeat == "mask"))
        for name, policy in house.settings.surfaces.items()
    }
    rooms = Rooms(
        log=house.log,
        surfaces=surfaces,
        online=online,
        open_towers=open_towers,
        indexes=house.indexes,
        clock=house.log.now,
        apply_user_events=online.refresh,
        catch_up=online.catch_up,
        poll_seconds=house.settings.serving.poll_seconds,
    )
    return create_app(rooms)
