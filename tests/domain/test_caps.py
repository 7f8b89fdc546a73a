"""Tests of how much one person can teach."""

from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.caps import DAY_US, LISTED, Capped, Caps, capped
from ratoon.domain.event import TIME

Row = tuple[str, str, int]
"""User, item, microseconds."""


def _rows(rows: list[Row]) -> pa.Table:
    return pa.table(
        {
            "offset": pa.array(range(1, len(rows) + 1), pa.int64()),
            "user_id": pa.array([user for user, _, _ in rows], pa.string()),
            "item_id": pa.array([item for _, item, _ in rows], pa.string()),
            "event_timestamp": pa.array([moment for _, _, moment in rows], TIME),
        }
    )


def _slowly(rows: list[Row], caps: Caps) -> list[int]:
    """The offsets that are kept, from the newest to the oldest one by one."""
    users: Counter[tuple[str, int]] = Counter()
    pairs: Counter[tuple[str, str, int]] = Counter()
    kept = []
    for place in sorted(range(len(rows)), key=lambda place: (-rows[place][2], -place)):
        user, item, moment = rows[place]
        day = moment // DAY_US
        if pairs[user, item, day] < caps.per_pair and users[user, day] < caps.per_user:
            kept.append(place + 1)
            pairs[user, item, day] += 1
            users[user, day] += 1
    return sorted(kept)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 3 * DAY_US)), max_size=60),
    st.integers(1, 9),
    st.integers(1, 4),
)
def test_the_newest_within_both_caps_are_kept(rows: list[Row], per_user: int, per_pair: int) -> None:
    """The same rows as a count from the newest to the oldest keeps, in order; and all others are reported by user."""
    caps = Caps(per_user, per_pair)
    kept, over = capped(_rows(rows), caps)
    offsets = kept.column("offset").to_pylist()
    assert offsets == _slowly(rows, caps)
    gone = Counter(rows[place][0] for place in range(len(rows)) if place + 1 not in offsets)
    assert (over.rows, dict(over.users)) == (gone.total(), dict(gone))


def test_a_burst_from_few_users_is_a_few_rows() -> None:
    """Three users with 500 clicks each on one item teach 3 x 10 of them, the newest; the other user is untouched."""
    burst = [(f"bot{number % 3}", "victim", number) for number in range(1_500)]
    kept, over = capped(_rows([("u", "other", 0), *burst]), Caps())
    assert kept.column("offset").to_pylist() == [1, *range(1_501 - 29, 1_502)]
    assert over == Capped(1_470, {"bot0": 490, "bot1": 490, "bot2": 490})


def test_days_count_for_themselves() -> None:
    """What a month of refreshes learns day by day, one refresh over the month learns too."""
    rows = [("u", "x", day * DAY_US + number) for day in range(3) for number in range(5)]
    whole, _ = capped(_rows(rows), Caps(per_pair=2))
    days = [capped(_rows(rows).slice(5 * day, 5), Caps(per_pair=2))[0] for day in range(3)]
    assert whole.equals(pa.concat_tables(days).combine_chunks())


def test_nothing_over_the_caps_is_the_same_table() -> None:
    """Within the caps the rows are handed back as they are."""
    rows = _rows([("u", f"i{number}", number) for number in range(1_000)])
    assert capped(rows, Caps()) == (rows, Capped())
    assert capped(rows.slice(0, 0), Caps(1, 1)) == (rows.slice(0, 0), Capped())


def test_only_the_worst_users_are_named() -> None:
    """A report names the users with most rows over the caps, the most first and then by id, and counts all rows."""
    rows = [(f"u{user:02d}", "x", number) for user in range(LISTED + 2) for number in range(2 + (user == 7))]
    _, over = capped(_rows(rows), Caps(per_pair=1))
    assert over.rows == LISTED + 3
    assert list(over.users) == ["u07", *[f"u{user:02d}" for user in range(LISTED) if user != 7]]
