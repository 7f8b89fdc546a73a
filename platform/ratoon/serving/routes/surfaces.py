"""Which surface a request is about, and what is served there."""

from typing import Annotated, Any

from fastapi import Query, Request

from ratoon.adopt import Slot
from ratoon.domain.errors import UsageError
from ratoon.serving.bodies.fields import Id
from ratoon.serving.problems import Invalid, NotReady, UnknownSurface
from ratoon.serving.rooms import Rooms, Surface

DEFAULT = "default"


def asked(request: Request, surface: Annotated[Id | None, Query(description="The product surface.")] = None) -> str:
    """The surface in the path, in the query, or the default one."""
    return named(request.scope, surface)


def named(scope: Any, said: str | None, refusal: type[Invalid] = Invalid) -> str:
    """The surface in the path of the request, or the one it says, or the default one.

    Raises:
        Invalid: both, and they differ; or what else shall be raised then.
    """
    placed: str | None = scope["state"].get("surface")
    if placed is not None and said is not None and said != placed:
        wrong = UsageError("surface", expected=repr(placed), found=repr(said), fix="Leave it out: the path says it.")
        raise refusal(wrong, "#/surface")
    return said or placed or DEFAULT


def placed_on(rooms: Rooms, scope: Any) -> str | None:
    """The surface in the path of a request that is about all of them, if it names one; UnknownSurface if that is not there."""
    placed: str | None = scope["state"].get("surface")
    if placed is not None:
        surface_of(rooms, placed)
    return placed


def surface_of(rooms: Rooms, name: str) -> Surface:
    """A configured surface, or UnknownSurface."""
    found = rooms.surfaces.get(name)
    if found is None:
        known = ", ".join(sorted(rooms.surfaces))
        raise UnknownSurface("surface", expected=f"one of {known}", found=repr(name), fix="Ask for a configured surface.")
    return found


def slot_of(name: str, surface: Surface) -> Slot:
    """What a surface serves now, or NotReady."""
    slot = surface.live.slot
    if slot is None:
        raise NotReady(f"surface {name}", expected="a release", found="none yet", fix="Run `ratoon bootstrap`.")
    return slot
