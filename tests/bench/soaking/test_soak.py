"""A small soak: a real worker and a real server, killed and told to end, over a world that is made anyway."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon.bench.soaking.checks import checks, logged, served
from ratoon.bench.soaking.home import Home
from ratoon.bench.soaking.playing import Play, play
from ratoon.bench.soaking.soak import rows
from ratoon.bench.soaking.strikes import Fate
from ratoon.bench.soaking.traffic import Sent

PAST, EVENTS, SECONDS = 3_500, 200, 12.0

JOBS = """
[jobs.learn]
do = "refresh"
every = "5 s"
"""


@pytest.fixture
def home(copied: Callable[[str], Path]) -> Home:
    """The small world, with a job."""
    file = copied("soak")
    file.write_text(file.read_text() + JOBS)
    return Home(file.parent, file.name)


def test_what_is_left_after_kills_is_what_an_undisturbed_process_makes(
    home: Home, copied: Callable[[str], Path], events: pa.Table
) -> None:
    """Server and worker are each killed and told to end, and everything holds: log, features and releases, bit for bit.

    Nothing less would be noticed: an event, an acknowledgement or an answer that is another one is told.
    """
    replayed, before = events.slice(PAST, EVENTS), Home(copied("before").parent)
    how = Play(SECONDS, 1, Fate((2.0, 2.9), (0.0, 0.3)), settle=240.0)
    seen = play(home, replayed, how, lambda _what, _share: None)
    found = list(checks(home, before, replayed, seen, lambda _what, _share: None))
    assert [check for check in found if not check.holds] == []
    blows = {(name, life.how) for name, lives in seen.lives.items() for life in lives[:-1]}
    assert blows == {(name, how) for name in ("server", "worker") for how in ("SIGKILL", "SIGTERM")}
    assert len(seen.published) > 1
    assert {row.quantity: row.value for row in rows(seen, found)}["blows"] == 4

    house = home.house()
    strange = [replace(seen.asked[-1], release="another"), replace(seen.asked[-1], at=0.0, until=0.1, status=500)]
    late = replace(seen.asked[-1], at=seen.seconds - 0.1, until=seen.seconds, status=500)
    assert [one.holds for one in served(replace(seen, asked=[*seen.asked, strange[0]]))] == [False, True, True]
    assert [one.holds for one in served(replace(seen, asked=[*seen.asked, strange[1]]))] == [True, True, True]
    calm = {**seen.lives, "server": [replace(life, struck=None) for life in seen.lives["server"]]}
    assert [one.holds for one in served(replace(seen, asked=[*seen.asked, late], lives=calm))] == [True, False, True]
    assert [one.holds for one in logged(house, events.slice(PAST, EVENTS + 1), seen)] == [False, True]
    assert [one.holds for one in logged(house, replayed, replace(seen, sent=seen.sent[:-1]))] == [False, True]
    twice = [*seen.sent, Sent(99, 0.0, 0.1, 202, 1, 1)]
    assert [one.holds for one in logged(house, replayed, replace(seen, sent=twice))] == [False, True]
    gap = [seen.published[0], *seen.published[2:]]
    assert [one.holds for one in logged(house, replayed, replace(seen, published=gap))] == [True, False]
    house.log.close()
