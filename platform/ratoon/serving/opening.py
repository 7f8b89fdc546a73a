"""A house to an application: which rooms serve which surface."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ratoon.adopt import Live, Slot, prepare
from ratoon.config import Explored, Settings
from ratoon.domain.exploration import Exploration
from ratoon.serving.app import create_app
from ratoon.serving.board import Place
from ratoon.serving.exposures import FILE, Chance, ExposureLog
from ratoon.serving.guard import Guard
from ratoon.serving.keys import Audit, KeyRing, Limit, Rates
from ratoon.serving.metrics import Shared
from ratoon.serving.online import ServedFeatures
from ratoon.serving.refreshing import Refreshes
from ratoon.serving.rooms import Keys, Policy, Rooms, Surface
from ratoon.serving.tracing import Tracing, otlp
from ratoon.serving.trials import TrialSlot
from ratoon.towers import open_towers
from ratoon.wiring import House

if TYPE_CHECKING:
    from ratoon.jobs.book import Book

Check = Callable[[Mapping[str, object]], object]


@dataclass(frozen=True, slots=True)
class Among:
    """What the application of one worker shares with the others.

    Attributes:
        prepared: surface -> its release, opened before the fork.
        shared: where they add up what they have counted.
    """

    place: Place
    prepared: Mapping[str, Slot]
    shared: Shared


class Checking:
    """Refuses features that do not fit the repository that was applied; what is applied is looked for every so many seconds.

    One request may bring thousands of events, and to look is a system call.
    """

    def __init__(self, current: Callable[[], Check], seconds: float, monotonic: Callable[[], float]) -> None:
        """Args: current: what refuses them now."""
        self._current, self._seconds, self._monotonic = current, seconds, monotonic
        self._made, self._due = current(), monotonic() + seconds

    def __call__(self, features: Mapping[str, object]) -> None:
        """Raise DataError for features that do not fit."""
        if self._monotonic() >= self._due:
            self._made, self._due = self._current(), self._monotonic() + self._seconds
        self._made(features)


def prepare_all(house: House) -> dict[str, Slot]:
    """Surface -> its current release, opened for workers to be forked; no log is opened for it.

    On a GPU none is: a process cannot go on with what its parent has there.
    """
    if house.index_device.device == "cuda":
        return {}
    indexes = house.served_indexes()
    slots = {name: prepare(house.registry(name), open_towers, indexes) for name in house.settings.surfaces}
    return {name: slot for name, slot in slots.items() if slot is not None}


def open_app(house: House, among: Among | None = None) -> FastAPI:
    """The API over the rooms of `house`, one live slot per configured surface.

    Args:
        among: the other workers; None for a process that serves alone.
    """
    # What is read beside answers goes through connections of its own: on one connection they would wait for each other.
    behind = House(house.settings, answers=True)
    settings, online = house.settings, ServedFeatures(behind.online, time.monotonic)
    surfaces = {
        name: Surface(
            Live(among.prepared.get(name) if among else None),
            house.registry(name),
            house.log_of(name),
            Policy(exclude_seen=surface.repeat == "mask"),
            _chance(surface.exploration),
            TrialSlot(settings.serving.workers),
            _guard(settings),
            runs=house.registry(name).runs.all,
            apart=replace(house.log_of(name), log=behind.log),
        )
        for name, surface in settings.surfaces.items()
    }
    rooms = Rooms(
        log=house.accepted,
        surfaces=surfaces,
        online=online,
        open_towers=open_towers,
        indexes=house.served_indexes(),
        posted_items=behind.posted_items,
        clock=house.accepted.now,
        apply_user_events=online.refresh,
        refreshes=Refreshes(partial(_book, behind)),
        stored_features=online.stored,
        home=house.home,
        exposures=_exposures(house),
        keys=Keys(KeyRing(house.home, time.monotonic, _wall), Audit(house.home), Rates(time.monotonic), _wall, _rate(settings)),
        check_features=Checking(house.feature_check, settings.serving.poll_seconds, time.monotonic),
        refuse=house.refused.note,
        catch_up=online.catch_up,
        feature_ages=house.feature_ages,
        place=among.place if among else None,
        access=settings.serving.access,
        tracing=Tracing(otlp(wanted.address), wanted.share) if (wanted := settings.tracing).address else None,
        poll_seconds=settings.serving.poll_seconds,
    )
    return create_app(rooms, among.shared if among else None)


def _book(house: House) -> "Book":
    from ratoon.jobs.book import opened  # SQLAlchemy: not for a server that nobody asks about runs

    return opened(house, _wall)


def _wall() -> datetime:
    return datetime.now(UTC)


def _exposures(house: House) -> ExposureLog | None:
    wanted = house.settings.exposures
    return ExposureLog(house.home / FILE, wanted.share, wanted.salt, keep=wanted.keep) if wanted.share else None


def _guard(settings: Settings) -> Guard | None:
    limits = settings.guard.limits
    return Guard(limits, time.monotonic, settings.serving.workers) if limits else None


def _chance(wanted: Explored | None) -> Chance | None:
    return Chance(Exploration(wanted.slots, wanted.epsilon, wanted.pool), wanted.salt) if wanted else None


def _rate(settings: Settings) -> Limit | None:
    return Limit.parse(settings.serving.rate) if settings.serving.rate else None
