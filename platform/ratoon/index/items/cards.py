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

    def keep(self, cards: Mapping[str, bytes]) -> None:
        """Remember cards."""
        self._made.update(cards)

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


_FIRST, _NEXT = b'{"item_id":', b'},{"item_id":'


def written(rows: Mapping[str, Mapping[str, object]]) -> dict[str, bytes]:
    """The cards of items, by their columns: written all at once, and then cut apart.

    Within a string the quotes of what is cut at are escaped; only a column of objects can hold it, and then they are written
    one by one.
    """
    objects = [{"item_id": item, "item": columns} for item, columns in rows.items()]
    parts = to_json(objects, inf_nan_mode="null")[1 + len(_FIRST) : -2].split(_NEXT)
    if len(parts) != len(objects):
        parts = [to_json(one, inf_nan_mode="null")[len(_FIRST) : -1] for one in objects]
    return {item: b',"item_id":' + part for item, part in zip(rows, parts, strict=True)}
