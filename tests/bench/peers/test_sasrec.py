"""SASRec on a world whose next item is known by construction."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ratoon.bench.peers import sasrec
from ratoon.bench.peers.sasrec import Histories, walk

World = dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]

USERS, ITEMS, LONG = 60, 20, 8
AMPLE = 1e9


def circle() -> World:
    """Users go round a circle of items from where they happen to begin; the last two steps are asked about, in two slices."""
    begin = np.random.default_rng(0).integers(0, ITEMS, USERS)
    users, steps = np.tile(np.arange(USERS), LONG), np.repeat(np.arange(LONG), USERS)
    starts = np.array([(LONG - 2) * USERS, (LONG - 1) * USERS])
    return {
        "users": users,
        "items": (begin[users] + steps) % ITEMS,
        "starts": starts,
        "stops": starts + USERS,
        "asked": np.arange(starts[0], LONG * USERS),
        "retrained": np.array([2]),
        "mask": np.array(1),
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger step, and as many passes as a small world needs."""
    monkeypatch.setattr(sasrec, "RATE", 1e-2)
    monkeypatch.setattr(sasrec, "PASSES", 8)
    monkeypatch.setattr(sasrec, "DRAWS", 16)
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.mark.usefixtures("quick")
def test_it_learns_what_comes_next() -> None:
    """On a circle the wanted item comes first or nearly so, which counting alone cannot do."""
    ranks = walk(circle(), AMPLE)
    assert len(ranks) == 2 * USERS
    assert np.mean(ranks < 2) > 0.9


@pytest.mark.usefixtures("quick")
def test_what_comes_later_changes_nothing() -> None:
    """Other items after the first slice leave the ranks in it alone."""
    world = circle()
    other = {**world, "items": np.where(np.arange(len(world["items"])) >= world["stops"][0], 0, world["items"])}
    found = []
    for one in (world, other):
        torch.manual_seed(0)
        found.append(walk(one, AMPLE)[:USERS])
    assert (found[0] == found[1]).all()


def test_histories_end_just_before_and_long_ones_are_cut() -> None:
    """A user's windows hold every step once, the first after the beginning's token, and nothing from the end on."""
    users, items = np.zeros(130, np.int64), np.arange(130)
    histories = Histories(users, items)
    assert histories.before(0, 3).tolist() == [0, 1, 2]
    windows = histories.windows(0, 120)
    assert {len(window) for window in windows} == {51, 21}
    steps = sorted(int(token) - 2 for window in windows for token in window[1:])
    assert steps == list(range(120))
    assert min(window[0] for window in windows) == 1


def test_the_script_says_when_time_does_not_suffice(tmp_path: Path) -> None:
    """With next to nothing to spend there are no answers, and the reason is said."""
    np.savez(tmp_path / "world.npz", allow_pickle=False, **circle())
    command = [sys.executable, sasrec.__file__, tmp_path / "world.npz", tmp_path / "answers.npz", "0.001"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["missing"] == "does not fit into 0 CPU s"
    assert not (tmp_path / "answers.npz").exists()
