"""What is published: a user tower and an index that belong together, under one id."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Literal

from ratoon.domain.plan import Scope
from ratoon.domain.window import Window

Metric = Literal["cosine", "dot"]


@dataclass(frozen=True, slots=True)
class Release:
    """The manifest of one release; immutable once published.

    Attributes:
        id: hex, see `release_id`.
        surface: the product surface it serves.
        sequence: 1 for a surface's first release, one more for each later one; never reused.
        parent: the id of the release it was published over; empty for the first.
        window: what had been seen when it was made; `window.end` is the watermark.
        scope: the plan that made it, or `rollback`.
        dim, metric: of the vectors.
        schema_hash: of the feature services it was trained on.
        seed: of every random choice.
        written_items: the items whose change a `rows` refresh learnt; the next one may write them again. Empty otherwise.
        files: file name -> SHA-256.
        space: the vector space that a `rows` refresh stayed in; empty if the release began its own. See `vector_space`.
        taught: the watermark of the release that last moved the shared layers or tried to, this one included; 0 in older ones.
        published: the first moment, by the configured clock, at which it can have been served: later than all it has seen and
            than its parent's. None in manifests that are older than this field.
    """

    id: str
    surface: str
    sequence: int
    parent: str
    window: Window
    scope: Scope | Literal["rollback"]
    dim: int
    metric: Metric
    schema_hash: str
    seed: int
    written_items: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    space: str = ""
    taught: int = 0
    published: datetime | None = None

    @property
    def vector_space(self) -> str:
        """Names the space of its item vectors, 16 hex digits: within one space vectors of different releases compare.

        A `rows` refresh holds the item tower's shared layers and all unwritable rows still, so it stays in its parent's space,
        however long that chain grows and whichever of its releases are forgotten. `full` and `dense` move what all vectors are
        made of and begin a space, named by the surface and the files that began it; a rollback is back in its target's. The
        layers themselves are no name: a tower that only looks up ids has none.
        """
        begun = json.dumps([self.surface, dict(self.files)], sort_keys=True)
        return self.space or hashlib.sha256(begun.encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The manifest as JSON, keys sorted."""
        raw = asdict(replace(self, files=dict(self.files)))
        published = self.published.isoformat() if self.published else None
        window = json.loads(self.window.to_json())
        return json.dumps(raw | {"window": window, "published": published}, sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Release":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        window = Window.from_json(json.dumps(raw.pop("window")))
        stated = raw.get("published")
        published = datetime.fromisoformat(stated) if stated else None
        return cls(**raw | {"window": window, "written_items": tuple(raw["written_items"]), "published": published})


def release_id(*, parent: str, window: Window, scope: str, seed: int, files: Mapping[str, str]) -> str:
    """SHA-256 over everything that makes a release what it is; the same work done again gives the same id.

    Args:
        files: file name -> SHA-256 of its bytes, for the model, the schema and the index.
    """
    body = json.dumps([parent, json.loads(window.to_json()), scope, seed, dict(files)], sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()
