"""The lines of what is taught, shown as new or taken over, from figures."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ratoon.bench.refreshes.worlds import Kind, World
from ratoon.bench.upkeep import augment, distil, transfer


def test_a_student_is_measured_by_the_worst_set() -> None:
    """Its share of the teachers' recall, and the lower end of its gain, are those of the set where they are least."""
    good = {"teacher": 0.4, "taught": 0.4, "alone": 0.38, "low": 0.01, "high": 0.03}
    bad = {"teacher": 0.5, "taught": 0.48, "alone": 0.48, "low": -0.01, "high": 0.01}
    share, gain, relative = distil.rows({"a": [good, good], "b": [bad]})
    assert share.value == pytest.approx(0.96)
    assert (share.bar, share.holds) == (">= 0.99", False)
    assert (gain.value, gain.holds) == (-0.01, False)
    assert relative.value == 0.0
    assert all(row.holds for row in distil.rows({"a": [good]}))


def test_items_of_few_events_have_a_line_per_set() -> None:
    """The gain is that of the means over seeds; a set where nothing is found off has a line that says so."""
    found = {"questions": 90.0} | {
        f"{name} {how}": value for name in augment.SLICES for how, value in (("off", 0.2), ("on", 0.25))
    }
    none = {**found, "few off": 0.0, "few on": 0.0}
    gain, nothing, *others = augment.rows({"a": [found, {**found, "few on": 0.27}], "b": [none]})
    assert gain.value == pytest.approx(0.3)
    assert gain.holds
    assert (nothing.value, nothing.holds) == (None, False)
    assert "none of 90 questions" in nothing.against
    assert [row.value for row in others] == [0.25] * 3


def test_halves_share_the_catalogue_and_no_user() -> None:
    """One half has its users' history, the other what its users do after that; items come to both, and time stays in order."""
    users = [f"u{number}" for number in range(40)]
    kinds = ["item"] * 3 + ["interaction"] * 80
    table = pa.table(
        {
            "kind": kinds,
            "user_id": [None] * 3 + users * 2,
            "item_id": ["a", "b", "c"] + ["a"] * 80,
            "event_timestamp": [datetime(2026, 1, 1, tzinfo=UTC)] * 83,
        }
    )
    world = World("w", Kind(), table, (43, 63, 83))
    past, fresh = transfer._part(world, "0", 0, (43,)), transfer._part(world, "1", 43, (63, 83))
    first, second = (set(part.events.column("user_id").drop_null().to_pylist()) for part in (past, fresh))
    assert first | second == set(users)
    assert not first & second
    assert past.bounds == (past.events.num_rows,) == (3 + len(first),)
    assert fresh.bounds == (3 + len(second & set(users[:20])), 3 + len(second))
    assert transfer.rows({"a": [{"cold": 0.2, "warm": 0.25, "low": 0.01, "high": 0.1, "rows": 9}]})[0].holds
