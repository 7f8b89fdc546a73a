"""Items by their titles, for the page's box.

Titles are taken out of the index once for each release, in a thread, when somebody first looks for one. That and every search
go over all of them in Arrow, which lets other threads run meanwhile: 0.1 s each for a million.
"""

from dataclasses import dataclass
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.adopt import Slot

POSTED = 2_000
"""Items posted since the release that are looked at too, the newest."""

NAMES = ("title", "name", "label")


@dataclass(frozen=True, slots=True)
class Found:
    """An item and its title."""

    item_id: str
    title: str


class Titles:
    """The titles of one surface."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of = ""
        self._copied: tuple[pa.StringArray, pa.LargeStringArray] | None = None

    def search(self, slot: Slot, text: str, most: int) -> list[Found]:
        """Items whose id is `text`, then those whose title begins with it, then those that have it within; call it from a thread.

        Whatever the case of the letters; as they are called now, without those that are gone.
        """
        wanted, column = text.strip().casefold(), title_of(slot)
        if not wanted:
            return []
        newest = list(slot.posted)[-POSTED:]
        ids = [text.strip(), *newest]
        if column is not None:
            ids += self._matching(slot, column, wanted, most)
        shown = slot.index.columns(dict.fromkeys(ids))
        found = [Found(item, str(columns.get(column or "") or item)) for item, columns in shown.items()]
        kept = [one for one in found if wanted in one.title.casefold() or one.item_id == text.strip()]
        kept.sort(
            key=lambda one: (one.item_id != text.strip(), not one.title.casefold().startswith(wanted), one.title, one.item_id)
        )
        return kept[:most]

    def _matching(self, slot: Slot, column: str, wanted: str, most: int) -> list[str]:
        with self._lock:  # the second who asks waits for what the first has begun
            if self._copied is None or self._of != slot.release.id:
                self._copied, self._of = _copied(slot, column), slot.release.id
            ids, titles = self._copied
        first = pc.starts_with(titles, wanted)
        within = pc.match_substring(titles, wanted)
        begun = pc.indices_nonzero(first).slice(0, most)
        places = pa.concat_arrays([begun, pc.indices_nonzero(within).slice(0, 2 * most)])
        return list(dict.fromkeys(ids.take(places).to_pylist()))


def title_of(slot: Slot) -> str | None:
    """The display column that says what an item is called; None if there is none."""
    shown = slot.schema.display
    return next((name for name in (*NAMES, *shown) if name in shown), None)


def _copied(slot: Slot, column: str) -> tuple[pa.StringArray, pa.LargeStringArray]:
    """The items that have a title, and their titles as they are compared."""
    if column not in slot.index.kinds():
        return pa.nulls(0, pa.string()), pa.nulls(0, pa.large_string())
    table = slot.index.listed(column)
    table = table.filter(pc.is_valid(table.column(column)))
    ids, titles = (part.combine_chunks() for part in table.columns)
    if not (pa.types.is_string(titles.type) or pa.types.is_large_string(titles.type)):
        titles = pa.array(map(str, titles.to_pylist()), pa.large_string())
    titles = titles.cast(pa.large_string())
    # Arrow makes letters small, which is what Python calls folded where they are all of ASCII.
    others = pc.invert(pc.string_is_ascii(titles))
    folded = [title.casefold() for title in titles.filter(others).to_pylist()]
    return ids, pc.replace_with_mask(pc.utf8_lower(titles), others, pa.array(folded, pa.large_string()))
