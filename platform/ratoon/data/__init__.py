"""Where a world comes from: fetched, imported from a folder, or made up. Bad rows are put aside with their reason."""

from ratoon.data.export import write_generic
from ratoon.data.fetch import PUBLISHED, Published, fetch
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
