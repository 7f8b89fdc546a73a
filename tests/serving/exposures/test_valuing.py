"""From the two logs to what a policy is worth."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.exploration import Exploration
from ratoon.events import SqliteEventLog
from ratoon.serving.exposures import ExposureLog, Kept, Question, StoredExposures, Target, Worth, worth
from tests.serving.exposures.answers import START, after, answer, drawn

ITEMS = ("a", "b", "c", "d", "e")
CHANCE = {"a": 0.9, "b": 0.05, "c": 0.3, "d": 0.6, "e": 0.1}
HOUR = timedelta(hours=1)
MANY = 2_000
END = after(MANY + 3_600)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    """Of 2,000 explored answers of a and b, c to e being the pool, what users clicked; and a click that names no request."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    with closing(ExposureLog(tmp_path / "exposures")) as exposures:
        for number in range(MANY):
            one = drawn(f"r{number}", number, f"u{number % 200}", Exploration(1, 0.5, 3), ITEMS, 2)
            exposures.add(one)
            for item, _ in one.found:
                if rng.random() < CHANCE[item]:
                    rows.append(event(len(rows), number + 0.5, one.request_id, f"u{number % 200}", item))
    rows.append(event(len(rows), MANY, None, "u", "a"))
    with closing(SqliteEventLog(tmp_path / "events", "log", lambda: START)) as log:
        log.append(pa.Table.from_pylist(rows, EVENT_SCHEMA), backfill=True)
        yield log


def event(number: int, seconds: float, request: str | None, user: str, item: str) -> dict[str, object]:
    told = {"event_id": f"e{number}", "kind": "interaction", "user_id": user, "item_id": item, "type": "click"}
    return {**told, "event_timestamp": after(seconds), "request_id": request}


def asked(
    folder: Path,
    log: SqliteEventLog,
    target: Target | None,
    now: datetime = END,
    types: Sequence[str] | None = None,
) -> Worth:
    question = Question("default", types, HOUR, now)
    stored = StoredExposures(folder / "exposures")
    return worth(stored, log, None, target, question, draws=300, rng=np.random.default_rng(0))


def always(item: str) -> Target:
    def target(exposures: Sequence[Kept], _popular: object) -> list[npt.NDArray[np.float64] | None]:
        return [np.array([float(one == item) for one in exposure.choices]) for exposure in exposures]

    return target


@pytest.mark.parametrize("item", ["b", "c", "d", "e"])
def test_each_choice_is_worth_its_clicks(tmp_path: Path, log: SqliteEventLog, item: str) -> None:
    """Always answering the slot by one item is worth how often that is clicked, within intervals that tell the items apart."""
    found = asked(tmp_path, log, always(item))
    for name in ("ips", "snips", "dr"):
        one = found.worth.by(name)
        assert one.low is not None
        assert one.high is not None
        assert one.low <= CHANCE[item] <= one.high
        assert one.high - one.low < 0.25
    assert (found.exposures, found.young, found.unranked, found.worth.users) == (MANY, 0, 0, 200)


def test_the_log_itself(tmp_path: Path, log: SqliteEventLog) -> None:
    """The policy that logged is worth what was clicked in the slot, and the coverage counts every interaction."""
    found = asked(tmp_path, log, None)
    assert found.worth.by("ips").value == pytest.approx(found.worth.by("logged").value)
    assert found.worth.by("logged").value == pytest.approx(0.5 * 0.05 + 0.5 * (0.3 + 0.6 + 0.1) / 3, abs=0.03)
    assert found.coverage.missing == pytest.approx(1 / log.end())
    assert (found.coverage.unknown, found.coverage.interactions, found.coverage.sampled) == (0, log.end(), 1)


def test_popular_is_told_to_the_target(tmp_path: Path, log: SqliteEventLog) -> None:
    """The target hears how popular each choice was then: d is clicked most of all that can stand there, soon always."""
    found = asked(tmp_path, log, lambda _exposures, popular: popular)
    assert found.worth.by("dr").value == pytest.approx(0.6, abs=0.1)


def test_what_is_young_or_unranked_is_counted(tmp_path: Path, log: SqliteEventLog) -> None:
    """Answers whose horizon has not passed, and those that the target has no scores for, are left out and told."""

    def some(exposures: Sequence[Kept], _popular: object) -> list[npt.NDArray[np.float64] | None]:
        return [np.zeros(4) if number % 4 else None for number in range(len(exposures))]

    found = asked(tmp_path, log, some, now=after(999) + HOUR)
    assert (found.exposures, found.young, found.unranked) == (750, 1_000, 250)


def test_other_types_are_no_reward(tmp_path: Path, log: SqliteEventLog) -> None:
    """Asked for purchases, clicks are worth nothing, and it is said that nothing tells."""
    found = asked(tmp_path, log, None, types=("buy",))
    assert found.worth.by("logged").value == 0
    assert "the rewarded decisions that match count as 0: the intervals are too narrow" in found.worth.warnings


def test_nothing_to_value(tmp_path: Path, log: SqliteEventLog) -> None:
    """Without a log, without chance in it, before the horizon, and without a score: each says what is missing and what to do."""
    with pytest.raises(DataError, match=r"found none. Turn exploration on under \[surfaces.default.exploration\]"):
        asked(tmp_path / "elsewhere", log, None)
    with closing(ExposureLog(tmp_path / "plain" / "exposures")) as exposures:
        exposures.add(answer())
    with pytest.raises(DataError, match="something was left to chance, found answers, but nothing explored"):
        asked(tmp_path / "plain", log, None)
    with pytest.raises(DataError, match="--horizon: expected .* found 2000, all of them younger than 1:00:00"):
        asked(tmp_path, log, None, now=after(0))
    with pytest.raises(DataError, match="--release: .* found 2000 explored answers of which none has both"):
        asked(tmp_path, log, lambda exposures, _popular: [None] * len(exposures))
