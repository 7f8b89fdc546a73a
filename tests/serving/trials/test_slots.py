"""Who is answered by what, while a release is on trial."""

from pathlib import Path

import pytest

from ratoon.adopt import Slot
from ratoon.domain.trial import Guards, Terms
from ratoon.index import FaissIndexes
from ratoon.serving.problems import TooLate
from ratoon.serving.trials import Given
from tests.fakes.events import batch, event
from tests.fakes.serving_world import release_files
from tests.serving.trials.worlds import HALF, QUICK, SHADOW, USERS, Tried, answer, begin, release_of, soon, with_items


def test_users_are_answered_by_one_release_each_and_always_the_same(tried: Tried) -> None:
    """Those whom the hash chooses get the trial's items, all others the current release's; no answer mixes them, none changes."""
    trial = begin(tried.registry, release_files(2), HALF)
    chosen = {user for user in USERS if trial.chooses(user)}
    assert 10 < len(chosen) < 50
    with tried.asking() as ask:
        for _ in range(2):
            for user in USERS:
                told = answer(ask, user)
                wanted = ("r2", trial.release, 0, True) if user in chosen else ("r1", trial.parent, 1, None)
                assert (release_of(told), told["release"], told["sequence"], told.get("trial")) == ({wanted[0]}, *wanted[1:])


def test_nobody_without_a_name_is_in_a_canary(tried: Tried) -> None:
    """Who cannot be given the same release again is answered by the current one; so is who asks for it by its id."""
    trial = begin(tried.registry, release_files(2), Terms("canary", 99.9, QUICK))
    with tried.asking() as ask:
        for _ in range(20):
            given = ask("POST", "/v1/retrieve", json={"user_features": {"taste": 1.0}, "k": 3})
            assert release_of(given.json()) == {"r1"}
        (user,) = [user for user in USERS if trial.chooses(user)][:1]
        assert release_of(answer(ask, user)) == {"r2"}
        assert release_of(answer(ask, user, release=trial.parent)) == {"r1"}


def test_a_batch_is_answered_user_by_user(tried: Tried) -> None:
    """Each question of it by the release of its user, and whole."""
    trial = begin(tried.registry, release_files(2), HALF)
    with tried.asking() as ask:
        given = ask("POST", "/v1/retrieve/batch", json={"requests": [{"user_id": user, "k": 4} for user in USERS]})
    for user, told in zip(USERS, given.json()["results"], strict=True):
        assert release_of(told) == ({"r2"} if trial.chooses(user) else {"r1"})


def test_what_is_posted_and_removed_here_is_so_in_both_at_once(tmp_path: Path) -> None:
    """Before anybody looks again an item that is gone is in no user's answers, and a new one is in those of all."""
    made = Tried(tmp_path, poll_seconds=1_000.0)
    begin(made.registry, with_items(["r1-i0", "r1-i1", "r1-i2", "r1-i3"]), HALF)
    with made.asking() as ask:
        assert {told.get("trial") for told in (answer(ask, user) for user in USERS)} == {None, True}
        assert ask("DELETE", "/v1/items/r1-i0").status_code == 202
        assert ask("POST", "/v1/items", json={"item_id": "new", "features": {"worth": 99.0}}).status_code == 202
        for user in USERS:
            found = [one["item_id"] for one in answer(ask, user, k=10)["candidates"]]
            assert (found[0], "r1-i0" in found) == ("new", False)
    made.world.log.close()


def test_what_others_remove_is_followed_in_both(tried: Tried) -> None:
    """An item that another process removes leaves the answers of all users soon."""
    begin(tried.registry, with_items(["r1-i0", "r1-i1", "r1-i2", "r1-i3"]), HALF)
    with tried.asking() as ask:
        assert all("r1-i1" in str(answer(ask, user)) for user in USERS)
        tried.world.log.append(batch(event("gone", kind="remove", user_id=None, item_id="r1-i1")))
        soon(ask, lambda: not any("r1-i1" in str(answer(ask, user)) for user in USERS))


def test_broken_towers_harm_no_answer(tried: Tried, caplog: pytest.LogCaptureFixture) -> None:
    """A trial that fails is answered for by the current release, in that same request; after two nobody is asked to it."""
    trial = begin(tried.registry, release_files(13), HALF)
    with tried.asking() as ask:
        for user in USERS:
            told = answer(ask, user)
            assert (release_of(told), told["release"], told.get("trial")) == ({"r1"}, trial.parent, None)
        assert tried.slot.tried is None
        soon(ask, lambda: tried.how_ended() != [])
        soon(ask, lambda: 'ratoon_trial_fallbacks_total{surface="default"} 1' in ask("GET", "/metrics").text)
        assert ask("GET", "/v1/trial").status_code == 404
    ((how, reason),) = tried.how_ended()
    assert how == "fell back"
    assert reason.startswith("2 of 2 answers failed: ArithmeticError(\"these towers know nothing of ['taste']\")")
    assert f"release {trial.release} on trial could not answer" in caplog.text
    assert f"release {trial.release} on trial falls back: 2 of 2 answers failed" in caplog.text
    assert tried.registry.trials.running() is None


def test_what_callers_do_wrong_is_not_the_trials_fault(tried: Tried) -> None:
    """A question that neither release can answer is told as ever, and counts for nothing."""
    trial = begin(tried.registry, release_files(2), HALF)
    wrong = {"filter": {"column": "colour", "eq": "red"}}
    with tried.asking() as ask:
        for user in USERS:
            assert ask("POST", "/v1/retrieve", json={"user_id": user} | wrong).json()["code"] == "unfit"
            late = ask("POST", "/v1/retrieve", json={"user_id": user, "timeout_ms": 1e-6})
            assert late.status_code in (422, 504)
        assert tried.slot.tried is not None
        assert (tried.slot.figures().errors, tried.slot.figures().answers) == (0, 0)
        chosen = sum(trial.chooses(user) for user in USERS)
        for user in USERS:
            answer(ask, user)
        assert (tried.slot.figures().errors, tried.slot.figures().answers) == (0, chosen)


