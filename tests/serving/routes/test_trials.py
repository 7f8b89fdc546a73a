"""The routes about the release on trial."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.serving_world import published, release_files
from tests.serving.trials.worlds import HALF, USERS, Tried, answer, begin, soon, status


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Tried]:
    made = Tried(tmp_path)
    yield made
    made.world.log.close()


def test_without_a_trial_there_is_nothing(tried: Tried) -> None:
    """All three say 404, and how one begins; a reason is needed to end one."""
    with tried.asking() as ask:
        for method, path, body in (("GET", "", None), ("POST", "/promote", None), ("POST", "/end", {"reason": "x"})):
            told = status(ask(method, f"/v1/trial{path}", json=body), 404)
            assert (told["code"], "`ratoon refresh --trial shadow`" in told["detail"]) == ("not_found", True)
        assert status(ask("POST", "/v1/trial/end", json={"reason": " "}), 422)["code"] == "invalid"


def test_what_is_tried_is_told_with_its_figures(tried: Tried) -> None:
    """Which release, beside which, for whom, what was seen of it, and that this says nothing yet."""
    trial = begin(tried.registry, release_files(2), HALF)
    with tried.asking() as ask:
        for user in USERS:
            answer(ask, user)
        told = status(ask("GET", "/v1/surfaces/default/trial"), 200)
    chosen = sum(trial.chooses(user) for user in USERS)
    assert (told["release"], told["parent"], told["mode"], told["percent"]) == (trial.release, trial.parent, "canary", 50)
    assert (told["answering"], told["call"], told["reasons"]) == (True, "go on", [])
    assert (told["seen"]["answers"], told["seen"]["trial_users"], told["seen"]["control_users"]) == (chosen, chosen, 60 - chosen)
    assert (told["seen"]["trial_rate"], told["seen"]["overlap"], told["seen"]["errors"]) == (0.0, None, 0)
    assert told["seen"]["latency_ratio"] > 0


def test_it_is_promoted(tried: Tried) -> None:
    """The answer is the release with its number, and soon everybody is answered by it."""
    trial = begin(tried.registry, release_files(2), HALF)
    with tried.asking() as ask:
        told = status(ask("POST", "/v1/trial/promote"), 200)
        assert (told["id"], told["sequence"], told["current"]) == (trial.release, 2, True)
        soon(ask, lambda: answer(ask, USERS[0])["sequence"] == 2)


def test_it_is_ended_for_everybody_at_once(tried: Tried) -> None:
    """The next request is answered by the current release, whoever asks."""
    trial = begin(tried.registry, release_files(2), HALF)
    with tried.asking() as ask:
        (user,) = [user for user in USERS if trial.chooses(user)][:1]
        assert answer(ask, user)["trial"] is True
        told = status(ask("POST", "/v1/trial/end", json={"reason": "enough"}), 200)
        assert (told["release"], told["answering"]) == (trial.release, False)
        assert answer(ask, user)["release"] == trial.parent
    assert tried.how_ended() == [("ended", "enough")]


def test_what_is_over_is_not_there(tried: Tried) -> None:
    """A trial whose parent is not current any more can be neither seen nor promoted."""
    begin(tried.registry, release_files(2), HALF)
    published(tried.registry, 3)
    with tried.asking() as ask:
        status(ask("GET", "/v1/trial"), 404)
        status(ask("POST", "/v1/trial/promote"), 404)
