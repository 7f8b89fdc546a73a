"""Tests of what a model has learnt, on worlds whose right answer is known."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.durable import sha256
from ratoon.ports import Files
from ratoon.registry.changed_rows import difference, rebuilt
from ratoon.towers import open_towers
from ratoon.training import Group, TwoTowerTrainer
from ratoon.training import trainer as module
from ratoon.training.files import OPTIMISER
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, colour_of, interactions, lesson, rows, users_table

TRAINER = TwoTowerTrainer(SMALL, seed=7)


def _right_colour(files: Files, users: pa.Table, items: pa.Table, wanted: list[str], k: int) -> float:
    """The share of each user's best `k` items that has the wanted colour."""
    towers = open_towers(files)
    best = np.argsort(-towers.users(users) @ towers.items(items).T, axis=1)[:, :k]
    ids = items.column("item_id").to_pylist()
    return float(np.mean([[colour_of(ids[item]) == colour for item in row] for row, colour in zip(best, wanted, strict=True)]))


def _tensors(files: Files) -> dict[str, torch.Tensor]:
    return load(files["item.safetensors"]) | load(files["user.safetensors"])


def _vocabulary(files: Files, name: str) -> tuple[str, ...]:
    return Encoding.from_json(files["encoding.json"].decode()).vocabularies[name].values


def test_the_checkerboard_is_learnt(parent: Files) -> None:
    """Each known user's best ten items are the ten of their colour."""
    users = users_table([f"u{n:03d}" for n in range(20)], [[] for _ in range(20)])
    wanted = [("black", "white")[n % 2] for n in range(20)]
    assert _right_colour(parent, users, catalogue(range(20)), wanted, k=10) > 0.95


def test_an_unseen_user_lives_on_history_and_an_unseen_item_on_features(parent: Files) -> None:
    """Ids never met: the user's two last items and the items' colour are enough to tell the right ones."""
    users = users_table(["nobody", "nobody else"], [["i002", "i004"], ["i003", "i001"]])
    assert _right_colour(parent, users, catalogue(range(100, 120)), ["black", "white"], k=10) > 0.9


def test_a_constant_feature_carries_nothing() -> None:
    """Items told apart by nothing but a constant all get one vector, whatever was taken."""
    schema = TowerSchema("p", SCHEMA.user, (Feature("item_events", "popularity", "item", "count"),))
    files = TRAINER.train(FULL, schema, None, lesson(interactions(range(8), range(8), 200), catalogue(range(8))))
    assert len(np.unique(open_towers(files).items(catalogue(range(8))), axis=0)) == 1


def test_a_refresh_learns_new_items_and_users(parent: Files) -> None:
    """After a rows refresh on users and items of a second board, both are recommended the right colour, as is the first."""
    new, items = interactions(range(20, 30), range(20, 30), 800, seed=1), catalogue(range(30))
    writable = tuple(f"i{n:03d}" for n in range(20, 30))
    replay = interactions(range(20), range(20), 800, seed=2)
    trainer = TwoTowerTrainer(replace(SMALL, passes=4), seed=7)
    moved = trainer.train(rows(writable), SCHEMA, parent, lesson(new, items, replay=replay))
    users = users_table([f"u{n:03d}" for n in range(30)], [[] for _ in range(30)])
    assert _right_colour(moved, users, items, [("black", "white")[n % 2] for n in range(30)], k=10) > 0.9


def test_vocabularies_grow_and_never_renumber(parent: Files) -> None:
    """Through two refreshes every value keeps its row, and newcomers follow at the end."""
    files, seen = parent, {name: _vocabulary(parent, name) for name in ("item_id", "user_id")}
    for size in (24, 28):
        new = interactions(range(size - 6, size), range(size), 60, seed=size)
        files = TRAINER.train(rows(), SCHEMA, files, lesson(new, catalogue(range(size))))
        for name, before in seen.items():
            assert _vocabulary(files, name)[: len(before)] == before
        seen = {name: _vocabulary(files, name) for name in seen}
    assert (len(seen["item_id"]), len(seen["user_id"])) == (28, 28)


def test_frozen_rows_keep_their_bits_and_so_do_their_items(parent: Files) -> None:
    """Rows that are neither writable nor new, the item layers and untouched items' vectors are bit-identical afterwards."""
    new = interactions(range(10), range(24), 300, seed=3)
    moved = TRAINER.train(rows(("i004",)), SCHEMA, parent, lesson(new, catalogue(range(24)), replay=new))
    before, after = _tensors(parent), _tensors(moved)
    place = _vocabulary(parent, "item_id").index("i004") + 1
    frozen = [row for row in range(21) if row != place]
    assert torch.equal(after["table.item_id"][frozen], before["table.item_id"][frozen])
    assert not torch.equal(after["table.item_id"][place], before["table.item_id"][place])
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("item.") or name == "table.colour")
    assert not torch.equal(after["user.w1"], before["user.w1"])
    untouched = catalogue(range(20)).filter(pa.array([n != 4 for n in range(20)]))
    assert np.array_equal(open_towers(parent).items(untouched), open_towers(moved).items(untouched))


