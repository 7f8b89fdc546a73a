"""What an online store of packed rows does, whichever keeps the bytes, and how one is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ratoon.features.online.block import Block, block
from ratoon.features.online.layout import NEVER, Layout
from ratoon.features.online.pack import Packed

Notes = Mapping[str, Mapping[str, str | None]]
"""Kind -> name -> text; None takes a name away. Positions and layouts are kept as notes, in the store they are about."""

EXPIRED = NEVER.to_bytes(8, "little", signed=True)

LAYOUTS = "layouts"
"""The kind of notes that hold layouts: fingerprint in hex -> `Layout.text`."""


@dataclass(frozen=True)
class Batch:
    """New rows of one view, at most one per entity."""

    view: str
    layout: Layout
    packed: Packed


@dataclass(frozen=True)
class Wanted:
    """One view to be read.

    Attributes:
        ttl: microseconds after which its values count as missing; 0 for never.
    """

    view: str
    layout: Layout
    ttl: int = 0


NEWEST = "newest"
"""The kind of notes that hold each view's newest event time."""

APPLIED = "applied"
"""The kind of notes that say up to which offset of the event log a view is materialised: `View.edition` -> offset."""


ARRIVED = "arrived"
"""How the kinds of notes begin that hold what a view's files have given."""


def arrived(view: str, layout: Layout) -> str:
    """The kind of notes that hold what a view's files have given to rows of a layout: path -> JSON."""
    return f"{ARRIVED}:{view}:{layout.fingerprint.hex()}"


def reached(applied: Mapping[str, str], edition: str, end: int) -> int:
    """Up to which offset a view is materialised, by the notes APPLIED; 0 if they name one beyond `end`, where the log ends."""
    offset = int(applied.get(edition, 0))
    return offset if offset <= end else 0


class RowStore(Protocol):
    """Packed rows by view and entity, and notes, of one Feast project.

    A row replaces another only if it is not older: the later event time wins, of equal ones the later arrival, and a row
    with both the same is written again. So of rows alike in both the one written last stays, where a join takes the last by
    its file's path: the same one, unless a file arrives after another and is named before it. A column that says when rows
    arrived settles that. Every method raises StoreError when the store cannot be reached.
    """

    def layout(self, fingerprint: bytes) -> Layout | None:
        """The layout that rows with this fingerprint have; None if none such was ever written."""

    def prepare(self, views: Sequence[str]) -> None:
        """Make room for views; needed before they are read or written. Where there is room, nothing is locked."""

    def write(self, batches: Sequence[Batch], notes: Notes | None = None) -> None:
        """Write rows, then notes. A row is written whole or not at all, and notes never without the rows."""

    def written(self) -> object:
        """Another one once rows may have been written or deleted past this object; None where to ask costs as much as a row."""

    def rows(self, views: Sequence[str], keys: Sequence[bytes]) -> list[list[bytes | None]]:
        """Per view, one row per key in the keys' order, None where there is none; one round trip."""

    def notes(self, kind: str) -> dict[str, str]:
        """The notes of a kind."""

    def newest(self) -> dict[str, int]:
        """View -> the newest event time that was ever written, microseconds since 1970; views without a row are left out."""

    def forget(self, keys: Sequence[bytes]) -> None:
        """Delete everything that is stored of these entities."""

    def drop(self, views: Sequence[str]) -> None:
        """Delete views with all their rows, and the notes of what was brought into them: back again, they are filled anew."""

    def close(self) -> None:
        """Let go of connections."""


def read(store: RowStore, wanted: Sequence[Wanted], keys: Sequence[bytes], now: int) -> list[Block]:
    """All wanted views of n entities, in the keys' order, in one round trip.

    Args:
        now: microseconds since 1970; a row whose event time is more than its view's ttl before comes without values and
            with the time NEVER.
    """
    found = store.rows([one.view for one in wanted], keys)
    if len(keys) == 1:  # a comparison of NumPy's costs more than the whole rest of a read
        for one, rows in zip(wanted, found, strict=True):
            if one.ttl and rows[0] is not None and int.from_bytes(rows[0][8:16], "little", signed=True) < now - one.ttl:
                rows[0] = one.layout.fingerprint + EXPIRED + one.layout.blank[16:]  # its own may be another layout
        return [block(one.layout, rows, store.layout) for one, rows in zip(wanted, found, strict=True)]
    return [_fresh(block(one.layout, rows, store.layout), one.ttl, now) for one, rows in zip(wanted, found, strict=True)]


def _fresh(rows: Block, ttl: int, now: int) -> Block:
    expired = rows.records["event_ts"] < now - ttl
    return rows.without(expired) if ttl and expired.any() else rows
