"""`fuse`: several models or sources of candidates as one release, which has to be better than each of them for certain."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain import covisit, fusion
from ratoon.domain.covisit import Covisits
from ratoon.domain.delta import part
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.fusion import COVISIT, TOWER, Fusion
from ratoon.domain.labels import had, taught
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.upkeep import Point
from ratoon.judging import Pair
from ratoon.ports import Files, Lesson
from ratoon.remaking import Remade, reembedded
from ratoon.upkeep.blending import Blend, column, history_of
from ratoon.upkeep.operation import Choosing, Operation
from ratoon.workshop import Task, Workshop

How = Literal["sources", "ensemble", "average"]

COUNTED = 1_000_000
"""Train rows that are looked at for what is had together, at most, the newest ones."""

MEASURED = 1_000
"""Histories by which it is measured how far the scores of what is had together are spread."""

SPREAD = 0.2
"""How far they are spread at a weight of 1: about as far as cosines of towers are."""

LENGTH = 0.3
"""How long the items' side is, where that of towers is 1: what items are like is told by the towers first."""

OTHER = 1_000_003
"""How far apart the seeds of an ensemble's members are: seeds that people choose are smaller."""

SOURCE = "the release that it was made of"


@dataclass(frozen=True, slots=True)
class Fuse(Operation):
    """One release of several.

    sources   what is had together (`ratoon.domain.covisit`) stands beside the towers, and popularity beside both; what the towers
              and it weigh is chosen by fit rows for users with no, few, some and many items behind them
    ensemble  towers taught from the same rows by other random choices stand beside the source's, weighed likewise
    average   the weights of the last releases of the chain, averaged; how many of them, fit rows say

    What stands beside is part of every vector of the one index, so that filters, live features and writing single items go on
    as they were. Afterwards `rows` and `dense` teach the release's own towers; what stands beside stays as it is, with its
    weights: new items have zeros where what is had together is told, and vectors of their own from other towers. `full` starts
    from nothing, without all that, and says so.

    Attributes:
        last: how many releases are averaged, at most.
        rank: the dimensions in which what is had together is told.
        members: of an ensemble, the source's towers included.
    """

    name: ClassVar[str] = "fuse"

    how: How = "sources"
    last: int = 3
    rank: int = 32
    members: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.how not in get_args(How):
            raise UsageError("fuse.how", expected=" or ".join(get_args(How)), found=repr(self.how), fix="Name one of them.")
        for name, least, most in (("last", 2, 20), ("rank", 1, 512), ("members", 2, 5)):
            if not least <= getattr(self, name) <= most:
                raise UsageError(
                    f"fuse.{name}", expected=f"{least} to {most}", found=str(getattr(self, name)), fix="Change the setting."
                )

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """See above.

        Raises:
            UsageError: the user tower reads no history, so that nothing can be told by what is had together.
            DataError: there are no two releases that could be averaged.
        """
        if self.how == "average":
            return self._averaged(shop, task, source)
        made = self._counted(shop, task, source) if self.how == "sources" else self._taught(shop, task)
        blend = Blend.of(shop, task, source, made)
        pair = blend.chosen()
        weights = Fusion.from_json(pair.model[fusion.FILE].decode()).weights
        alone = {f"{_called(name)} alone": blend.alone(name) for name in weights}
        if len(pair.towers.popularity):
            alone["popularity alone"] = blend.popular()
        curve = self._curve(blend, {SOURCE: source, **alone}, pair)
        rivals = {SOURCE: source, **alone}
        return Remade(pair, self.said(task, f"weights from no history to a long one: {_told(weights)}", curve), rivals)

    def _curve(self, blend: Blend, rivals: Mapping[str, Pair], pair: Pair) -> list[Point]:
        before = blend.said(rivals[SOURCE])
        base = before.mean(before.hits) or 1.0
        points = []
        for name, one in {**rivals, "all, weighed": pair}.items():
            said = blend.said(one)
            points.append(Point(name, one.disk, said.mean(said.hits) / base, chosen=one is pair))
        return points

    def _counted(self, shop: Workshop, task: Task, source: Pair) -> dict[str, Files]:
        """What is had together, by the train rows that the source has learnt: fit rows choose and gate rows judge."""
        history = history_of(source)
        if not history:
            raise UsageError(
                "fuse.how",
                expected="a user feature that is a history of items, for sources",
                found="none",
                fix="Add one to the user's feature service, or fuse an ensemble.",
            )
        rows = had(part(task.past, "train"), shop.labels)
        rows = rows.slice(max(0, rows.num_rows - COUNTED))
        rows = rows.filter(pc.less_equal(rows.column("offset"), task.upto.end))
        ids = source.index.ids()
        items = pc.index_in(rows.column("item_id"), value_set=pa.array(ids, pa.string()))
        kept = items.is_valid().to_numpy()
        users = pc.dictionary_encode(rows.column("user_id")).combine_chunks()
        who, which = (np.asarray(one, np.int64)[kept] for one in (users.indices, pc.fill_null(items, 0)))
        found = covisit.pairs(who, which, len(ids))
        rng = np.random.default_rng([shop.seed, task.upto.end, 3])
        heard, offered = covisit.factors(found, len(ids), self.rank, rng)
        newest = task.past.slice(max(0, task.past.num_rows - MEASURED))
        asked = [one if isinstance(one, list) else None for one in column(newest, history)]
        factors = Covisits({item: row for row, item in enumerate(ids)}, heard, offered)
        return {COVISIT: _scaled(factors, asked).to_files()}

    def _taught(self, shop: Workshop, task: Task) -> dict[str, Files]:
        """Towers from nothing by the rows that the source has learnt, fit rows saying when to stop."""
        past = task.past.filter(pc.less_equal(task.past.column("offset"), task.upto.end))
        new, _ = taught(part(past, "train"), shop.labels, shop.caps)
        fit, _ = taught(part(past, "fit"), shop.labels, shop.caps)
        live = shop.features.items(shop.log.catalogue(task.upto.end), task.upto.as_of)
        lesson = Lesson(new, new.slice(0, 0), fit, live)
        plan = RefreshPlan("full", "another member of an ensemble")
        return {
            f"{TOWER}-{number + 1}": shop.trainer.varied({}, shop.seed + OTHER * number).train(plan, task.schema, None, lesson)
            for number in range(1, self.members)
        }

    def _averaged(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        models, notes = self._chain(shop, task, source)
        choosing = Choosing.of(shop, task, source)
        points, best, chosen = [Point(SOURCE, source.disk, 1.0)], 1.0, source
        for count in range(2, len(models) + 1):
            pair = reembedded(shop, task, source, shop.trainer.averaged(models[:count]))
            points.append(Point(f"the last {count}", pair.disk, choosing.relative(pair)))
            if points[-1].recall > best or count == 2:
                best, chosen, place = points[-1].recall, pair, count - 1
        curve = [replace(point, chosen=number == place) for number, point in enumerate(points)]
        return Remade(chosen, self.said(task, f"averaged {points[place].name} releases", curve, notes), {SOURCE: source})

    def _chain(self, shop: Workshop, task: Task, source: Pair) -> tuple[list[Files], list[str]]:
        """The source's model and those of the releases before it that fit it, newest first; and why others do not."""
        every = shop.registry.releases()
        number = next(release.sequence for release in every if release.id == task.source)
        schema, about = TowerSchema.from_json(source.model[SCHEMA].decode()).hash, source.model["model.json"]
        models, notes = [source.model], list[str]()
        for release in every:
            if release.sequence >= number or len(models) == self.last:
                continue
            files = shop.registry.load(release)
            if TowerSchema.from_json(files[SCHEMA].decode()).hash != schema:
                notes.append(f"release {release.sequence} has other features and is left out")
            elif _shape(files["model.json"]) != _shape(about):
                notes.append(f"release {release.sequence} has vectors of another length or metric and is left out")
            elif files["user.safetensors"] not in {model["user.safetensors"] for model in models}:
                models.append(files)
        if len(models) < 2:
            raise DataError(
                "fuse.last",
                expected="another release of the same features and shape",
                found="; ".join(notes) or "none that differs",
                fix="Refresh once more, or keep more releases.",
            )
        return models, notes


def _shape(about: bytes) -> tuple[object, object]:
    said = json.loads(about)
    return said["dim"], said["metric"]


def _scaled(factors: Covisits, asked: Sequence[Sequence[str] | None]) -> Covisits:
    """The same factors, so that scores of those who ask are spread by SPREAD, and items' sides are LENGTH long."""
    histories = [[row for item in one or () if (row := factors.rows.get(item)) is not None] for one in asked]
    told = covisit.told([one for one in histories if one], factors.heard)
    spread = float((told @ factors.offered.T).std()) if len(told) else 0.0
    length = float(np.sqrt(np.square(factors.offered).sum(axis=1).mean()))
    if not spread or not length:  # nobody has had two items
        return factors
    longer = LENGTH / length
    return Covisits(factors.rows, factors.heard * np.float32(SPREAD / spread / longer), factors.offered * np.float32(longer))


def _called(name: str) -> str:
    return "what is had together" if name == COVISIT else name.replace("-", " ")


def _told(weights: Mapping[str, tuple[float, ...]]) -> str:
    return "; ".join(f"{_called(name)} {', '.join(f'{weight:g}' for weight in row)}" for name, row in weights.items())