def test_changed_items_without_interactions_teach_nothing(parent: Files) -> None:
    """A rows refresh without new interactions grows the tables and moves nothing, even with rows to replay."""
    new = interactions(range(4), range(20), 50)
    grown = TRAINER.train(rows(("i001", "i022")), SCHEMA, parent, lesson(new.slice(0, 0), catalogue(range(23)), replay=new))
    before, after = _tensors(parent), _tensors(grown)
    assert len(after["table.item_id"]) == len(before["table.item_id"]) + 3
    assert all(torch.equal(after[name][: len(tensor)], tensor) for name, tensor in before.items())


def test_absorbing_moves_little_and_keeps_what_is_frozen(parent: Files) -> None:
    """No row or tensor moves more than a tenth of its length; frozen rows keep their bits; new users get rows."""
    new = interactions(range(10, 24), range(20), 300, seed=4)
    absorbed = TRAINER.absorb(rows(("i004",)), parent, lesson(new, catalogue(range(20))))
    before, after = _tensors(parent), _tensors(absorbed)
    place = _vocabulary(parent, "item_id").index("i004") + 1
    for name, old in before.items():
        now = after[name][: len(old)] if name.startswith("table.") else after[name]
        by_row = 1 if name.startswith("table.") else None
        assert bool(((now - old).norm(dim=by_row) <= 0.1001 * old.norm(dim=by_row).clamp_min(0.01)).all()), name
    assert torch.flatten((after["table.item_id"] != before["table.item_id"]).any(dim=1).nonzero()).tolist() == [place]
    assert not torch.equal(after["user.w1"], before["user.w1"])
    assert set(_vocabulary(absorbed, "user_id")) - set(_vocabulary(parent, "user_id")) == {f"u{n:03d}" for n in range(20, 24)}
    assert absorbed["model.json"] == parent["model.json"]


def test_a_refresh_moves_old_rows_within_its_bound_and_new_ones_freely(parent: Files) -> None:
    """With a bound of 0.05, under rows and under dense, nothing old moves further than that; a newcomer does."""
    new = interactions(range(10, 24), range(20), 300, seed=4)
    trainer = TwoTowerTrainer(replace(SMALL, row_bound=0.05, passes=2), seed=7)
    for plan in (rows(("i004",)), RefreshPlan("dense", "a test")):
        before, after = _tensors(parent), _tensors(trainer.train(plan, SCHEMA, parent, lesson(new, catalogue(range(20)))))
        for name, old in before.items():
            by_row = 1 if name.startswith("table.") else None
            moved = (after[name][: len(old)] - old).norm(dim=by_row)
            assert bool((moved <= 0.05001 * old.norm(dim=by_row).clamp_min(0.01)).all()), name
        newcomers, unknown = after["table.user_id"][21:], before["table.user_id"][0]
        assert float((newcomers - unknown).norm(dim=1).min()) > 0.05 * float(unknown.norm())


def test_optimisers_remember_from_refresh_to_refresh() -> None:
    """With `warm_optimiser` a refresh goes on from its parent's state and appends the rows it met; without, there is none."""
    warm = TwoTowerTrainer(replace(SMALL, warm_optimiser=True), seed=7)
    first = warm.train(FULL, SCHEMA, None, lesson(interactions(range(12), range(12), 200), catalogue(range(12))))
    new = lesson(interactions(range(10, 16), range(12), 80, seed=1), catalogue(range(12)))
    second = warm.absorb(rows(("i002",)), warm.train(rows(("i002",)), SCHEMA, first, new), new)
    before, after = (load(files[OPTIMISER]) for files in (first, second))
    known = before["table.user_id/rows"]
    assert torch.equal(after["table.user_id/rows"][: len(known)], known)
    assert len(after["table.user_id/rows"]) > len(known)
    assert after["user.w1/steps"] == before["user.w1/steps"] + 4  # two steps of 64 in the refresh, and two while absorbing
    assert torch.equal(after["item.w1/mean"], before["item.w1/mean"])
    cold = {name: data for name, data in first.items() if name != OPTIMISER}
    assert (
        warm.train(rows(("i002",)), SCHEMA, cold, new)["user.safetensors"]
        != warm.train(rows(("i002",)), SCHEMA, first, new)["user.safetensors"]
    )
    assert OPTIMISER not in TRAINER.train(rows(), SCHEMA, first, new)


def test_a_rows_release_stores_what_changed_of_the_optimisers() -> None:
    """Of the moments of 600 items and users a refresh of four users changes few, so few are written."""
    warm = TwoTowerTrainer(replace(SMALL, warm_optimiser=True, epochs=1, id_dropout=0.0), seed=7)
    first = warm.train(FULL, SCHEMA, None, lesson(interactions(range(300), range(300), 3000), catalogue(range(300))))
    new = lesson(interactions(range(4), range(300), 40, seed=1), catalogue(range(300)))
    second = warm.train(rows(), SCHEMA, first, new)
    delta = difference(first[OPTIMISER], second[OPTIMISER])
    assert delta is not None
    tables = sum(load(first[OPTIMISER])[f"table.{name}/mean"].nbytes * 2 for name in ("item_id", "user_id"))
    dense = sum(tensor.nbytes for name, tensor in load(second[OPTIMISER]).items() if name.startswith("user."))
    assert len(delta) < dense + tables / 10 + 4000
    assert rebuilt(first[OPTIMISER], [delta]) == second[OPTIMISER]


