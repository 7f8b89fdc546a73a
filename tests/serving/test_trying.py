"""A trial from its beginning to its end, beside a running server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.domain.trial import Terms
from tests.fakes.serving_world import published, release_files
from tests.serving.trials.worlds import HALF, SHADOW, USERS, Tried, answer, begin, release_of, soon


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Tried]:
    """A surface with release 1 published, and 60 known users."""
    made = Tried(tmp_path)
    yield made
    made.world.log.close()


def test_a_trial_begins_and_ends_while_serving(tried: Tried) -> None:
    """Soon after it is begun it answers, soon after it is ended it does not, and its memory is let go."""
    with tried.asking() as ask:
        assert {one for user in USERS for one in release_of(answer(ask, user))} == {"r1"}
        trial = begin(tried.registry, release_files(2), HALF)
        soon(ask, lambda: tried.slot.tried is not None)
        assert {one for user in USERS for one in release_of(answer(ask, user))} == {"r1", "r2"}
        tried.registry.trials.end("seen enough", of=trial)
        soon(ask, lambda: tried.slot.tried is None)
        assert {one for user in USERS for one in release_of(answer(ask, user))} == {"r1"}
    assert tried.how_ended() == [("ended", "seen enough")]


def test_a_promoted_trial_is_everybodys(tried: Tried) -> None:
    """It becomes current, with a number, for all users; what was tried is not tried any more."""
    with tried.asking() as ask:
        trial = begin(tried.registry, release_files(2), HALF)
        soon(ask, lambda: tried.slot.tried is not None)
        tried.registry.trials.promote()
        soon(ask, lambda: ask("GET", "/v1/releases/current").json()["sequence"] == 2 and tried.slot.tried is None)
        for user in USERS:
            told = answer(ask, user)
            assert (release_of(told), told["release"], told["sequence"]) == ({"r2"}, trial.release, 2)
            assert "trial" not in told
    assert tried.how_ended()[0][0] == "promoted"


def test_another_release_ends_a_trial(tried: Tried) -> None:
    """What is published meanwhile is served to everybody, and the trial is over: it was compared with something else."""
    with tried.asking() as ask:
        begin(tried.registry, release_files(2), HALF)
        soon(ask, lambda: tried.slot.tried is not None)
        published(tried.registry, 3)
        soon(ask, lambda: tried.how_ended() != [] and tried.slot.tried is None)
        soon(ask, lambda: release_of(answer(ask, USERS[0])) == {"r3"})
        assert {one for user in USERS for one in release_of(answer(ask, user))} == {"r3"}
    assert tried.how_ended() == [("ended", "another release was published meanwhile")]


def test_what_cannot_be_opened_falls_back(tried: Tried) -> None:
    """Damaged files are found before anybody is answered by them; the reason says so."""
    trial = begin(tried.registry, release_files(2), HALF)
    folder = tried.registry._root / "trial" / f"000000-{trial.release[:12]}"
    (folder / "towers.json").write_bytes(b"{}")
    with tried.asking() as ask:
        soon(ask, lambda: tried.how_ended() != [])
        assert {one for user in USERS for one in release_of(answer(ask, user))} == {"r1"}
    ((how, reason),) = tried.how_ended()
    assert (how, reason.startswith("it cannot be opened: ")) == ("fell back", True)


def test_a_trial_that_cannot_be_read_is_told(tried: Tried) -> None:
    """The note of it is damaged: that is counted, and answers go on."""
    with tried.asking() as ask:
        (tried.registry._root / "trial.json").write_text("?")
        soon(ask, lambda: 'ratoon_adoption_failures_total{surface="default"}' in ask("GET", "/metrics").text)
        assert release_of(answer(ask, USERS[0])) == {"r1"}
        assert ask("GET", "/v1/trial").status_code == 503


def test_a_restarted_server_goes_on_with_the_same_users(tried: Tried) -> None:
    """Who was chosen is chosen again."""
    begin(tried.registry, release_files(2), Terms("canary", 30, HALF.guards))
    said = []
    for _ in range(2):
        with tried.asking() as ask:
            said.append([release_of(answer(ask, user)) for user in USERS])
            tried.slot.stop()
    assert said[0] == said[1]


def test_two_servers_end_a_trial_together(tried: Tried) -> None:
    """One finds it broken; the other stops too, and the reason is written down once."""
    other = tried.beside()
    begin(tried.registry, release_files(13), SHADOW)
    with tried.asking() as ask, other.asking() as beside:
        soon(beside, lambda: other.slot.tried is not None)
        for user in USERS:
            answer(ask, user)
        soon(ask, lambda: tried.how_ended() != [])
        soon(beside, lambda: other.slot.tried is None)
    assert [how for how, _ in tried.how_ended()] == ["fell back"]
