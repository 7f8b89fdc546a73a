"""Windows chain without gaps, travel as JSON and know what is left out."""

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.window import Window

NAMES = st.text(max_size=4)
OFFSETS = st.integers(0, 10**12)
WINDOWS = st.builds(
    Window,
    start=OFFSETS,
    end=OFFSETS,
    as_of=st.datetimes(timezones=st.just(UTC)),
    cursors=st.dictionaries(NAMES, st.dictionaries(NAMES, NAMES, max_size=2), max_size=2),
    left_out=st.lists(st.tuples(OFFSETS, OFFSETS), max_size=3).map(tuple),
)


@given(window=WINDOWS)
def test_json_round_trip(window: Window) -> None:
    """JSON gives the same window back, to the microsecond, and the same bytes."""
    again = Window.from_json(window.to_json())
    assert again == window
    assert again.to_json() == window.to_json()
    assert again.as_of.tzinfo is not None


def test_key_order_does_not_show() -> None:
    """Equal windows are equal bytes, in whatever order their cursors were filled."""
    as_of = datetime(2020, 1, 1, tzinfo=UTC)
    one = Window(0, 1, as_of, {"a": {"x": "1", "y": "2"}, "b": {}})
    two = Window(0, 1, as_of, {"b": {}, "a": {"y": "2", "x": "1"}})
    assert one.to_json() == two.to_json()


def test_left_out() -> None:
    """Both ends of a range are left out, their neighbours are not."""
    window = Window(0, 50, datetime(2020, 1, 1, tzinfo=UTC), left_out=((3, 5), (9, 9)))
    offsets = np.arange(1, 11)
    assert offsets[~window.learnt(offsets)].tolist() == [3, 4, 5, 9]
    assert Window(0, 5, window.as_of).learnt(offsets).all()


def test_older_windows_are_read() -> None:
    """A window that has sizes where there are fingerprints now is read, and its sizes are no file's fingerprint."""
    old = '{"start": 0, "end": 1, "as_of": "2020-01-01T00:00:00+00:00", "cursors": {"a": {"x": 12}}, "left_out": []}'
    assert Window.from_json(old).cursors == {"a": {"x": "12"}}