def test_a_group_keeps_no_memory() -> None:
    """Where processes train together, state that one of them alone can keep is refused."""
    group = cast("Group", object())
    with pytest.raises(UsageError, match=r"training.warm_optimiser: expected false, .* where processes train together"):
        TwoTowerTrainer(replace(SMALL, warm_optimiser=True), 0, group=group)
    with pytest.raises(UsageError, match=r"found False, folder /kept. Set it to false, or train in one process"):
        TwoTowerTrainer(SMALL, 0, group=group, folder=Path("/kept"))


def test_absorbing_nothing_changes_nothing(parent: Files) -> None:
    """Without rows to absorb the files stay what they are, to the byte."""
    new = interactions(range(4), range(20), 10)
    assert TRAINER.absorb(FULL, parent, lesson(new.slice(0, 0), catalogue(range(20)))) == parent


def _everything() -> dict[str, str]:
    """Hashes of all files after a full training, a refresh and an absorption."""
    trainer = TwoTowerTrainer(replace(SMALL, epochs=2, passes=2), seed=5)
    table, live = interactions(range(12), range(12), 300), catalogue(range(14))
    full = trainer.train(FULL, SCHEMA, None, lesson(table, catalogue(range(12)), fit=table.slice(0, 50)))
    moved = trainer.train(rows(("i001", "i013")), SCHEMA, full, lesson(table.slice(100), live, replay=table.slice(0, 100)))
    last = trainer.absorb(rows(("i001", "i013")), moved, lesson(table.slice(200), live))
    return {f"{stage}/{name}": sha256(data) for stage, files in enumerate((full, moved, last)) for name, data in files.items()}


def test_the_same_inputs_give_the_same_bytes_in_any_process() -> None:
    """Twice here and once in a process with another hash seed: every file of every stage has the same hash."""
    here = _everything()
    assert _everything() == here
    script = "from tests.training.test_trainer import _everything; print(_everything())"
    path = os.pathsep.join(sys.path)
    there = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": path},
        capture_output=True,
        check=True,
    )
    assert there.stdout.decode().strip() == str(here)


def test_another_seed_gives_another_model() -> None:
    """The seed is the only source of randomness, and it matters."""
    taught = lesson(interactions(range(8), range(8), 100), catalogue(range(8)))
    one, other = (TwoTowerTrainer(SMALL, seed).train(FULL, SCHEMA, None, taught) for seed in (1, 2))
    assert one["item.safetensors"] != other["item.safetensors"]


def test_the_end_of_training_is_a_fault_point(parent: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh can be made to die when learning is done and nothing is handed over yet."""
    passed: list[str] = []
    monkeypatch.setattr(module, "fault_point", passed.append)
    TRAINER.train(rows(), SCHEMA, parent, lesson(interactions(range(4), range(4), 10), catalogue(range(4))))
    assert passed == ["training.trained"]


def test_a_skip_is_not_trained(parent: Files) -> None:
    """The trainer says what to do with a plan that asks for nothing."""
    nothing = lesson(interactions(range(4), range(4), 10), catalogue(range(4)))
    with pytest.raises(UsageError, match=r"plan.scope: expected rows, dense or full, found skip. Keep the parent's files."):
        TRAINER.train(RefreshPlan("skip", "a test"), SCHEMA, parent, nothing)


def test_rows_need_a_parent() -> None:
    """There are no rows to move without a model."""
    with pytest.raises(DataError, match=r"parent: expected a model to start from, found none. Run a full refresh first."):
        TRAINER.train(rows(), SCHEMA, None, lesson(interactions(range(4), range(4), 10), catalogue(range(4))))


def test_a_full_training_needs_interactions() -> None:
    """Nothing to learn from is said, with the likely cause."""
    nothing = interactions(range(4), range(4), 10).slice(0, 0)
    with pytest.raises(DataError, match=r"lesson: expected interactions to learn from, found none. Import or post"):
        TRAINER.train(FULL, SCHEMA, None, lesson(nothing, catalogue(range(4))))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_learns_the_checkerboard() -> None:
    """The same code on a GPU learns the same world."""
    taught = lesson(interactions(range(20), range(20), 2000), catalogue(range(20)))
    files = TwoTowerTrainer(replace(SMALL, device="cuda"), seed=7).train(FULL, SCHEMA, None, taught)
    users = users_table([f"u{n:03d}" for n in range(20)], [[] for _ in range(20)])
    assert _right_colour(files, users, catalogue(range(20)), [("black", "white")[n % 2] for n in range(20)], k=10) > 0.95
