"""The page's style, script and icon: files beside this module, served under names that change with what is in them."""

from dataclasses import dataclass
from importlib.resources import files

from ratoon.durable import sha256
from ratoon.serving.keys.roles import ASSETS_PATH

KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file.

    Attributes:
        name: with twelve digits of its SHA-256, so that it may be kept for ever.
        kind: its media type.
    """

    name: str
    kind: str
    content: bytes

    @property
    def path(self) -> str:
        """Where it is served."""
        return ASSETS_PATH + self.name


def _read(name: str) -> Asset:
    content = (files(__package__) / name).read_bytes()
    stem, _, ending = name.partition(".")
    return Asset(f"{stem}-{sha256(content)[:12]}.{ending}", KINDS[ending], content)


STYLE, SCRIPT, ICON = _read("page.css"), _read("page.js"), _read("icon.svg")
ASSETS = {one.name: one for one in (STYLE, SCRIPT, ICON)}
"""By name."""
