"""Where a world comes from: fetched, imported from a folder, or made up. Bad rows are put aside with their reason."""

from ratoon.data.export import write_generic
from ratoon.data.fetch import PUBLISHED, Published, fetch
from ratoon.data.layouts import Import, read
from ratoon.data.synth import synth

__all__ = ["PUBLISHED", "Import", "Published", "fetch", "read", "synth", "write_generic"]
