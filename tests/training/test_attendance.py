"""A model that admits ids: who has no row lives on features, who had one and went loses it, and nothing else moves."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load

from ratoon.domain.encoding import Encoding
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import ITEM_TABLE, TowerSchema
from ratoon.ports import Files
from ratoon.towers import open_towers
from ratoon.training import TwoTowerTrainer
from ratoon.training import attendance as module
from ratoon.training.examples import Codes, encode_items
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson, rows, users_table

CPU = torch.device("cpu")
DAY = 86_400
TRAINER = TwoTowerTrainer(SMALL, seed=7)
DENSE = RefreshPlan("dense", "a test")


def under(user: tuple[int, int], item: tuple[int, int]) -> TowerSchema:
    """The checkerboard's schema with rules for the two keys: interactions, and days."""
    keys = [replace(side[0], admit=admit, evict=days * DAY) for side, (admit, days) in ((SCHEMA.user, user), (SCHEMA.item, item))]
    return replace(SCHEMA, user=(keys[0], *SCHEMA.user[1:]), item=(keys[1], *SCHEMA.item[1:]))


def on(day: int, table: pa.Table) -> pa.Table:
    """The interactions, all on one day."""
    at = pa.array([timedelta(days=day) // timedelta(microseconds=1)] * table.num_rows, pa.timestamp("us", "UTC"))
    return table.append_column("event_timestamp", at)


def known(files: Files, name: str) -> dict[str, int]:
    return dict(Encoding.from_json(files["encoding.json"].decode()).vocabularies[name].rows)


def _recall(files: Files, users: list[str], items: pa.Table, wanted: list[str]) -> float:
    """How many users have the item wanted among their best three."""
    towers = open_towers(files)
    scores = towers.users(users_table(users, [[] for _ in users])) @ towers.items(items).T
    ids = items.column("item_id").to_pylist()
    best = np.argsort(-scores, axis=1)[:, :3]
    return float(np.mean([item in {ids[at] for at in row} for item, row in zip(wanted, best, strict=True)]))


def test_an_admitted_user_is_remembered_and_another_is_everybody() -> None:
    """Users with one favourite each: with rows of their own all get it; held back they all get the same vector."""
    users, favourites = [f"u{n:03d}" for n in range(24)], [f"i{n % 12:03d}" for n in range(24)]
    table = on(
        1,
        pa.table(
            {
                **{name: interactions(range(24), range(12), 480).column(name) for name in ("value", "item_events")},
                "user_id": users * 20,
                "item_id": favourites * 20,
                "colour": ["black"] * 480,
                "recent_items": pa.array([[]] * 480, pa.list_(pa.string())),
            }
        ),
    )
    live = catalogue(range(12))
    for count, expected in ((20, (1.0, 1.0)), (21, (0.0, 0.5))):
        files = TRAINER.train(FULL, under((count, 0), (0, 0)), None, lesson(table, live))
        assert len(known(files, "user_id")) == (24 if count == 20 else 0)
        assert expected[0] <= _recall(files, users, live, favourites) <= expected[1]
        vectors = open_towers(files).users(users_table(users, [[] for _ in users]))
        assert np.allclose(vectors, vectors[0], atol=1e-5) == (count == 21)


def test_rows_admit_writable_items_and_keep_the_bits_of_the_others() -> None:
    """An item that has been met often enough gets a row if it may be written; every other item's vector stays as it was."""
    schema, live = under((2, 30), (3, 30)), catalogue(range(12))
    parent = TRAINER.train(FULL, schema, None, lesson(on(1, interactions(range(8), range(8), 400)), live))
    assert sorted(known(parent, ITEM_TABLE)) == [f"i{n:03d}" for n in range(8)]
    new = on(50, interactions(range(8, 12), range(8, 12), 60))
    plan = rows(("i008", "i009"))
    moved = TRAINER.train(plan, schema, parent, lesson(new, live, replay=on(1, interactions(range(8), range(8), 60))))
    assert known(moved, ITEM_TABLE) == known(parent, ITEM_TABLE) | {"i008": 9, "i009": 10}
    others = live.filter(pa.array([item not in plan.writable for item in live.column("item_id").to_pylist()]))
    assert np.array_equal(open_towers(parent).items(others), open_towers(moved).items(others))
    mine, before = (load(files["item.safetensors"])["table.item_id"] for files in (moved, parent))
    assert torch.equal(mine[: len(before)], before)
    assert sorted(known(moved, "user_id")) == [f"u{n:03d}" for n in range(8, 12)], "nobody else has been seen for 30 days"
    assert min(known(moved, "user_id").values()) == 9
    last = TRAINER.train(DENSE, schema, moved, lesson(on(51, interactions(range(8, 12), range(8, 12), 20)), live))
    assert known(last, ITEM_TABLE) == {"i008": 9, "i009": 10, "i010": 11, "i011": 12}
    again = TRAINER.train(FULL, schema, last, lesson(on(51, interactions(range(8, 12), range(8, 12), 60)), live))
    assert known(again, ITEM_TABLE) == {"i008": 1, "i009": 2, "i010": 3, "i011": 4}


def test_absorbed_interactions_count_too() -> None:
    """One interaction learnt and one absorbed are two; absorbing none changes no byte."""
    schema, live = under((2, 0), (0, 0)), catalogue(range(4))
    first = TRAINER.train(FULL, schema, None, lesson(on(1, interactions(range(1), range(4), 1)), live))
    assert known(first, "user_id") == {}
    new = on(2, interactions(range(1), range(4), 1))
    assert known(TRAINER.absorb(rows(), first, lesson(new, live)), "user_id") == {"u000": 1}
    assert TRAINER.absorb(rows(), first, lesson(new.slice(0, 0), live)) == first


def test_attendance_goes_through_files() -> None:
    """What is loaded is what was dumped; a model without rules has no such files."""
    schema, live = under((2, 9), (1, 0)), catalogue(range(4))
    files = TRAINER.train(FULL, schema, None, lesson(on(1, interactions(range(9), range(4), 12)), live))
    loaded = module.load(files)
    assert sorted(loaded) == ["item_id", "user_id"]
    assert loaded["user_id"].waiting
    assert module.dump(loaded) == {name: files[name] for name in ("attendance.json", "attendance.safetensors")}
    plain = TRAINER.train(FULL, SCHEMA, None, lesson(interactions(range(4), range(4), 12), live))
    assert not [name for name in plain if name.startswith("attendance")]
    assert module.load(plain) == {}
    assert module.dump({}) == {}


def test_items_without_rows_are_told_apart() -> None:
    """Codes of items that share row 0 differ, for those who count them and for those who draw them."""
    encoding = Encoding.of(SCHEMA, interactions(range(4), range(2), 9), catalogue(range(2)), held=())
    live, gone = catalogue(range(4)), interactions(range(1), range(4, 6), 9)
    codes = Codes.of(encoding, [live, gone, gone.slice(0, 0)])
    assert encode_items(SCHEMA, encoding, live, CPU, codes).codes.tolist() == [1, 2, 3, 4]
    assert set(codes.lookup(gone).tolist()) == {5}
    assert len(codes) == 6
    assert codes.lookup(catalogue(range(7, 8))).tolist() == [0]
    assert Codes.of(encoding, [catalogue(range(2))]).lookup(live).tolist() == [1, 2, 0, 0]
