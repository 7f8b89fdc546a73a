"""Learned rows and hidden units that answers do without are taken out, and what is left is renumbered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.admission import Times, attended
from ratoon.domain.delta import part
from ratoon.domain.encoding import Encoding, completed
from ratoon.domain.errors import UsageError
from ratoon.domain.labels import taught
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import ITEM_TABLE, SCHEMA, TowerSchema
from ratoon.domain.shape import Kept, Shape
from ratoon.judging import Pair
from ratoon.ports import Files, Lesson
from ratoon.remaking import Remade, reembedded
from ratoon.upkeep.curve import Curve, refuse_loss
from ratoon.upkeep.dead import LOOKED_AT, dead
from ratoon.upkeep.operation import Choosing, Operation
from ratoon.workshop import Task, Workshop

DAY = 86_400_000_000
"""Microseconds."""

SMALL = 0.02
"""Vocabularies with a smaller share of all rows than this are left as they are: they are not worth the trials."""

WIDTHS = (0.5, 0.25)
"""The shares of the hidden units that are tried."""

TUNED = 50_000
"""Interactions that a narrower model is taught again, at most, spread over all that its source has learnt."""


@dataclass(frozen=True, slots=True)
class Prune(Operation):
    """Rows of values that were met seldom or long ago, then hidden units that weigh little, as far as fit rows allow.

    Each vocabulary with a row per value has a threshold of its own, which is doubled for as long as no more is lost than may be.
    What loses its row lives on its features. It comes back, with a new row, after as many new interactions as the threshold says,
    and not by being in the catalogue: `rows` and `dense` refreshes admit to a pruned vocabulary whom they meet that often. They
    keep the smaller layers too. A `full` refresh, which starts from nothing, has the usual layers, and rows for all.

    Attributes:
        seen: the interactions below which rows go, the same for every vocabulary; None to let fit rows choose, 0 for none.
        unseen: the days without an interaction after which rows go, whatever their count; None for never.
        width: whether the layers are made narrower.
        loss: how much of the recall of fit rows may be lost, relative.
    """

    name: ClassVar[str] = "prune"

    seen: int | None = None
    unseen: int | None = None
    width: bool = True
    loss: float = 0.005

    def __post_init__(self) -> None:
        """Refuse counts and days below nothing, and a loss that cannot be."""
        for field, least in (("seen", 0), ("unseen", 1)):
            if (found := getattr(self, field)) is not None and found < least:
                raise UsageError(f"--{field}", expected=f"at least {least}", found=repr(found), fix="Give a larger number.")
        refuse_loss(self.loss)

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """See `ratoon.remaking.Remake`."""
        schema = TowerSchema.from_json(source.model[SCHEMA].decode())
        past = completed((*schema.user, *schema.item), task.past.filter(pc.less_equal(task.past.column("offset"), task.upto.end)))
        curve = Curve(Choosing.of(shop, task, source), source, self.loss)
        items = shop.features.items(source.index.ids()[-LOOKED_AT:], task.upto.as_of)
        notes = [*dead(source, schema, part(past, "fit"), completed(schema.item, items))]
        for name in _vocabularies(source.model, schema) if self.seen != 0 or self.unseen else ():
            notes += self._rows(shop, task, curve, name, schema, past)
        if self.width:
            self._narrowed(shop, task, curve, schema, past)
        return Remade(curve.taken, self.said(task, curve.choice, curve.points, notes))

    def _rows(self, shop: Workshop, task: Task, curve: Curve, name: str, schema: TowerSchema, past: pa.Table) -> Iterator[str]:
        """Take rows of one vocabulary away; yields what became of it."""
        source, shown = curve.taken, name in {feature.vocabulary for feature in schema.item} | {ITEM_TABLE}
        vocabulary = Encoding.from_json(source.model["encoding.json"].decode()).vocabularies[name]
        counts, newest = attended(vocabulary, name, schema, past)
        live = np.sort(np.fromiter(vocabulary.rows.values(), np.int64, len(vocabulary.rows)))
        last, left = int(newest.max()), len(live)
        for after in self._thresholds(int(counts.max())):
            rows = live[(counts[live] >= after) & self._recent(newest[live], last)]
            if len(rows) == left and after > 1:
                continue
            kept = Kept(rows.tolist(), last, max(after, 1))
            model = {**source.model, **shop.trainer.reshaped(source.model, Shape(rows={name: kept}))}
            pair = (
                reembedded(shop, task, source, model) if shown else replace(source, model=model, towers=shop.open_towers(model))
            )
            called = f"{name} met {after:,} times"
            if self.seen is not None:
                curve.takes(called, pair)
            elif not curve.tries(called, pair):
                break
            left = len(rows)
        if left < len(live):
            yield f"{name}: {len(live) - left:,} of {len(live):,} rows are gone, {1 - left / len(live):.1%}"

    def _thresholds(self, most: int) -> Iterator[int]:
        if self.seen is not None:
            yield self.seen
            return
        after = 1
        while after <= 2 * most:
            yield after
            after *= 2

    def _recent(self, newest: Times, last: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return newest >= (last - self.unseen * DAY if self.unseen is not None else 0)

    def _narrowed(self, shop: Workshop, task: Task, curve: Curve, schema: TowerSchema, past: pa.Table) -> None:
        source = curve.taken
        every, _ = taught(part(past, "train", "fit"), shop.labels, shop.caps)
        replay = every.take(np.linspace(0, every.num_rows - 1, min(TUNED, every.num_rows)).astype(np.int64))
        live, none = shop.features.items(source.index.ids(), task.upto.as_of), every.slice(0, 0)
        for share in WIDTHS:
            narrow = {**source.model, **shop.trainer.reshaped(source.model, Shape(width=share))}
            plan = RefreshPlan("dense", "narrower layers learn to do without the rest")
            # Replayed and not new: whom it is of was counted when it was, and is not admitted for it.
            model = shop.trainer.train(plan, schema, narrow, Lesson(none, replay, none, live))
            pair = reembedded(shop, task, source, {**source.model, **model})
            if not curve.tries(f"{share:.0%} of the hidden units", pair, taught=True):
                break


def _vocabularies(model: Files, schema: TowerSchema) -> list[str]:
    """The vocabularies that are worth the trials; first those that no item's vector is made of, which cost less to try."""
    known = Encoding.from_json(model["encoding.json"].decode()).vocabularies
    shown = {feature.vocabulary for feature in schema.item} | {ITEM_TABLE}
    ruled = {one.vocabulary for one in (*schema.user, *schema.item) if one.kind in ("id", "category", "ids")}
    whole = sum(map(len, known.values()))
    return sorted((name for name in ruled if len(known[name]) >= SMALL * whole), key=lambda name: (name in shown, name))
