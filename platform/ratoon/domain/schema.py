"""What the towers are fed: the features of a surface's two services, by name, kind and place.

The schema is derived from the Feast repository at refresh time and travels inside the release, so that the process which
answers requests knows which features to read without importing Feast.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

Entity = Literal["user", "item"]
FeatureKind = Literal["id", "category", "number", "count", "text", "ids", "history", "attention", "vector"]
"""How a feature enters a tower.

id        the entity's own key: one learned row per id, row 0 for ids never seen
category  one string: a learned row per value
number    standardised; missing is a flag of its own
count     log(1 + x), then as a number
text      one string of any length: the mean of the learned rows that its words and their n-grams are hashed to, with a flag
          for missing
ids       a list of strings: the mean of their learned rows
history   a list of item ids, newest last: the mean of their rows in the items' own table, and the newest one's row
attention a list of item ids, newest last: the mean of their rows weighted by how they suit the newest one, and its row
vector    a list of `dim` floats, taken as it is; missing is a flag of its own
"""

SCHEMA = "schema.json"
"""The file of a release that says what its towers are fed."""

ITEM_TABLE = "item_id"
"""The vocabulary that the item tower's id rows and every `history` and `attention` feature share."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One tower input.

    Attributes:
        name: the column in joined tables and in the online store.
        view: the Feast feature view it is read from; empty for the entity key itself.
        vocabulary: the table of learned rows it indexes; empty for numbers and vectors.
        dim: the length of a vector, or the most entries used of a list, or the most n-grams of a text; 0 otherwise.
        ttl: seconds after which a stored value counts as missing; 0 for never.
        fold: the expression it is folded by, if it is: another fold is another input.
        buckets: the learned rows that a text's n-grams are hashed to; 0 for every other kind.
        ngram: the characters of a text's n-grams; 0 for every other kind.
        admit: the interactions with a value after which it gets a learned row; 0 if every value has one at once.
        evict: the seconds without an interaction after which a value loses its row; 0 for never.

    `admit` and `evict` say who gets a row and not what is read, so that features which differ in nothing else are equal, and
    a model outlives a change of them.
    """

    name: str
    view: str
    entity: Entity
    kind: FeatureKind
    vocabulary: str = ""
    dim: int = 0
    ttl: int = 0
    fold: str = ""
    buckets: int = 0
    ngram: int = 0
    admit: int = field(default=0, compare=False)
    evict: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class TowerSchema:
    """The contract between a Feast repository and the two towers of one surface.

    Attributes:
        project: Feast's project; it prefixes the tables of the online store.
        user, item: the inputs of each tower, in the order in which they are concatenated.
        display, filters: item columns that go with answers, and that answers can be filtered by.
    """

    project: str
    user: tuple[Feature, ...]
    item: tuple[Feature, ...]
    display: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 over the tower inputs: two schemas with one hash can share a model."""
        return _hash((*self.user, *self.item))

    def service_hash(self, side: Entity) -> str:
        """SHA-256 over what one of the two services feeds its tower."""
        return _hash(self.user if side == "user" else self.item)

    def to_json(self) -> str:
        """The schema as JSON, keys sorted, so that equal schemas are equal bytes."""
        sides = {"user": [_said(feature) for feature in self.user], "item": [_said(feature) for feature in self.item]}
        return json.dumps(asdict(self) | sides, sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "TowerSchema":
        """The inverse of `to_json`."""
        raw: Mapping[str, list[dict[str, object]]] = json.loads(text)
        return cls(
            project=str(raw["project"]),
            user=tuple(Feature(**row) for row in raw["user"]),  # type: ignore[arg-type]  # JSON of our own making
            item=tuple(Feature(**row) for row in raw["item"]),  # type: ignore[arg-type]
            display=tuple(str(name) for name in raw["display"]),
            filters=tuple(str(name) for name in raw["filters"]),
        )


def _hash(features: tuple[Feature, ...]) -> str:
    inputs = [_said(replace(feature, admit=0, evict=0)) for feature in features]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _said(feature: Feature) -> dict[str, object]:
    """A feature's fields; what only some have is left out of others, so that schemas without it keep their hashes."""
    return {name: value for name, value in asdict(feature).items() if value or name not in ("buckets", "ngram", "admit", "evict")}
