"""What a changed schema means for the models that were made under the old one. Pure: it compares two schemas."""

from dataclasses import dataclass
from typing import Literal

from ratoon.domain.schema import Entity, Feature, TowerSchema

Kind = Literal["new", "left out", "changed", "shown", "not shown"]
"""What became of a feature: an input that is new, is no input any more, is another input now; a column that goes with answers
or that they are filtered by, which no tower reads, and one that does no more."""

Effect = Literal["same", "shown", "gained", "changed"]
"""same: one model fits both. shown: one model does, with other columns beside its items. gained: the old inputs are all there,
unchanged, beside new ones. changed: anything else."""

_ASPECTS = ("view", "kind", "vocabulary", "dim", "ttl", "fold", "buckets", "ngram")


@dataclass(frozen=True, slots=True)
class Change:
    """One feature's change, in words."""

    feature: str
    view: str
    entity: Entity
    kind: Kind
    detail: str


def effect(old: TowerSchema, new: TowerSchema) -> Effect:
    """How far a model made under `old` fits `new`."""
    if old.hash == new.hash:
        return "same" if _shown(old) == _shown(new) else "shown"
    gained = {*old.user, *old.item} <= {*new.user, *new.item}
    return "gained" if gained else "changed"


def changes(old: TowerSchema, new: TowerSchema) -> tuple[Change, ...]:
    """What differs, inputs first, in the order of the new schema; what is no input any more comes after those that are."""
    before, after = _inputs(old), _inputs(new)
    found = [_compared(before.get(name), feature) for name, feature in after.items() if before.get(name) != feature]
    found += [_change(feature, "left out", _described(feature)) for name, feature in before.items() if name not in after]
    for column, role in _shown(new).items():
        if column not in _shown(old):
            found.append(Change(column, "", "item", "shown", role))
    for column, role in _shown(old).items():
        if column not in _shown(new):
            found.append(Change(column, "", "item", "not shown", role))
        elif _shown(new)[column] != role:
            found.append(Change(column, "", "item", "shown", f"{_shown(new)[column]}, before: {role}"))
    return tuple(found)


def _inputs(schema: TowerSchema) -> dict[str, Feature]:
    return {feature.name: feature for feature in (*schema.user, *schema.item)}


def _shown(schema: TowerSchema) -> dict[str, str]:
    roles = [("display", schema.display), ("filter", schema.filters)]
    every = dict.fromkeys([*schema.display, *schema.filters])
    return {column: " and ".join(role for role, columns in roles if column in columns) for column in every}


def _compared(old: Feature | None, new: Feature) -> Change:
    if old is None:
        return _change(new, "new", _described(new))
    differing = [name for name in _ASPECTS if getattr(old, name) != getattr(new, name)]
    return _change(new, "changed", "; ".join(f"{name} {getattr(old, name)!r} -> {getattr(new, name)!r}" for name in differing))


def _change(feature: Feature, kind: Kind, detail: str) -> Change:
    return Change(feature.name, feature.view, feature.entity, kind, detail)


def _described(feature: Feature) -> str:
    return f"{feature.kind}{f', folded by {feature.fold}' if feature.fold else ''}"
