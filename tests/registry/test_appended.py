"""Differences between JSON files that grow at the ends of their lists."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.encoding import Encoding, Scale, Vocabulary
from ratoon.registry.appended import difference, rebuilt

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3).filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


def written(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()


@given(old=VALUES, new=VALUES)
def test_any_file_comes_back_from_any_other(old: object, new: object) -> None:
    """The newer file's value comes back; byte for byte unless the two differ only in how a number is written."""
    delta = difference(written(old), written(new))
    assert delta is not None
    again = rebuilt(written(old), [delta])
    assert json.loads(again) == new
    assert again == written(new) or old == new


def test_a_vocabulary_costs_what_it_gained() -> None:
    """Of two vocabularies only the new values are kept, though both are in the middle of the file."""
    users, items = tuple(f"u{n}" for n in range(500)), tuple(f"i{n}" for n in range(900))
    old = Encoding({"user_id": Vocabulary(users), "item_id": Vocabulary(items)}, {"age": Scale(0.1, 1e-17)})
    new = Encoding({"user_id": Vocabulary((*users, "ü")), "item_id": Vocabulary((*items, "x", "y"))}, old.scales)
    delta = difference(old.to_json().encode(), new.to_json().encode())
    assert delta is not None
    assert json.loads(delta)[1]["vocabularies"] == ["keys", {"item_id": ["grown", ["x", "y"]], "user_id": ["grown", ["ü"]]}]
    assert rebuilt(old.to_json().encode(), [delta]) == new.to_json().encode()


def test_other_files_have_no_difference() -> None:
    """What is not JSON, or not text, has none."""
    assert difference(b"{", b"{}") is None
    assert difference(b"{}", b"\xff") is None


@pytest.mark.parametrize(
    ("delta", "found"),
    [
        (b"{", "Expecting property name"),
        (b'["more"]', "'more'. is no difference"),
        (b'["grown", [1]]', "TypeError"),
        (b'["keys", 3]', "AttributeError"),
    ],
)
def test_a_difference_from_something_else_is_refused(delta: bytes, found: str) -> None:
    """What is no difference, or one from another file, is a ValueError."""
    with pytest.raises(ValueError, match=found):
        rebuilt(b'{"a": 1}', [delta])
