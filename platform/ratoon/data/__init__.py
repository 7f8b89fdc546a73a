"""Where a world comes from: fetched, imported from a folder, or made up. Bad rows are put aside with their reason."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ratoon.data.fetch import PUBLISHED, Published, fetch

if TYPE_CHECKING:
    from ratoon.data.export import write_generic
    from ratoon.data.layouts import Import, Stream, read, stream
    from ratoon.data.synth import synth
    from ratoon.data.torrent import torrent, write_torrent

__all__ = [
    "PUBLISHED",
    "Import",
    "Published",
    "Stream",
    "fetch",
    "read",
    "stream",
    "synth",
    "torrent",
    "write_generic",
    "write_torrent",
]

_WHERE = {
    "export": ("write_generic",),
    "layouts": ("Import", "Stream", "read", "stream"),
    "synth": ("synth",),
    "torrent": ("torrent", "write_torrent"),
}


def __getattr__(name: str) -> Any:
    # These import polars, for which every command and every server would wait that only asks what there is to fetch.
    for module, names in _WHERE.items():
        if name in names:
            return getattr(import_module(f"ratoon.data.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
