"""Users keep their part of the data for ever."""

from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.delta import FeatureDelta, Split, part, split_of

PARTS: tuple[Split, ...] = get_args(Split)

# Frozen: a change here would move users between the rows trained on and the rows judged by.
GOLDEN: dict[str, Split] = {
    "1": "train",
    "2": "reserve",
    "196": "train",
    "u1": "train",
    "user-7": "train",
    "東京": "reserve",
    "13": "fit",
    "31": "fit",
    "51": "gate",
}


def test_proportions() -> None:
    """Of many users about 80 % train, 10 % fit, 5 % gate and 5 % reserve, whatever their ids look like."""
    shares: dict[Split, float] = {"train": 0.8, "fit": 0.1, "gate": 0.05, "reserve": 0.05}
    for pattern in ("{}", "user-{:08d}", "{}@例え.jp"):
        parts = [split_of(pattern.format(number)) for number in range(20_000)]
        for wanted, share in shares.items():
            assert parts.count(wanted) / 20_000 == pytest.approx(share, abs=0.01)


def test_stable_for_ever() -> None:
    """These users were put in these parts by the first version."""
    assert {user: split_of(user) for user in GOLDEN} == GOLDEN
    assert set(GOLDEN.values()) == set(PARTS)


@given(users=st.lists(st.text(max_size=4)), wanted=st.sets(st.sampled_from(PARTS)))
def test_part_is_split_of_each(users: list[str], wanted: set[Split]) -> None:
    """A part holds, in order, exactly the rows of the users that asking for each alone puts there."""
    table = pa.table({"user_id": pa.array(users, pa.string()), "offset": range(len(users))})
    kept = [offset for offset, user in enumerate(users) if split_of(user) in wanted]
    assert part(table, *wanted).column("offset").to_pylist() == kept


def test_parts_share_no_row_and_no_user() -> None:
    """The four parts hold every interaction once, and each user's together."""
    users = [f"u{number % 200}" for number in range(600)]
    table = pa.table({"user_id": users, "offset": range(600)})
    parts = [part(table, wanted) for wanted in PARTS]
    assert sorted(offset for one in parts for offset in one.column("offset").to_pylist()) == list(range(600))
    owners = [set(one.column("user_id").to_pylist()) for one in parts]
    assert all(owners)
    assert sum(len(own) for own in owners) == len(set(users))


def test_part_of_nothing() -> None:
    """No interactions have empty parts with their columns, in one chunk or in none."""
    nothing = pa.table({"user_id": pa.array([], pa.string()), "offset": pa.array([], pa.int64())})
    assert part(nothing, "gate").equals(nothing)
    assert part(nothing.schema.empty_table(), "train", "fit").schema == nothing.schema


def test_an_empty_delta() -> None:
    """A delta is empty only if no interaction is new and no item moved."""
    nothing = pa.table({"user_id": pa.array([], pa.string())})
    assert FeatureDelta(nothing, (), (), ()).is_empty
    assert not FeatureDelta(nothing, ("a",), (), ()).is_empty
    assert not FeatureDelta(nothing, (), (), ("a",)).is_empty
    assert not FeatureDelta(pa.table({"user_id": ["u"]}), (), (), ()).is_empty
