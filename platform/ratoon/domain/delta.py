"""What changed inside a window, and which part of it may be trained on."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

Split = Literal["train", "fit", "gate", "reserve"]
SALT = "ratoon"


def split_of(user_id: str) -> Split:
    """The part of the data a user belongs to, for ever: 80 % train, 10 % fit, 5 % gate, 5 % reserve.

    By user and not by event, so that no user's taste leaks from the rows trained on into the rows judged by. Gate rows
    are judged by and then trained in; rows of the reserve are judged by and never trained on, so that they can say years
    later whether a model forgot something: on rows it was taught, a parent would always look better than its child.
    """
    bucket = int.from_bytes(hashlib.blake2b(f"{SALT}:{user_id}".encode(), digest_size=4).digest()) % 20
    return "train" if bucket < 16 else "fit" if bucket < 18 else "gate" if bucket == 18 else "reserve"


def part(interactions: pa.Table, *wanted: Split) -> pa.Table:
    """The rows of `interactions` whose `user_id` belongs to one of the parts `wanted`, in order."""
    users = interactions.column("user_id")
    chosen = [user for user in users.unique().to_pylist() if split_of(user) in wanted]
    return interactions.filter(pc.is_in(users, value_set=pa.array(chosen, pa.string())))


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
