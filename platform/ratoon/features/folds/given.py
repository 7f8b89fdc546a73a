"""Feature values as callers give them, in JSON, and as features of a declared type store them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from ratoon.domain.errors import DataError
from ratoon.features.views import View, ViewField


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value that does not fit its feature's type; the feature is missing in that row."""

    event_id: str
    field: str
    expected: str
    found: str


def check(features: Mapping[str, object], views: Iterable[View]) -> None:
    """Refuse features whose values do not fit, before they are acknowledged.

    Names that no view has are let pass: the log keeps them, and a view defined later is filled from there.

    Raises:
        DataError: naming the feature; also one that is made from another, and not given.
    """
    fields = {field.name: field for view in views for field in view.fields if view.origin in ("user", "item")}
    for name in features.keys() & fields.keys():
        if fields[name].embed:
            raise DataError(
                f"features.{name}",
                expected=f"no value, as it is made from {fields[name].embed}",
                found=f"{features[name]!r:.80}",
                fix="Leave it out, or take the tag ratoon.embed away in feature_repo/.",
            )
        convert(features[name], fields[name])


def convert(value: object, field: ViewField) -> object:
    """A JSON value as `field` stores it; times become microseconds since 1970.

    Raises:
        DataError: if it does not fit the field's type.
    """
    if value is None:
        return None
    if field.dtype.endswith("_LIST"):
        if not isinstance(value, list):
            raise _unfit(field, value)
        one = ViewField(field.name, field.dtype.removesuffix("_LIST"))
        if one.dtype in _LARGEST and {float}.issuperset(map(type, value)) and _within(value, one.dtype):
            return value
        if None in value:
            raise _unfit(field, value)
        return [convert(entry, one) for entry in value]
    converted = _scalar(value, field.dtype)
    if converted is None:
        raise _unfit(field, value)
    return converted


def _within(value: list[float], dtype: str) -> bool:
    """Whether a type holds all of some floats; a vector's are looked at at once, for there may be hundreds."""
    largest = max(map(abs, value), default=0.0)
    return largest <= _LARGEST[dtype] and not math.isnan(math.fsum(value))


def _scalar(value: object, dtype: str) -> object:
    number = _number(value)
    match dtype:
        case "STRING":
            return value if _utf8(value) is not None else None
        case "BOOL":
            return value if isinstance(value, bool) else None
        case "INT32" | "INT64":
            fits = number.is_integer() and abs(number) < 2 ** (int(dtype[3:]) - 1)
            return (value if isinstance(value, int) else int(number)) if fits else None
        case "FLOAT" | "DOUBLE":
            return number if abs(number) <= _LARGEST[dtype] else None
        case "BYTES":
            return _utf8(value)
        case _:
            return _microseconds(value)


def _number(value: object) -> float:
    """A JSON number; NaN for what is none, or too large for any type here."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _utf8(value: object) -> bytes | None:
    """A text's bytes; None for what is no text, or has half of a surrogate pair, which JSON lets pass and no store takes."""
    try:
        return value.encode() if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None


def _microseconds(value: object) -> int | None:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MICROSECOND
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e11:
        return int(value * 1_000_000)
    return None


_LARGEST = {"FLOAT": float(np.finfo(np.float32).max), "DOUBLE": float(np.finfo(np.float64).max)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _unfit(field: ViewField, value: object) -> DataError:
    expected = "an ISO 8601 date or seconds since 1970" if field.dtype == "UNIX_TIMESTAMP" else field.dtype.lower()
    return DataError(
        f"features.{field.name}",
        expected=expected,
        found=f"{value!r:.80}",
        fix="Send the type that feature_repo/ declares.",
    )
