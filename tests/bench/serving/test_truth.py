"""What is wrong with an answer is found, and nothing is found where nothing is wrong."""

import json

import numpy as np
import pytest

from ratoon.answering import answered
from ratoon.bench.serving.crowd import item_ids
from ratoon.bench.serving.inputs import SCHEMA
from ratoon.bench.serving.truth import Found, Truth, masks, release_of
from ratoon.bench.serving.world import World
from ratoon.features.online import OnlineUsers

USERS = [3, 14, 15]


def answer(world: World, edition: int, user: int, *, seen: bool = False) -> Found:
    """What an edition answers, by the product's own parts."""
    towers, index = world.opened(edition)
    log = world.log()
    row = OnlineUsers(world.home / "features", log).users([f"u{user}"], SCHEMA)
    (found,) = answered(index, towers.users(row), 100, [[] if seen else log.seen(f"u{user}")])
    log.close()
    return Found("r", np.array([int(item[1:]) for item, _ in found]), np.array([score for _, score in found]))


def test_a_right_answer_is_right(world: World) -> None:
    """Of an index that looks at everything recall is 1, and nothing is wrong."""
    for edition in range(3):
        truth = Truth(world, edition, USERS)
        for place, user in enumerate(USERS):
            found = answer(world, edition, user)
            assert truth.wrong(place, found, 100) == ""
            assert truth.recall(place, found, 100) == 1.0


def test_an_answer_of_another_release_is_found_out(world: World) -> None:
    """Users of one edition and items of another, or all of another, do not give this one's scores."""
    truth = Truth(world, 0, USERS)
    for edition in (1, 2):
        assert truth.wrong(1, answer(world, edition, USERS[1]), 100) == "mixed"


def test_seen_and_missing_items_are_found_out(world: World) -> None:
    """An item that the user has had, one that stands twice, and too few of them."""
    truth, right = Truth(world, 0, USERS), answer(world, 0, USERS[0])
    assert truth.wrong(0, answer(world, 0, USERS[0], seen=True), 100) == "seen"
    assert truth.wrong(0, Found("r", right.rows[:-1], right.scores[:-1]), 100) == "short"
    twice = Found("r", np.append(right.rows[:-1], right.rows[0]), right.scores)
    assert truth.wrong(0, twice, 100) == "short"
    assert truth.recall(0, Found("r", right.rows[:50], right.scores[:50]), 100) == 0.5


def test_recall_counts_what_a_filter_lets_through(world: World) -> None:
    """Of the best that it lets through; if there are fewer than k, of these."""
    truth, only = Truth(world, 0, USERS), np.zeros(world.items, bool)
    right = answer(world, 0, USERS[0])
    only[right.rows[::2]] = True
    assert truth.recall(0, Found("r", right.rows[::2], right.scores[::2]), 100, only) == 1.0
    assert truth.recall(0, Found("r", right.rows[:10:2], right.scores[:10:2]), 100, only) == 0.1


def test_masks_are_of_every_filter(world: World) -> None:
    """Each lets about the share through that it is named by."""
    for share, mask in masks(world).items():
        assert mask.mean() == pytest.approx(share, rel=0.5)


def test_an_answer_is_taken_apart() -> None:
    """Rows and scores in order, and the release that it says it is of."""
    body = json.dumps(
        {"release": "ab", "candidates": [{"item_id": "i7", "score": 0.5}, {"item_id": "i2", "score": 0.25}]}
    ).encode()
    found = Found.of(body)
    assert (found.release, found.rows.tolist(), found.scores.tolist()) == ("ab", [7, 2], [0.5, 0.25])
    assert release_of(body) == "ab"
    assert item_ids(found.rows) == ["i7", "i2"]
