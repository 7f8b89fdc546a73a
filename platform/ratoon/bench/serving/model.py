"""The towers of a world, as a release carries them: real layers of the usual sizes, whose weights pass a vector through.

The hidden layer is computed and counts for nothing, so that a user's vector is their `taste` and an item's its `portrait`:
what a search finds can then be told right or wrong. Each edition of the world turns users a little aside, so that a tower of
one release and an index of another do not give either's scores.
"""

import json

import numpy as np
import numpy.typing as npt

from ratoon.bench.serving.crowd import CATEGORIES, DIM, item_ids
from ratoon.bench.serving.inputs import CATEGORY_NAMES, COUNTRIES, COUNTRY_NAMES, SCHEMA
from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import Encoding, Scale, Vocabulary
from ratoon.domain.popularity import FILE, GRID, Popularity
from ratoon.domain.schema import ITEM_TABLE, Entity
from ratoon.ports import Files

HIDDEN, SMALL = 128, 16
"""The width of the hidden layer, and of learned rows that stand for no id; as `ratoon.training` has them."""

WORTH, UNIT = (0.5, 0, 0.5, 0), 0.05
"""What popularity is worth: this point of its grid, in units of a temperature."""

ASIDE = 0.05
"""How far an edition turns users, relative to their vectors' length."""

Tensors = dict[str, npt.NDArray[np.float32]]


def item_files(vectors: Vectors) -> Files:
    """What all editions share: the items' side, whose rows are the items' own vectors, and how features are encoded.

    Args:
        vectors: shape (items, DIM).
    """
    random = np.random.default_rng(31)
    tensors = {
        f"table.{ITEM_TABLE}": np.concatenate([np.zeros((1, DIM), np.float32), vectors]),
        "table.category": _drawn(random, CATEGORIES + 1, SMALL),
        **_layers(random, "item", DIM + 1 + DIM + SMALL + 2),
    }
    vocabularies = {
        ITEM_TABLE: Vocabulary(tuple(item_ids(np.arange(len(vectors))))),
        "category": Vocabulary(tuple(CATEGORY_NAMES)),
        "country": Vocabulary(tuple(COUNTRY_NAMES)),
    }
    scales = {"age": Scale(49, 18), "price": Scale(50, 29)}
    about = {"dim": DIM, "metric": "cosine", "objective": "softmax", "temperature": UNIT, "losses": {}}
    chosen = int(np.flatnonzero((np.array(WORTH, np.float32) == GRID).all(axis=1))[0])
    evidence = tuple(float(point == chosen) for point in range(len(GRID)))
    return {
        "encoding.json": Encoding(vocabularies, scales).to_json().encode(),
        "item.safetensors": saved(tensors),
        "model.json": json.dumps(about, sort_keys=True, indent=1).encode(),
        "schema.json": SCHEMA.to_json().encode(),
        FILE: Popularity(UNIT, evidence).to_json().encode(),
    }


def user_file(edition: int) -> Files:
    """The users' side of an edition."""
    random = np.random.default_rng(32)
    tensors = {"table.country": _drawn(random, COUNTRIES + 1, SMALL), **_layers(random, "user", DIM + 1 + 2 + SMALL + 2 * DIM)}
    turned = np.random.default_rng([33, edition]).standard_normal(DIM).astype(np.float32)
    tensors["user.b2"] = turned * np.float32(ASIDE / np.linalg.norm(turned)) if edition else np.zeros(DIM, np.float32)
    return {"user.safetensors": saved(tensors)}


def _layers(random: np.random.Generator, side: Entity, wide: int) -> Tensors:
    """A tower's layers; the vector that is passed through comes first among its inputs."""
    through = np.zeros((DIM, wide), np.float32)
    through[:, :DIM] = np.eye(DIM)
    return {
        f"{side}.w1": _drawn(random, HIDDEN, wide),
        f"{side}.b1": _drawn(random, HIDDEN),
        f"{side}.w2": np.zeros((DIM, HIDDEN), np.float32),
        f"{side}.b2": np.zeros(DIM, np.float32),
        f"{side}.p": through,
    }


def _drawn(random: np.random.Generator, *shape: int) -> npt.NDArray[np.float32]:
    return random.standard_normal(shape, np.float32) * np.float32(0.05)


def saved(tensors: Tensors) -> bytes:
    """Tensors as safetensors; see `ratoon.towers.tensors` for the format."""
    header, parts, at = {}, [], 0
    for name in sorted(tensors):
        data = np.ascontiguousarray(tensors[name], "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)
    return len(said).to_bytes(8, "little") + said + b"".join(parts)
