"""What changed inside a window, and which part of it may be trained on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Split = Literal["train", "fit", "gate"]
SALT = "ratoon"


def split_of(user_id: str) -> Split:
    """The part of the data a user belongs to, for ever: 80 % train, 10 % fit, 10 % gate.

    By user and not by event, so that no user's taste leaks from the rows trained on into the rows judged by.
    """
    bucket = int.from_bytes(hashlib.blake2b(f"{SALT}:{user_id}".encode(), digest_size=4).digest()) % 10
    return "gate" if bucket == 9 else "fit" if bucket == 8 else "train"


def split_mask(user_ids: Iterable[str], wanted: Split) -> npt.NDArray[np.bool_]:
    """For each user id whether it belongs to `wanted`; shape (n,)."""
    known: dict[str, bool] = {}
    return np.fromiter((known.setdefault(user, split_of(user) == wanted) for user in user_ids), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class FeatureDelta:
    """What a window changed.

    Attributes:
        interactions: the new interactions joined with both services' features as they were just before each of them;
            columns `offset, user_id, item_id, type, value, event_timestamp` and one per feature.
        changed_items: live items whose features or interactions changed, new ones included; sorted.
        new_items: the live items among them that the parent release does not know; sorted.
        removed_items: items of the parent that are gone; sorted.
    """

    interactions: pa.Table
    changed_items: tuple[str, ...]
    new_items: tuple[str, ...]
    removed_items: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing to learn, nothing to embed, nothing to take away."""
        return not (self.interactions.num_rows or self.changed_items or self.removed_items)

    def part(self, wanted: Split) -> pa.Table:
        """The interactions of one part of the users."""
        users = self.interactions.column("user_id").to_pylist()
        return self.interactions.filter(pa.array(split_mask(users, wanted)))
