"""What is shown of items, as JSON: made when an item is first answered, and again only when a column of it has changed."""

from collections.abc import Iterable, Mapping, Sequence

from pydantic_core import to_json


class Cards:
    """Item -> the members `,"item_id": ..., "item": {...}` of a JSON object after its first.

    About 200 bytes an item that was ever answered. Any number of threads may ask while one changes columns: it calls `forget`
    after a change, and whoever has made a card meanwhile throws it away.
    """

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    def get(self, ids: Sequence[str]) -> list[bytes | None]:
        """The cards of items, in order, as far as they were made since their columns changed last."""
        return list(map(self._made.get, ids))

    def keep(self, item: str, card: bytes) -> None:
        """Remember a card."""
        self._made[item] = card

    def forget(self, ids: Iterable[str]) -> None:
        """Make the cards of these items anew when they are asked for."""
        for item in ids:
            self._made.pop(item, None)

    def copy(self) -> "Cards":
        """The same cards."""
        other = Cards()
        other._made = dict(self._made)
        return other

    def clear(self) -> None:
        """Forget all of them."""
        self._made.clear()


def card(item: str, columns: Mapping[str, object]) -> bytes:
    """One item's members."""
    return b"," + to_json({"item_id": item, "item": columns}, inf_nan_mode="null")[1:-1]
