"""A lesson's tables as tensors, encoded once before the first step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.domain.schema import ITEM_TABLE, Feature, TowerSchema
from ratoon.training.settings import Objective

ITEM_KEY = Feature("item_id", "", "item", "id", ITEM_TABLE)
"""The items' own key: it has a vocabulary even where no tower has a row per item, for counting and for masking."""

Encoded = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Items:
    """Encoded items: what negatives are drawn from.

    Attributes:
        inputs: feature name -> encoded rows.
        codes: each item's row in the item vocabulary; shape (n,).
    """

    inputs: Encoded
    codes: Tensor

    def __len__(self) -> int:
        """The number of items."""
        return len(self.codes)

    def take(self, rows: Tensor) -> "Items":
        """The items at `rows`, in that order."""
        return Items(_take(self.inputs, rows), self.codes[rows])

    def followed_by(self, other: "Items") -> "Items":
        """These items, then `other`'s."""
        inputs = {name: torch.cat([column, other.inputs[name]]) for name, column in self.inputs.items()}
        return Items(inputs, torch.cat([self.codes, other.codes]))


@dataclass(frozen=True, slots=True)
class Examples:
    """Encoded interactions.

    Attributes:
        users: the user tower's inputs as of each interaction.
        items: the items interacted with, as of each interaction.
        value: the label; shape (n,). Zeros where the objective has no use for one.
    """

    users: Encoded
    items: Items
    value: Tensor

    def __len__(self) -> int:
        """The number of interactions."""
        return len(self.value)

    def take(self, rows: Tensor) -> "Examples":
        """The interactions at `rows`, in that order."""
        return Examples(_take(self.users, rows), self.items.take(rows), self.value[rows])


def joined(schema: TowerSchema, parts: Sequence[pa.Table]) -> pa.Table | None:
    """The columns that are learnt from, of all non-empty parts one after the other; None if all are empty."""
    wanted = dict.fromkeys([ITEM_KEY.name, "value", *(feature.name for feature in (*schema.user, *schema.item))])
    parts = [part.select([name for name in wanted if name in part.column_names]) for part in parts if part.num_rows]
    return pa.concat_tables(parts, promote_options="permissive").combine_chunks() if parts else None


def encode_items(schema: TowerSchema, encoding: Encoding, table: pa.Table, device: torch.device) -> Items:
    """The items of `table`, ready for the item tower."""
    codes = encoding.encode([ITEM_KEY], table)[ITEM_KEY.name]
    return Items(_tensors(encoding.encode(schema.item, table), device), torch.from_numpy(codes).to(device))


def encode_examples(schema: TowerSchema, encoding: Encoding, table: pa.Table, live: Items, objective: Objective) -> Examples:
    """The interactions of `table`, ready for both towers.

    A live item enters as it is now and not as it was then. Its vector is searched as of now; and were positives shown as of
    then beside negatives as of now, a popularity count would tell them apart by its age alone (measured on MovieLens-100K:
    recall@50 falls from 0.46 to 0.34).

    Args:
        live: the catalogue's items.

    Raises:
        DataError: the objective learns from `value`, and a row has none.
    """
    device = live.codes.device
    then = encode_items(schema, encoding, table, device)
    place = torch.full((len(encoding.vocabularies[ITEM_TABLE]),), -1, device=device)
    place[live.codes] = torch.arange(len(live), device=device)
    found = place[then.codes]
    gone = torch.arange(len(then), device=device) + len(live)
    return Examples(
        users=_tensors(encoding.encode(schema.user, table), device),
        items=live.followed_by(then).take(torch.where(found >= 0, found, gone)),
        value=torch.from_numpy(_labels(table, objective)).to(device),
    )


def _labels(table: pa.Table, objective: Objective) -> npt.NDArray[np.float32]:
    if objective == "softmax":
        return np.zeros(table.num_rows, dtype=np.float32)
    value = table.column("value").cast(pa.float32()).to_numpy()
    missing = int((~np.isfinite(value)).sum())
    if missing:
        raise DataError(
            "value",
            expected=f"a number on every interaction, which objective {objective} learns from",
            found=f"{missing} of {len(value)} rows without one",
            fix="Send events with a value, or set training.objective to softmax.",
        )
    return np.array(value > 0 if objective == "bce" else value, dtype=np.float32)


def _tensors(arrays: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int64]], device: torch.device) -> Encoded:
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def _take(columns: Encoded, rows: Tensor) -> Encoded:
    return {name: column.index_select(0, rows) for name, column in columns.items()}
