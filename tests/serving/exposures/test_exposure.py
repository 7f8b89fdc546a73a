"""An answer becomes a row and comes back."""

import math
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import numpy as np
import pytest

from ratoon.domain.exploration import Exploration
from ratoon.serving.exposures.exposure import COLUMNS, kept, row_of
from tests.serving.exposures.answers import answer, drawn


def test_it_comes_back_as_it_was() -> None:
    """Every field survives the file, with emoji, quotes and newlines in ids, and the share beside it."""
    given = drawn("r\n'1", 0.000001, "👤", Exploration(2, 0.25, 3), ('i"1', "i\n2", "🎬", "", "e", "f"), 3)
    row = row_of(given, 0.5)
    assert len(row) == len(COLUMNS)
    back = kept(row)
    for name in ("request_id", "time", "surface", "user_id", "release", "source", "slots", "epsilon"):
        assert getattr(back, name) == getattr(given, name)
    assert list(zip(back.items, back.scores, strict=True)) == given.found
    assert list(zip(back.choices, back.choice_scores, strict=True)) == given.choices
    assert back.propensities == given.propensities
    assert (back.share, back.features) == (0.5, {"user_id": "👤"})


def test_what_is_certain_has_propensity_one() -> None:
    """An answer without chance is stored without propensities and read with 1 at each position."""
    back = kept(row_of(answer(user=None), 1.0))
    assert (back.propensities, back.scores, back.user_id, back.features) == ((1.0, 1.0), (2.0, 1.5), None, {})


def test_time_is_utc() -> None:
    """A time given in another zone is the same moment in UTC, to the microsecond."""
    there = datetime(2024, 5, 1, 14, 0, 0, 7, tzinfo=timezone(timedelta(hours=2)))
    assert kept(row_of(answer()._replace(time=there), 1.0)).time == datetime(2024, 5, 1, 12, 0, 0, 7, tzinfo=UTC)


def test_feature_values_are_json() -> None:
    """Texts, lists, numbers, arrays and times are kept by name; what is no number counts as missing, as in a tower."""
    values = {
        "genres": ["a", "b"],
        "age": 41,
        "mean": 0.5,
        "vector": np.array([0.5, 0.25], np.float32),
        "count": np.int64(3),
        "joined": datetime(2024, 1, 1, tzinfo=UTC),
        "id": UUID(int=7),
    }
    said = {
        "genres": ["a", "b"],
        "age": 41,
        "mean": 0.5,
        "vector": [0.5, 0.25],
        "count": 3,
        "joined": "2024-01-01T00:00:00+00:00",
        "id": "00000000-0000-0000-0000-000000000007",
    }
    assert kept(row_of(answer()._replace(features=values), 1.0)).features == said
    odd = {"mean": math.nan, "vector": np.array([0.5, math.inf]), "list": [1.0, -math.inf, "x"], "one": np.float32("nan")}
    row = row_of(answer()._replace(features=values | odd), 1.0)
    assert kept(row).features == said | {"mean": None, "vector": [0.5, None], "list": [1.0, None, "x"], "one": None}
    assert not {"NaN", "Infinity"} & set(str(row[13]).split())


def test_what_is_no_text() -> None:
    """An id with half a character cannot be stored, and is refused before SQLite sees it."""
    with pytest.raises(UnicodeError, match="surrogates not allowed"):
        row_of(answer(user="\ud800"), 1.0)
