"""The demo's story on a small made-up world: the same code that tells it on MovieLens-100K."""

from pathlib import Path

import pytest

from ratoon.bench import faults, picture
from ratoon.bench.api import server
from ratoon.bench.demo import busiest, plainly
from ratoon.bench.faults import Check
from ratoon.bench.loop import POLICIES, SURFACES, K, Loop, Slice
from ratoon.data import synth
from tests.worlds import ROOT

Told = tuple[list[Slice], list[Check], int]
Asked = dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Asked, Told]:
    """What each surface answered to 30 users before anything arrived, and the story."""
    events = synth(120, 200, 2_600, seed=0)
    loop = Loop(tmp_path_factory.mktemp("demo"), ROOT / "feature_repo", events, lambda *_: None, slices=2, questions=30)
    loop.bootstrap()
    user = busiest(events.slice(0, loop.cut))
    with server(0, loop.environment) as (api, _process):
        users = loop.house.log.read(0).column("user_id").drop_null().unique().to_pylist()[:30]
        asked = {surface: [api.items(one, surface, K) for one in users] for surface in SURFACES.values()}
        slices = list(loop.play(api, user))
        checks = list(faults.checks(loop, api, user, "title"))
    return asked, (slices, checks, api.failed)


@pytest.fixture(scope="module")
def told(played: tuple[Asked, Told]) -> Told:
    return played[1]


def test_every_check_holds(told: Told) -> None:
    """A killed refresh is run again, a rollback is served, items come and go, no request fails.

    The world is too small for the gate to tell poison from chance; tests/flow/test_refresh.py has refusals.
    """
    _, checks, failed = told
    assert len(checks) == 8
    assert [check for check in checks[1:] if not check.holds] == []
    assert failed == 0


def test_all_policies_start_equal(played: tuple[Asked, Told]) -> None:
    """Before anything is posted or refreshed the three surfaces answer alike; retraining costs CPU, standing still none."""
    asked, (slices, _, _) = played
    assert asked["never"] == asked["full"] == asked["default"]
    assert all(asked["never"])
    assert len({tuple(found) for found in asked["never"]}) == 30
    assert min(slices[0].recall.values()) > 0
    assert slices[-1].cpu_seconds["full retrain"] > 0
    assert slices[-1].cpu_seconds["never refreshed"] == 0


def _slice(number: int, recalls: dict[str, float]) -> Slice:
    return Slice(number, 10, recalls, dict.fromkeys(POLICIES, 1.0))


def test_the_verdict_is_plain() -> None:
    """The sentence under the table says where refreshing loses as plainly as where it wins."""
    recalls = {"never refreshed": 0.2, "full retrain": 0.4, "live popularity": 0.3, "Ratoon": 0.3}
    said = plainly([_slice(1, dict.fromkeys(POLICIES, 0.1)), _slice(2, recalls)])
    assert "wins over never refreshed (0.200)" in said
    assert "loses to full retrain (0.400)" in said
    assert "does not win over live popularity (0.300)" in said


def test_the_picture_is_one_page(tmp_path: Path) -> None:
    """The page holds both charts with a line per policy, and loads nothing from elsewhere."""
    slices = [_slice(number, dict.fromkeys(POLICIES, 0.1 * number)) for number in (1, 2)]
    picture.write(tmp_path / "loop.html", "A <world>", slices, [Check("held", True, "seen")], "So it went.")
    page = (tmp_path / "loop.html").read_text()
    assert page.count("<svg") == 2
    assert page.count("<polyline") == 2 * len(POLICIES)
    assert "A &lt;world&gt;" in page
    assert "://" not in page
