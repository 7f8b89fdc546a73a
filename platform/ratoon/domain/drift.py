"""How far the towers' inputs have moved from what a model learnt: figures go in, the ones that matter come out.

The figures are made where the libraries are (`features.quality.drift`); what follows from them is decided here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import pyarrow as pa

from ratoon.domain.schema import Entity

FILE = "profile.json.zst"
"""The file of a release that says what its inputs looked like: numbers as text, which take a fifth of the room packed."""

UNPACKED = "profile.json"
"""The same in releases that were made before it was packed."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One tower input over the rows a model learnt.

    Attributes:
        form: `number` or `category`; a list of ids counts by entry, a text by word, a history by its length, a vector by
            its norm.
        rows, entities: how many rows, and of how many different users or items they are.
        nulls: share of rows without a value.
        mean: of the known numbers; 0 for categories.
        edges: (b - 1,) inner edges of b bins with about equally many known numbers each; bin i ends before edge i.
        values: (b,) the most frequent categories.
        counts: missing ones first, then the b bins or values, then all other categories; (b + 1,) or (b + 2,).
        quantiles: evenly spaced order statistics of the known numbers, smallest and largest included.
    """

    feature: str
    entity: Entity
    form: Literal["number", "category"]
    rows: int
    entities: int
    nulls: float
    mean: float
    edges: tuple[float, ...]
    values: tuple[str, ...]
    counts: tuple[int, ...]
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one input of new rows is from its profile.

    Attributes:
        rows, entities: how many new rows, and of how many different users or items they are.
        psi: population stability index over the profile's bins: sum of (p - q) ln(p / q).
        chance: the PSI to be expected of samples this small without any drift.
        ks: the largest distance between the two distribution functions, 0 to 1; None for categories and without numbers.
        js: Jensen-Shannon distance over the same bins, base 2, 0 to 1.
    """

    feature: str
    rows: int
    entities: int
    psi: float
    chance: float
    ks: float | None
    js: float

    @property
    def excess(self) -> float:
        """The part of the PSI that chance does not explain."""
        return max(0.0, self.psi - self.chance)

    def __str__(self) -> str:
        """The figure that decisions are made by, in words."""
        return f"{self.feature} drifted by PSI {self.excess:.2f} beyond chance over {self.rows} rows"


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """From where on drift matters, each as PSI beyond chance.

    Attributes:
        warn, full, refuse: said in reports; learnt anew from all history; not published. Of the defaults the first is what
            the literature calls a major shift; real months of MovieLens stay below 1.2 and a click farm's reaches 4.
        least: with fewer users (or items, for an item's input) than this among the new rows nothing is concluded.
    """

    warn: float = 0.25
    full: float = 5.0
    refuse: float = 8.0
    least: int = 50

    def beyond(self, limit: float, drifts: Iterable[Drift]) -> tuple[Drift, ...]:
        """Those of `drifts` that are beyond `limit`, the strongest first."""
        found = [drift for drift in drifts if drift.entities >= self.least and drift.excess > limit]
        return tuple(sorted(found, key=lambda drift: (-drift.excess, drift.feature)))


def to_bytes(profiles: Iterable[Profile]) -> bytes:
    """Profiles as packed JSON, keys sorted, so that equal ones are equal bytes."""
    return _packed(json.dumps([asdict(profile) for profile in profiles], sort_keys=True).encode())


def from_bytes(data: bytes) -> tuple[Profile, ...]:
    """The inverse of `to_bytes`."""
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as text:
        return tuple(_profile(raw) for raw in json.loads(text.read()))


def renamed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """A release's files, of whichever age, with the profile under its name of now."""
    return {FILE if name == UNPACKED else name: _packed(data) if name == UNPACKED else data for name, data in files.items()}


def _packed(text: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packing:
        packing.write(text)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _profile(raw: Mapping[str, object]) -> Profile:
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
    return Profile(**listed)  # type: ignore[arg-type]  # JSON of our own making
