"""One answer as it was shown, and the row of the exposure log that it becomes."""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from pydantic_core import to_json

from ratoon.ports import Values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

COLUMNS = (
    "request_id", "time", "surface", "user_id", "release", "source", "items", "scores", "propensities",
    "choices", "choice_scores", "slots", "epsilon", "features", "share",
)  # fmt: skip
"""Of the table, in order."""


class Exposure(NamedTuple):
    """What one retrieval request was answered: a tuple, for a request makes one in a fifth of the time that a frozen class takes.

    Its lists must not be changed once it is handed over.

    Attributes:
        request_id: what later events name it by.
        time: when, by the configured clock, UTC.
        user_id: whose; None where nobody was named.
        release: the id of the one release that answered.
        source: where its candidates come from, as the answer says.
        found: the item and the score that stood at each of k positions, from the top.
        propensities: how likely each position showed just that; k of them, or none where all of it was certain.
        choices: the items and scores that could stand in the exploration slots: first the candidates ranked there, in order,
            then the pool; empty where nothing was left to chance.
        slots: how many of the last positions were left to chance.
        epsilon: how likely each of those showed one of the pool; 0 without slots.
        features: the values that the user tower was given; None if it was not asked.
    """

    request_id: str
    time: datetime
    surface: str
    user_id: str | None
    release: str
    source: str
    found: Sequence[tuple[str, float]]
    propensities: Sequence[float] = ()
    choices: Sequence[tuple[str, float]] = ()
    slots: int = 0
    epsilon: float = 0.0
    features: Values | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An exposure as the log gives it back, see `Exposure`; items and scores apart, and a propensity for each position.

    Attributes:
        share: the share of requests that was logged then: it stands for 1 / share of them.
        features: JSON values, times as ISO 8601; empty if the tower was not asked.
    """

    request_id: str
    time: datetime
    surface: str
    user_id: str | None
    release: str
    source: str
    items: tuple[str, ...]
    scores: tuple[float, ...]
    propensities: tuple[float, ...]
    choices: tuple[str, ...]
    choice_scores: tuple[float, ...]
    slots: int
    epsilon: float
    share: float
    features: Mapping[str, object] = field(default_factory=dict)


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def row_of(exposure: Exposure, share: float) -> tuple[Any, ...]:
    """The row of an exposure, by COLUMNS; UnicodeError if one of its ids is no text that can be stored."""
    for text in (exposure.request_id, exposure.user_id or ""):
        text.encode()
    return (
        exposure.request_id,
        micros(exposure.time),
        exposure.surface,
        exposure.user_id,
        exposure.release,
        exposure.source,
        to_json([item for item, _ in exposure.found]).decode(),
        _packed([score for _, score in exposure.found]),
        _packed(exposure.propensities),
        to_json([item for item, _ in exposure.choices]).decode(),
        _packed([score for _, score in exposure.choices]),
        exposure.slots,
        exposure.epsilon,
        None if exposure.features is None else _json(exposure.features),
        share,
    )


def kept(row: Sequence[Any]) -> Kept:
    """The inverse of `row_of`."""
    had = dict(zip(COLUMNS, row, strict=True))
    items, features = tuple(json.loads(had["items"])), had["features"]
    return Kept(
        **had
        | {
            "time": EPOCH + timedelta(microseconds=had["time"]),
            "items": items,
            "scores": _numbers(had["scores"]),
            "propensities": _numbers(had["propensities"]) or (1.0,) * len(items),
            "choices": tuple(json.loads(had["choices"])),
            "choice_scores": _numbers(had["choice_scores"]),
            "features": {} if features is None else json.loads(features),
        }
    )


def _packed(numbers: Sequence[float]) -> bytes:
    # As text, a hundred numbers take ten times as long to write, in a process that has answers to give.
    return array("d", numbers).tobytes()


def _numbers(packed: bytes) -> tuple[float, ...]:
    return tuple(array("d", packed))


def _json(values: Values) -> str:
    """Values as a JSON object; a number that is none has no word there, and counts as missing in a tower too."""
    try:
        if all(map(_plain, values.values())):  # nearly always, and written in a fifth of the time
            return to_json(dict(values), inf_nan_mode="null", fallback=_said).decode()
        return json.dumps(dict(values), default=_said, allow_nan=False)
    except ValueError:
        return json.dumps({name: _finite(value) for name, value in values.items()}, default=_said)


_PLAIN = frozenset((str, int, float, bool, type(None)))


def _plain(value: object) -> bool:
    """Whether it is text, a number, or some of one kind of these, which JSON has only one way to write."""
    if type(value) is list:
        return _PLAIN.issuperset(map(type, value))
    return type(value) in _PLAIN or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")


def _finite(value: object) -> object:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float | np.floating) and not np.isfinite(value) else value


def _said(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value.isoformat() if isinstance(value, datetime) else str(value)
