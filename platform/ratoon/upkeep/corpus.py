"""The texts of a release's items and users, and what people had after what as interactions with texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.delta import Split, part
from ratoon.domain.encoding import completed
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.labels import taught
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.texts import hashed
from ratoon.judging import Pair
from ratoon.ports.texts import By, Reading
from ratoon.upkeep.blending import column
from ratoon.workshop import Task, Workshop

PER_TEXT = 16
"""Interactions that one text is learnt from, the newest ones: those of a text cost nearly nothing beside encoding it."""

FAR = 10.0
"""Standard deviations from the mean beyond which a value counts as this."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Texts, and who has them.

    Attributes:
        history: the user feature that is asked with.
        user_field: the users' text; empty without.
        items: item id -> the number of its text; an item without one is not there.
        texts: items' different texts.
        own: a user's text -> its number.
    """

    history: str
    user_field: str
    items: Mapping[str, int]
    texts: Sequence[str]
    own: Mapping[str, int]

    @classmethod
    def of(cls, shop: Workshop, task: Task, source: Pair, field: str, user_field: str, history: str) -> "Corpus":
        """Of the source's items, and of the users in its past.

        Raises:
            UsageError: there are no such texts.
            DataError: no item has one.
        """
        table = shop.features.items(source.index.ids(), task.upto.as_of)
        strings = [one.name for one in table.schema if _string(one.type) and one.name != "item_id"]
        _there("text.field", field, strings, "an item's String, which the item tower reads or answers show")
        schema = TowerSchema.from_json(source.model[SCHEMA].decode())
        past = completed(schema.user, _learnt(task))
        asked = [feature.name for feature in schema.user if feature.kind in ("text", "category")]
        said = [name for name in asked if _string(past.schema.field(name).type)]
        if user_field:
            _there("text.user_field", user_field, said, "a String that the user tower reads")
        texts, items = dict[str, int](), dict[str, int]()
        for item, text in zip(table.column("item_id").to_pylist(), table.column(field).to_pylist(), strict=True):
            if text is not None and text.strip():
                items[item] = texts.setdefault(text, len(texts))
        if not texts:
            raise DataError(
                "text.field",
                expected=f"a text in {field} of some item",
                found=f"none in {table.num_rows:,} items",
                fix="Post items with it, or name another field.",
            )
        own = _different(past.column(user_field)) if user_field else []
        return cls(history, user_field, items, list(texts), {text: number for number, text in enumerate(own)})

    @property
    def every(self) -> dict[str, int]:
        """Each different text of items and users, and what stands for it."""
        return {text: hashed(text) for text in (*self.texts, *self.own)}

    def new(self, shop: Workshop, task: Task, by: By, after: int, most: int) -> pa.Table:
        """Train rows after an offset, the newest ones of at most so many texts, with the number of their text."""
        rows = self._numbered(shop, task, "train", by)
        rows = rows.filter(pc.greater(rows.column("offset"), after))
        return rows.filter(pa.array(_newest(rows.column("text").to_numpy(), most)))

    def fit(self, shop: Workshop, task: Task, by: By, most: int) -> pa.Table:
        """The newest fit rows, likewise."""
        rows = self._numbered(shop, task, "fit", by)
        return rows.slice(max(0, rows.num_rows - most))

    def values(self, shop: Workshop, task: Task) -> npt.NDArray[np.float64]:
        """Those of all train rows that have one."""
        values: npt.NDArray[np.float64] = self._numbered(shop, task, "train", "rating").column("value").to_numpy()
        return values.astype(np.float64)

    def _numbered(self, shop: Workshop, task: Task, split: Split, by: By) -> pa.Table:
        """The rows of a part that something can be learnt of: for ratings all with a value, else those that are right answers."""
        rows, _ = taught(part(_learnt(task), split), shop.labels, shop.caps)
        if by == "rating":
            rows = rows.filter(pc.is_valid(rows.column("value")))
        if by == "click" and shop.labels.above_zero:
            rows = rows.filter(pc.fill_null(pc.greater(rows.column("value"), 0), False))
        known = pc.index_in(rows.column("item_id"), value_set=pa.array(list(self.items), pa.string()))
        numbers = np.array([*self.items.values(), -1])[pc.fill_null(known, -1).to_numpy()]
        return rows.append_column("text", pa.array(numbers)).filter(pa.array(numbers >= 0))

    def reading(self, rows: pa.Table, scale: tuple[float, float]) -> Reading:
        """Rows of `new` or `fit`, without those of users of whom nothing is known.

        Args:
            scale: the mean and the deviation of values.
        """
        histories = [self.numbers(one) for one in column(rows, self.history)]
        own = [self.own.get(one, -1) if isinstance(one, str) else -1 for one in column(rows, self.user_field)]
        kept = [place for place, (history, text) in enumerate(zip(histories, own, strict=True)) if history or text >= 0]
        rows = rows.take(pa.array(kept, pa.int64()))
        values = pc.fill_null(rows.column("value").cast(pa.float64()), scale[0]).to_numpy()
        return Reading(
            [histories[place] for place in kept],
            [own[place] for place in kept],
            rows.column("text").to_numpy(),
            np.clip((values - scale[0]) / scale[1], -FAR, FAR).astype(np.float32),
            rows.column("weight").to_numpy().astype(np.float32),
        )

    def numbers(self, history: object) -> list[int]:
        """The texts of a history's items, newest last."""
        entries = history if isinstance(history, list) else ()
        return [self.items[str(entry)] for entry in entries if entry is not None and str(entry) in self.items]


def _learnt(task: Task) -> pa.Table:
    """The rows that the source has learnt."""
    return task.past.filter(pc.less_equal(task.past.column("offset"), task.upto.end))


def _newest(texts: Ints, most: int) -> npt.NDArray[np.bool_]:
    """Of rows by offset the newest PER_TEXT of each of the `most` texts that came last; shape as given."""
    backwards = texts[::-1]
    _, firsts, number = np.unique(backwards, return_index=True, return_inverse=True)
    wanted = np.zeros(len(firsts), np.bool_)
    wanted[np.argsort(firsts)[:most]] = True
    order = np.argsort(number, kind="stable")
    begins = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(firsts)))])
    rank = np.empty(len(texts), np.int64)
    rank[order] = np.arange(len(texts)) - begins[number[order]]
    kept: npt.NDArray[np.bool_] = ((rank < PER_TEXT) & wanted[number])[::-1]
    return kept


def _there(field: str, name: str, known: Sequence[str], expected: str) -> None:
    if name not in known:
        raise UsageError(
            field,
            expected=f"{expected}: {', '.join(known) or 'there is none'}",
            found=repr(name),
            fix="Name one of them, or add one to the feature service.",
        )


def _string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _different(texts: pa.ChunkedArray) -> list[str]:
    return [text for text in texts.unique().to_pylist() if text is not None and text.strip()]
