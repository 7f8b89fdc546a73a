"""Timestamps: every form gives the same moment, and what is no moment is named."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.data.timestamps import LATEST_S, OUT_OF_RANGE, UNREADABLE, microseconds

MOMENT = datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC)
US = 881_250_949_000_000


def read(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> list[object]:
    us, reasons = microseconds(pl.Series("at", list(values), dtype=dtype))
    assert us.dtype == pl.Int64
    return [reason if moment is None else moment for moment, reason in zip(us, reasons, strict=True)]


@pytest.mark.parametrize(
    "values",
    [
        [881250949],
        [881250949.0],
        [881250949000],
        [881250949000000],
        [881250949000000000],
        [Decimal("881250949")],
        ["881250949"],
        [" 881250949.0 "],
        ["881250949000"],
        ["8.81250949e8"],
        ["1997-12-04T15:55:49Z"],
        ["1997-12-04t15:55:49z".upper()],
        ["1997-12-04 15:55:49"],
        ["1997-12-04T15:55:49.000000000+00:00"],
        ["1997-12-04T17:25:49+01:30"],
        ["1997-12-04T10:25:49-0530"],
        [MOMENT],
        [MOMENT.replace(tzinfo=None)],
        [MOMENT.astimezone(timezone(timedelta(hours=5)))],
    ],
)
def test_every_form_is_the_same_moment(values: Sequence[object]) -> None:
    """Seconds, ms, us, ns, floats, text, ISO 8601 with and without zone, and timestamps agree; no zone means UTC."""
    assert read(*values) == [US]


def test_days_and_minutes_will_do() -> None:
    """A date is its midnight; a time may stop at the minute."""
    midnight = 881_193_600_000_000
    assert read("1997-12-04") == [midnight]
    assert read(date(1997, 12, 4)) == [midnight]
    assert read("1997-12-04 00:01") == [midnight + 60_000_000]


def test_fractions_of_seconds_are_kept() -> None:
    """Fractions down to the microsecond survive in floats, in text and in ISO 8601."""
    assert read(881250949.25) == [US + 250_000]
    assert read("881250949.123456") == [US + 123_456]
    assert read("1997-12-04T15:55:49.5", "1997-12-04T15:55:49,123456789") == [US + 500_000, US + 123_456]


def test_nanoseconds_do_not_pass_through_floats() -> None:
    """Whole nanoseconds lose only what is below a microsecond, though a float could not hold them."""
    assert read(1_704_067_200_123_456_789) == [1_704_067_200_123_456]
    assert read("1704067200123456789") == [1_704_067_200_123_456]


def test_forms_may_mix_in_one_text_column() -> None:
    """A text column may hold numbers and ISO 8601 side by side."""
    assert read("881250949", "1997-12-04T15:55:49Z", "soon") == [US, US, UNREADABLE]


def test_one_outlier_does_not_change_the_unit() -> None:
    """The unit is the median's: a stray microsecond value among seconds is out of range, not a second unit."""
    assert read(881250949, 881250949000000, 881250949) == [US, OUT_OF_RANGE, US]


@pytest.mark.parametrize("value", [None, "", "soon", "1997-13-04", "1997-02-30", "04/12/1997", "nan", "1997-12-04T25:00"])
def test_what_is_no_moment_is_unreadable(value: str | None) -> None:
    """Missing, not a number, and impossible dates are unreadable, beside good rows."""
    assert read(value, "1997-12-04", dtype=pl.String)[0] == UNREADABLE
    assert read(value, "881250949", dtype=pl.String)[0] == UNREADABLE


def test_absurd_moments_are_out_of_range() -> None:
    """Before 1970 and from 2100 on is out of range in every form; the edges themselves are exact."""
    assert read(0, -1, LATEST_S, LATEST_S - 1) == [0, OUT_OF_RANGE, OUT_OF_RANGE, (LATEST_S - 1) * 1_000_000]
    assert read("1969-12-31T23:59:59", "1970-01-01", "2100-01-01", "2099-12-31") == [
        OUT_OF_RANGE,
        0,
        OUT_OF_RANGE,
        4_102_358_400_000_000,
    ]
    assert read(datetime(1601, 1, 1), datetime(9999, 1, 1)) == [OUT_OF_RANGE, OUT_OF_RANGE]
    assert read(1.0, 2.0, float("inf"), float("nan")) == [1_000_000, 2_000_000, OUT_OF_RANGE, UNREADABLE]
    assert read(1, 2, 2**63 - 1, -(2**63)) == [1_000_000, 2_000_000, OUT_OF_RANGE, OUT_OF_RANGE]
    assert read("1", "2", "9" * 30) == [1_000_000, 2_000_000, OUT_OF_RANGE]


@given(st.lists(st.integers(100_001, LATEST_S - 1), min_size=1), st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]))
def test_any_column_in_any_unit_comes_back(seconds: list[int], scale: int) -> None:
    """Whole seconds in any of the four units give the same microseconds."""
    moments = [second + 10**9 if second < 10**9 else second for second in seconds]
    assert read(*[moment * scale for moment in moments], dtype=pl.Int64) == [moment * 1_000_000 for moment in moments]


@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31)), min_size=1))
def test_iso_text_is_inverse_of_isoformat(moments: list[datetime]) -> None:
    """Python's ISO form of any moment is read back to the microsecond."""
    expected = [(moment - datetime(1970, 1, 1)) // timedelta(microseconds=1) for moment in moments]
    assert read(*[moment.isoformat() for moment in moments]) == expected


def test_an_empty_column_is_empty() -> None:
    """No rows give no rows, whatever the type."""
    for dtype in (pl.String, pl.Int64, pl.Float64, pl.Datetime("ms")):
        assert read(dtype=dtype) == []


def test_types_that_hold_no_moment_are_refused() -> None:
    """A column of lists or booleans raises."""
    with pytest.raises(TypeError, match="Boolean holds no moments"):
        microseconds(pl.Series([True]))
