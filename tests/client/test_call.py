"""Parts of calls."""

from datetime import UTC, date, datetime
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.client.call import checked, jsonable, made_id, said, segment

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30) | st.sampled_from([".", "..", "../.."])


@given(TEXT)
def test_an_id_is_one_segment(text: str) -> None:
    """Whatever an id holds, it is one segment of the path that is sent, and comes out of it as it went in."""
    sent = httpx.URL(f"http://host/v1/items/{segment(text)}/similar").raw_path.decode()
    before, _, after = sent.removeprefix("/v1/items/").partition("/")
    assert (unquote(before), after) == (text, "similar")


def test_an_empty_id_has_no_path() -> None:
    """Without an id there would be another path."""
    with pytest.raises(ValueError, match="an id in a path must not be empty"):
        segment("")


def test_what_is_not_given_is_not_said() -> None:
    """None is left out; false and empty values are not."""
    assert said(a=None, b=False, c=[], d=0) == {"b": False, "c": [], "d": 0}


def test_what_json_can_be_made_of() -> None:
    """Times, mappings, sets and arrays have a form in JSON; other objects have none."""
    assert jsonable(datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01T00:00:00+00:00"
    assert jsonable(date(2026, 3, 1)) == "2026-03-01"
    assert jsonable({"a"}) == ["a"]
    assert jsonable(np.ones(2, np.float32)) == [1.0, 1.0]
    assert jsonable(np.int64(3)) == 3
    with pytest.raises(TypeError, match="object cannot be sent as JSON"):
        jsonable(object())


def test_ids_differ() -> None:
    """Made ids are not repeated, and can be headers."""
    assert len({checked("id", made_id()) for _ in range(100)}) == 100
