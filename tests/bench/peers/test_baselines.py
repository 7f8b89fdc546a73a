"""Recommenders without towers, on worlds whose right answer is known by construction."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ratoon.bench.peers import baselines
from ratoon.bench.peers.baselines import FOR_SESSIONS, METHODS, Past, in_order, rank, walk

World = dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]]
INSTALLED = {name: fit for name, fit in METHODS.items() if not name.startswith("iALS") or importlib.util.find_spec("implicit")}


def checkerboard(users: int = 40, items: int = 40, held: int = 6) -> World:
    """Even users take even items, odd users odd ones; each keeps its last items for the questions."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, int]] = []
    late: list[tuple[int, int]] = []
    for user in range(users):
        own = rng.permutation(np.arange(user % 2, items, 2))[:14]
        rows += [(user, int(item)) for item in own[held:]]
        late += [(user, int(item)) for item in own[:held]]
    every = np.array([rows[place] for place in rng.permutation(len(rows))] + late)
    start = len(rows)
    return {
        "users": every[:, 0],
        "items": every[:, 1],
        "starts": np.array([start]),
        "stops": np.array([len(every)]),
        "asked": np.arange(start, len(every)),
        "mask": np.array(1),
        "sessions": np.array(1),
    }


@pytest.mark.parametrize("name", ["EASE", "ItemKNN", "STAN", "V-SKNN", "sequential rules"])
def test_methods_that_know_the_user_find_the_users_own_colour(name: str) -> None:
    """On a checkerboard nothing speaks for an item of the other colour, and something for those of the user's own."""
    world = checkerboard()
    users, items, until = world["users"], world["items"], int(world["starts"][0])
    score = {**METHODS, **FOR_SESSIONS}[name](Past(users, items, until, 40))
    for place in range(until, len(users), 7):
        scores = score(place, items[:place][users[:place] == users[place]])
        own = np.arange(40) % 2 == users[place] % 2
        assert scores[own].max() > 0
        assert scores[~own].max() < 1e-4 * scores[own].max()


def test_popularity_does_not_know_the_user() -> None:
    """Counting alone ranks the other colour among the user's own."""
    found = walk(checkerboard(), {"popularity": baselines.popularity(0)})["popularity"]
    assert np.mean(np.array(found) < 13) < 0.75


def test_windows_end_where_they_say() -> None:
    """Popularity knows nothing of its slice, live popularity everything up to the moment of asking, neither more."""
    items = np.array([0, 0, 0, 1, 1, 2, 2])
    past = Past(np.zeros(7, np.int64), items, until=5, catalogue=3)
    nothing = np.empty(0, np.int64)
    assert baselines.popularity(0)(past)(6, nothing).tolist() == [3, 2, 0]
    assert baselines.popularity(2)(past)(6, nothing).tolist() == [0, 2, 0]
    assert baselines.live(3)(past)(6, nothing).tolist() == [0, 2, 1]


def test_what_comes_later_changes_nothing() -> None:
    """No method sees the interaction it is asked about, or any after it: other items in their place leave its scores alone."""
    world = checkerboard()
    users, items, until = world["users"], world["items"], int(world["starts"][0])
    other = items.copy()
    other[until + 3 :] = (other[until + 3 :] + 1) % 40
    for name, fit in {**INSTALLED, **FOR_SESSIONS}.items():
        scores = [
            fit(Past(users, one, until, 40))(until + 3, one[: until + 3][users[: until + 3] == users[until + 3]])
            for one in (items, other)
        ]
        assert (scores[0] == scores[1]).all(), name


def test_ranks_break_ties_by_first_sight() -> None:
    """An item comes after those with more, and after earlier ones with as much; what is hidden comes after all."""
    scores = np.array([1, 2, 2, 0], np.float32)
    nothing = np.empty(0, np.int64)
    assert [rank(scores.copy(), item, nothing) for item in range(4)] == [2, 0, 1, 3]
    assert rank(scores.copy(), 2, np.array([1])) == 0
    assert in_order(np.array([7, 3, 7, 9])).tolist() == [0, 1, 0, 2]


def test_the_script_answers_every_question(tmp_path: Path) -> None:
    """It writes a rank per question and method, says its seconds, and says why a method did not run."""
    world = checkerboard(10, 30, 2)
    np.savez(tmp_path / "world.npz", allow_pickle=False, **world)
    script = Path(baselines.__file__)
    command = [sys.executable, str(script), str(tmp_path / "world.npz"), str(tmp_path / "answers.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert list(said["seconds"]) == [*METHODS, *FOR_SESSIONS]
    with np.load(tmp_path / "answers.npz") as answers:
        for name in said["seconds"]:
            assert answers[name].shape == (20,)
            assert (answers[name] < 0).all() == (name in said["missing"])
    if importlib.util.find_spec("implicit") is None:
        assert set(said["missing"].values()) == {"implicit is not installed"}
        assert list(said["missing"]) == [name for name in METHODS if name not in INSTALLED]


def test_a_matrix_that_cannot_be_inverted_is_not_answered_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """EASE says so instead of ranking by what is left in memory."""
    monkeypatch.setattr(baselines, "EASE_L2", -1e6)
    world = checkerboard()
    with pytest.raises(ValueError, match="the items' Gram matrix cannot be inverted"):
        baselines.ease(Past(world["users"], world["items"], int(world["starts"][0]), 40))
