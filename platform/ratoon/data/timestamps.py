"""Time columns in every form that people send them -> whole microseconds since 1970, UTC.

It does not know which file it reads: a column comes in; microseconds and a reason per bad row go out.
"""

import polars as pl

UNREADABLE = "missing or unreadable timestamp"
OUT_OF_RANGE = "timestamp before 1970 or after 2100"

LATEST_S = 4_102_444_800
"""2100-01-01T00:00:00Z in seconds since 1970; from there on a timestamp is taken for a mistake."""

UNITS = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000))
"""(a column whose median is below this, has so many ticks a second); above the last one it counts nanoseconds."""

_ISO = (
    r"^(?<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?<minute>\d{2}:\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?"
    r"\s?(?<zone>[Zz]|[+-]\d{2}:?\d{2})?$"
)


def microseconds(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Read a column of n moments.

    Numbers are seconds, milli-, micro- or nanoseconds since 1970, one unit for the column, told by its median. Text is
    such a number or ISO 8601 (`2024-01-31`, `2024-01-31 12:00`, `2024-01-31T12:00:00.5+02:00`). No zone means UTC.

    Returns:
        (n,) Int64 microseconds since 1970-01-01T00:00Z, null where unusable; and (n,) the reason, null where sound.

    Raises:
        TypeError: the column's type cannot hold a moment.
    """
    frame, dtype = column.to_frame("at"), column.dtype
    at = pl.col("at")
    if isinstance(dtype, pl.Datetime):
        zoned = at.dt.replace_time_zone("UTC") if dtype.time_zone is None else at.dt.convert_time_zone("UTC")
        found = frame.select(us=zoned.dt.timestamp("us"))
    elif dtype == pl.Date:
        found = frame.select(us=at.cast(pl.Datetime("us")).dt.timestamp("us"))
    elif dtype.is_numeric():
        found = frame.select(us=_number(at, _ticks_per_second(column)))
    elif dtype == pl.String:
        found = _text(frame.select(at.str.strip_chars()))
    else:
        raise TypeError(f"{dtype} holds no moments")
    inside = pl.col("us").is_between(0, LATEST_S * 1_000_000, closed="left")
    judged = found.select(
        pl.when(inside).then("us").alias("us"),
        pl.when(pl.col("us").is_null()).then(pl.lit(UNREADABLE)).when(~inside).then(pl.lit(OUT_OF_RANGE)).alias("reason"),
    )
    return judged["us"], judged["reason"]


def _text(frame: pl.DataFrame) -> pl.DataFrame:
    number = frame["at"].cast(pl.Float64, strict=False)
    numeric = _number(pl.col("at"), _ticks_per_second(number))
    if number.null_count() == frame["at"].null_count():
        return frame.select(us=numeric)
    return frame.select(us=pl.coalesce(numeric, _iso(pl.col("at"))))


def _ticks_per_second(column: pl.Series) -> int:
    median = column.cast(pl.Float64).fill_nan(None).median()
    size = abs(median) if isinstance(median, float) else 0.0
    return next((ticks for limit, ticks in UNITS if size < limit), 1_000_000_000)


def _number(at: pl.Expr, per_second: int) -> pl.Expr:
    """Microseconds; whole numbers never pass through a float, which would round today's nanoseconds."""
    real = at.cast(pl.Float64, strict=False).fill_nan(None)
    whole = at.cast(pl.Int64, strict=False)
    exact = whole // (per_second // 1_000_000) if per_second > 1_000_000 else whole * (1_000_000 // per_second)
    rounded = (real * (1e6 / per_second)).round().clip(-1e18, 1e18).cast(pl.Int64, strict=False)
    fits = real.abs() < 1.1 * LATEST_S * per_second
    return pl.when(whole.is_not_null() & (real == real.floor()) & fits).then(exact).otherwise(rounded)


def _iso(at: pl.Expr) -> pl.Expr:
    part = at.str.extract_groups(_ISO).struct
    clock = part.field("minute").fill_null("00:00") + ":" + part.field("second").fill_null("00")
    local = (part.field("day") + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    fraction = part.field("fraction").fill_null("").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    zone = part.field("zone").str.replace(":", "", literal=True)
    hours, minutes = (zone.str.slice(at, 2).cast(pl.Int64, strict=False) for at in (1, 3))
    ahead = (hours * 60 + minutes).fill_null(0) * pl.when(zone.str.starts_with("-")).then(-60_000_000).otherwise(60_000_000)
    return local.dt.timestamp("us") + fraction - ahead
