"""The judge of answers finds what is wrong with each, by the release that it names."""

import json

from ratoon.answering import answered
from ratoon.bench.serving.inputs import SCHEMA
from ratoon.bench.serving.lines import Heard
from ratoon.bench.serving.mixing import Judge
from ratoon.bench.serving.world import World
from ratoon.features.online import OnlineUsers

USERS = [2, 3]


def body(world: World, edition: int, release: str) -> Heard:
    """The answer of an edition to the first of USERS."""
    towers, index = world.opened(edition)
    log = world.log()
    row = OnlineUsers(world.home / "features", log).users([f"u{USERS[0]}"], SCHEMA)
    (found,) = answered(index, towers.users(row), 100, [log.seen(f"u{USERS[0]}")])
    log.close()
    candidates = [{"item_id": item, "score": score} for item, score in found]
    return Heard(200, b"", json.dumps({"release": release, "candidates": candidates}).encode(), 0.0, 0.0, 0)


def test_each_answer_is_held_against_the_release_it_names(own: World) -> None:
    """The same answer is right under one release's name and mixed under another's; releases that come later are found."""
    said: list[str] = []
    judge = Judge(own, USERS, lambda what, _: said.append(what))
    judge.prepare()
    first = own.registry().get(None).id
    judge.judge(body(own, 0, first))
    second = own.publish(1).id
    judge.judge(body(own, 1, second))
    assert not judge.faults
    judge.judge(body(own, 1, first))
    judge.judge(body(own, 0, second))
    assert judge.faults == {"mixed": 2}
    assert judge.releases == {first, second}
    judge.judge(Heard(503, b"", b"", 0.0, 0.0, 0))
    judge.judge(Heard(0, b"", b"", 0.0, 0.0, 0))
    assert judge.faults == {"mixed": 2, "status 503": 1, "status 0": 1}
    assert judge.answers == 6
