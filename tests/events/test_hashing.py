"""The numbers that stand for ids and events."""

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.event import LOG_SCHEMA
from ratoon.events.hashing import of_events, of_texts
from tests.fakes.events import at, event

texts = st.lists(st.none() | st.text(max_size=40), min_size=1, max_size=8)


@given(texts, st.integers(0, 7))
def test_a_text_has_one_hash_wherever_it_stands(given_texts: list[str | None], start: int) -> None:
    """Alone, among others, in a slice or beside texts of its length: equal texts have equal hashes, and others have others."""
    whole = pa.array(given_texts, pa.string())
    alone = [of_texts(pa.array([text], pa.string()))[0] for text in given_texts]
    assert of_texts(whole).tolist() == alone
    assert of_texts(whole.slice(start)).tolist() == alone[start:]
    assert len(set(alone)) == len(set(given_texts))


@given(st.binary(min_size=1, max_size=2_000), st.integers(0, 1_999), st.integers(1, 127))
def test_another_byte_is_another_hash(content: bytes, place: int, by: int) -> None:
    """Whichever byte of a text is another one, so is its hash; texts longer than those that are prepared for, too."""
    before = bytearray(byte & 127 for byte in content)
    after = before.copy()
    after[place % len(after)] ^= by
    one, other = (of_texts(pa.array([bytes(text).decode()], pa.string())) for text in (before, after))
    assert one[0] != other[0]


def logged(**changes: Any) -> pa.Table:
    return pa.Table.from_pylist([event("a", created_timestamp=at(1), offset=1) | changes], LOG_SCHEMA)


def test_another_value_in_any_column_is_another_hash() -> None:
    """Each column of an event counts, nothing in it included; with its id's hash at hand the hash of the event is the same."""
    changes = {"event_id": "b", "kind": "item", "surface": "home", "user_id": "u", "item_id": "", "type": "click", "value": 0.0}
    changes |= {"event_timestamp": at(2), "features": "{}", "request_id": "r", "created_timestamp": at(3), "offset": 2}
    assert list(changes) == LOG_SCHEMA.names
    found = [of_events(logged()), *(of_events(logged(**{name: value})) for name, value in changes.items())]
    assert len({hashes[0] for hashes in found}) == len(LOG_SCHEMA) + 1
    assert of_events(logged(), of_texts(pa.array(["a"])))[0] == found[0][0]
    assert of_events(logged(value=-0.0)) == of_events(logged(value=0.0))  # SQLite keeps no sign of zero


def test_hashes_stay_what_they_are() -> None:
    """Files keep them, so that whoever changes how they are made has to give files another format."""
    assert of_texts(pa.array(["a", None, "ü3", ""])).tolist() == [
        5518940896186690404,
        15485907386658061715,
        14092614159765440901,
        0,
    ]
    assert of_events(logged()).tolist() == [6141950490555031805]
