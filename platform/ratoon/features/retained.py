"""What releases that can still be served read, and what must therefore not be taken out of the repository. Knows no Feast.

A release needs each input of its towers. The user tower's are read online at every request, for the current release and after a
rollback; the item tower's are read when items are embedded again. A repository has an input while a view of that name and
entity, online if it is the user's, has a field of that name and of a kin dtype. Leaving a feature out of a FeatureService takes
nothing away: its rows go on being written, so every older release still finds them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ratoon.domain.errors import DataError
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.features.views import View

_KIN = {
    **dict.fromkeys(("INT32", "INT64", "FLOAT", "DOUBLE", "BOOL"), "number"),
    **dict.fromkeys(("INT32_LIST", "INT64_LIST"), "numbers"),
    **dict.fromkeys(("FLOAT_LIST", "DOUBLE_LIST"), "vector"),
}
"""dtypes whose values a model reads alike; any other is kin to itself alone."""


@dataclass(frozen=True, slots=True)
class Retained:
    """A release that can still be served: it is current, or can be rolled back to."""

    surface: str
    id: str
    sequence: int
    current: bool
    schema: TowerSchema


@dataclass(frozen=True, slots=True)
class Drop:
    """A feature that releases need and the repository would have no more.

    Attributes:
        found: what became of it.
        needed_by: the releases, newest first.
    """

    feature: str
    view: str
    found: str
    needed_by: tuple[Retained, ...]


def drops(applied: Sequence[View] | None, wanted: Sequence[View], retained: Iterable[Retained]) -> tuple[Drop, ...]:
    """What would be lost by going from the applied views to the wanted ones.

    What the applied views lack already is lost already: a drop that was allowed once is not refused for ever. Without applied
    views everything that is needed has to be there.
    """
    needed: dict[tuple[str, str], list[Retained]] = {}
    features: dict[tuple[str, str], Feature] = {}
    for release in retained:
        for feature in (*release.schema.user, *release.schema.item):
            if feature.view:
                needed.setdefault((feature.view, feature.name), []).append(release)
                features[feature.view, feature.name] = feature
    found = []
    for (view, name), releases in needed.items():
        now = _dtype(wanted, features[view, name])
        before = _dtype(applied, features[view, name]) if applied is not None else now or "unknown"
        if before and _KIN.get(before, before) != _KIN.get(now, now):
            lost = f"dtype {now} instead of {before}" if now else "taken out"
            found.append(Drop(name, view, lost, tuple(releases)))
    return tuple(found)


def refuse(lost: Sequence[Drop]) -> None:
    """Raise DataError naming every feature and release, if anything would be lost."""
    if not lost:
        return
    releases = {release.id: release for drop in lost for release in drop.needed_by}.values()
    old = [release for release in releases if not release.current]
    forget = f", then `ratoon releases --surface {old[0].surface} --forget {old[0].id[:12]}`" if old else ""
    raise DataError(
        "feature_repo/",
        expected="every feature that a retained release reads",
        found="; ".join(f"{drop.feature!r} of view {drop.view!r}: {drop.found}, but read by {named(drop)}" for drop in lost),
        fix=(
            "Put it back. To be rid of it, first leave it out of the FeatureService only and run `ratoon refresh`, so that the "
            f"current release does not read it{forget}. Or `ratoon plan --apply --allow-drop`: those releases find it missing."
        ),
    )


def named(drop: Drop) -> str:
    """The releases that need it, for people."""
    said = [f"{one.surface} {one.sequence} ({one.id[:12]}{', current' if one.current else ''})" for one in drop.needed_by]
    return ", ".join(said[:3]) + (f" and {len(said) - 3} more" if len(said) > 3 else "")


def _dtype(views: Iterable[View], feature: Feature) -> str:
    for view in views:
        if (view.name, view.entity) == (feature.view, feature.entity) and (view.online or view.entity == "item"):
            return next((field.dtype for field in view.fields if field.name == feature.name), "")
    return ""