def test_who_has_no_more_time_is_told_so(tried: Tried) -> None:
    """A request whose time is over in the trial is not asked a second time, and the trial is not blamed."""
    begin(tried.registry, release_files(2), HALF)
    asked = []

    def late(slot: Slot, _unseen: bool = False, /) -> Given:
        asked.append(slot.release.id)
        raise TooLate("timeout_ms", expected="an answer in time", found="none", fix="Allow more.")

    with tried.asking():
        assert tried.slot.tried is not None
        current = tried.surface.live.slot
        assert current is not None
        user = next(user for user in USERS if tried.slot.tried.chooses(user))
        with pytest.raises(TooLate, match="timeout_ms: expected an answer in time"):
            tried.slot.answered(current, user, "r1", late)
        assert asked == [tried.slot.tried.trial.release]
        assert tried.slot.figures().errors == 0


def test_a_shadow_is_never_seen(tried: Tried) -> None:
    """Every answer is the current release's; the other's are compared with them, and found to be alike."""
    trial = begin(tried.registry, with_items([f"r1-i{place}" for place in (1, 0, 2, 3, 4)]), SHADOW)
    with tried.asking() as ask:
        for user in USERS:
            told = answer(ask, user)
            assert (release_of(told), told["release"], "trial" in told) == ({"r1"}, trial.parent, False)
        soon(ask, lambda: tried.slot.figures().answers + tried.slot.figures().dropped == len(USERS))
        seen = ask("GET", "/v1/trial").json()
        assert (seen["mode"], seen["release"], seen["parent"], seen["answering"]) == ("shadow", trial.release, trial.parent, True)
        assert (seen["seen"]["overlap"], seen["seen"]["errors"]) == (1.0, 0)
        assert seen["seen"]["rank_correlation"] == pytest.approx(0.9)
        assert 'ratoon_trial_overlap{surface="default"} 1' in ask("GET", "/metrics").text
        assert tried.how_ended() == []


def test_a_shadow_that_would_show_others_falls_back(tried: Tried) -> None:
    """The overlap is below what is let pass, certainly enough after a few hundred answers; the reason is kept."""
    begin(tried.registry, release_files(2), Terms("shadow", guards=Guards(least=20, overlap=0.5)))
    with tried.asking() as ask:
        for number in range(200):
            assert release_of(answer(ask, USERS[number % 60])) == {"r1"}
        soon(ask, lambda: tried.how_ended() != [])
        assert tried.slot.tried is None
    assert tried.how_ended() == [("fell back", "0.0% of candidates are the same; 50.0% must be")]


def test_a_shadow_that_fails_falls_back(tried: Tried) -> None:
    """Nobody notices but the log."""
    begin(tried.registry, release_files(13), SHADOW)
    with tried.asking() as ask:
        for user in USERS:
            assert release_of(answer(ask, user)) == {"r1"}
        soon(ask, lambda: tried.how_ended() != [])
    assert "answers failed: ArithmeticError" in tried.how_ended()[0][1]


def follow(tried: Tried, users: range, likes: dict[str, float]) -> None:
    """So many users ask, and follow answers of a release as often as it is liked: they are simulated."""
    with tried.asking() as ask:
        rows = []
        for number in users:
            user = f"person {number}"
            told = answer(ask, user)
            (shown,) = release_of(told)
            if (number * 0.618034) % 1 < likes[shown]:
                named = {"request_id": told["request_id"], "user_id": user, "item_id": told["candidates"][0]["item_id"]}
                rows.append(event(f"e{number}", **named))
        tried.world.log.append(batch(*rows))

        def counted() -> bool:
            seen = tried.slot.figures()
            return seen.trial.followed + seen.control.followed == len(rows) or tried.how_ended() != []

        soon(ask, counted)


@pytest.mark.parametrize(("liked", "how"), [(0.1, ["fell back"]), (0.8, [])])
def test_what_users_follow_less_falls_back(tried: Tried, liked: float, how: list[str]) -> None:
    """A canary whose answers are followed a tenth of the time where others' are eight tenths is ended, an equal one is not."""
    tried.world.online.known.update(f"person {number}" for number in range(500))
    begin(tried.registry, release_files(2), HALF)
    follow(tried, range(500), {"r1": 0.8, "r2": liked})
    assert [one for one, _ in tried.how_ended()] == how
    if how:
        assert "interactions per answer against 0." in tried.how_ended()[0][1]
    else:
        assert tried.slot.figures().trial.users > 200


def test_a_trial_costs_nothing_while_there_is_none(tried: Tried) -> None:
    """A request looks at one attribute, which is None; no answer says `trial`."""
    with tried.asking() as ask:
        assert tried.slot.tried is None
        assert "trial" not in answer(ask, USERS[0])
        assert tried.surface.lives == [tried.surface.live]


def test_real_indexes_are_tried_alike(tmp_path: Path) -> None:
    """With FAISS's index in two copies, as servers have it, answers come from one release each too."""
    made = Tried(tmp_path, indexes=FaissIndexes().shared())
    trial = begin(made.registry, release_files(2, indexes=FaissIndexes()), HALF)
    with made.asking() as ask:
        for user in USERS:
            assert release_of(answer(ask, user)) == ({"r2"} if trial.chooses(user) else {"r1"})
    made.world.log.close()
