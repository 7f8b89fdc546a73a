"""The gate lets equals pass and stops what is worse, on every slice."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.drift import Drift, DriftPolicy
from ratoon.domain.gate import GatePolicy, Pace, Verdict, compare, judge
from ratoon.domain.quality import Answers, Breadth

TOP = (
    "answers to new held-out rows: the 1% of items that are most offered are 31.0% of them instead of 10.0%, 20% more is let pass"
)
POLICY = GatePolicy(k=50, tolerance=0.05, index_recall=0.95, draws=500)


Hits = npt.NDArray[np.bool_]
Slices = dict[str, tuple[Hits, Hits]]


def said(hits: Hits) -> Answers:
    """Answers of as many users, with the item in the first place or not at all."""
    users = tuple(f"u{number}" for number in range(len(hits)))
    return Answers(50, users, np.where(hits, 0, 50), np.ones(len(hits)))


def judged(slices: Slices, **rest: Any) -> Verdict:
    """The verdict over hits."""
    return judge({name: (said(parent), said(candidate)) for name, (parent, candidate) in slices.items()}, **rest)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def hits(share: float, rows: int, seed: int) -> Hits:
    return rng(seed).random(rows) < share


def test_equal_models_pass() -> None:
    """Two models of the same quality, judged on different luck, are almost never refused."""
    refused = 0
    for seed in range(200):
        pair = (hits(0.2, 400, 2 * seed), hits(0.2, 400, 2 * seed + 1))
        refused += not judged({"new": pair}, index_recall=1.0, policy=POLICY, rng=rng(seed)).publish
    assert refused <= 10


def test_the_same_model_always_passes() -> None:
    """Identical hits give an interval of nothing, and a verdict that says so."""
    same = hits(0.2, 300, 1)
    verdict = judged({"new": (same, same)}, index_recall=1.0, policy=POLICY, rng=rng())
    assert (verdict.publish, verdict.reasons) == (True, ("not worse on any slice",))
    assert (verdict.slices["new"].low, verdict.slices["new"].high, verdict.slices["new"].difference) == (0.0, 0.0, 0.0)


def test_a_worse_model_is_refused() -> None:
    """A model that lost a third of its recall is refused with the figures behind it."""
    parent = hits(0.3, 2000, 1)
    candidate = parent & hits(0.66, 2000, 2)
    verdict = judged({"new": (parent, candidate)}, index_recall=1.0, policy=POLICY, rng=rng())
    assert not verdict.publish
    (reason,) = verdict.reasons
    assert reason.startswith(
        f"recall@50 on new held-out rows fell from {parent.mean():.4f} to {candidate.mean():.4f} (95 % interval"
    )
    assert reason.endswith("2000 rows)")


def test_poison_cannot_vouch_for_itself() -> None:
    """A window on which the candidate shines does not hide that it lost the past."""
    new = (np.zeros(1000, np.bool_), np.ones(1000, np.bool_))
    past = hits(0.3, 1000, 3)
    verdict = judged({"new": new, "past": (past, past & hits(0.3, 1000, 4))}, index_recall=1.0, policy=POLICY, rng=rng())
    assert not verdict.publish
    assert [reason.split(" held-out rows")[0] for reason in verdict.reasons] == ["recall@50 on past"]


def test_losing_everything_is_refused_on_few_rows() -> None:
    """Where the parent hits and the candidate never does, no tolerance and no small sample helps."""
    parent = np.zeros(40, np.bool_)
    parent[0] = True
    policy = GatePolicy(tolerance=10.0)
    assert not judged({"new": (parent, np.zeros(40, np.bool_))}, index_recall=1.0, policy=policy, rng=rng()).publish


def test_loss_within_tolerance_passes() -> None:
    """A certain but small loss passes a tolerance above it and fails one below it."""
    parent = np.ones(1000, np.bool_)
    candidate = parent.copy()
    candidate[:30] = False
    slices = {"new": (parent, candidate)}
    assert judged(slices, index_recall=1.0, policy=GatePolicy(tolerance=0.05), rng=rng()).publish
    assert not judged(slices, index_recall=1.0, policy=GatePolicy(tolerance=0.01), rng=rng()).publish


def test_a_loss_must_be_certain_and_beyond_tolerance() -> None:
    """A loss of 8 % of which chance explains a part is refused on many rows and let pass on few; one of 3 % is on neither."""
    for rows, lost, publish in ((4000, 0.08, False), (50, 0.08, True), (4000, 0.03, True)):
        parent = np.arange(rows) % 2 == 0
        candidate = parent.copy()
        candidate[: int(rows * lost)] = False
        assert judged({"past": (parent, candidate)}, index_recall=1.0, policy=POLICY, rng=rng()).publish == publish


def test_a_certain_gain_pays_for_a_loss_that_may_be_small() -> None:
    """A certain loss of 8 %, perhaps of less than 5 %, passes beside a certain gain; without one, or of 20 %, it is refused."""
    parent = np.arange(2000) % 2 == 0
    none, all_ = np.zeros(400, np.bool_), np.ones(400, np.bool_)
    better, same = (none, all_), (all_, all_)
    for lost, beside, publish in ((180, better, True), (180, same, False), (300, better, False)):
        candidate = parent.copy()
        candidate[np.flatnonzero(parent)[:lost]] = False
        candidate[np.flatnonzero(~parent)[:100]] = True
        slices = {"past": (parent, candidate), "new": beside}
        assert judged(slices, index_recall=1.0, policy=POLICY, rng=rng()).publish == publish, (lost, beside is better)


def test_a_bad_index_is_refused() -> None:
    """An index below the asked recall is refused beside any other reason, and one at it is not."""
    same = hits(0.2, 100, 1)
    verdict = judged({"new": (same, same)}, index_recall=0.9, policy=POLICY, rng=rng())
    assert not verdict.publish
    assert verdict.reasons == ("the index returns 0.9000 of the exact top 50, 0.95 is asked",)
    assert judged({"new": (same, same)}, index_recall=0.95, policy=POLICY, rng=rng()).publish
    both = judged({"new": (same, same & False)}, index_recall=0.9, policy=POLICY, rng=rng())
    assert len(both.reasons) == 2


def test_no_rows_say_nothing() -> None:
    """Without gate rows there is nothing to refuse by."""
    empty = np.zeros(0, np.bool_)
    verdict = judged({"new": (empty, empty)}, index_recall=1.0, policy=POLICY, rng=rng())
    assert verdict.publish
    assert verdict.slices["new"].rows == 0


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.1])
def test_the_interval_covers(gain: float) -> None:
    """The true difference lies inside the 95 % interval in about 95 of 100 worlds."""
    inside = 0
    for world in range(300):
        luck = rng(world).random(300)
        result = compare(
            said(luck < 0.3), said((luck < 0.3 + gain) ^ (rng(world + 999).random(300) < 0.1)), draws=500, rng=rng(world)
        )
        # A flip with probability 0.1 turns a share p into p + 0.1 * (1 - 2 p).
        truth = gain + 0.1 * (1 - 2 * (0.3 + gain))
        inside += result.low <= truth <= result.high
    assert 0.92 <= inside / 300 < 0.99


@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=50))
def test_the_difference_lies_within_its_bounds(pairs: list[tuple[bool, bool]]) -> None:
    """Means are the shares of hits, the interval is ordered and cannot leave -1 to 1."""
    parent, candidate = (np.array(side, np.bool_) for side in zip(*pairs, strict=True))
    result = compare(said(parent), said(candidate), draws=200, rng=rng())
    assert (result.rows, result.parent, result.candidate) == (len(pairs), parent.mean(), candidate.mean())
    assert -1.0 <= result.low <= result.high <= 1.0


def test_the_verdict_is_reproducible() -> None:
    """The same hits and the same seed give the same verdict."""
    slices = {"new": (hits(0.2, 500, 1), hits(0.2, 500, 2))}
    verdicts = [judged(slices, index_recall=1.0, policy=POLICY, rng=rng(7)) for _ in range(2)]
    assert verdicts[0] == verdicts[1]


def test_a_window_unlike_anything_learnt_is_refused() -> None:
    """An input beyond what may be published is a reason of its own, naming feature and figure, however good the candidate."""
    good = (np.zeros(1000, np.bool_), np.ones(1000, np.bool_))
    policy = GatePolicy(drift=DriftPolicy(refuse=3.0, least=50))
    far, near = (Drift("age", 500, 100, psi, 0.5, None, 0.9) for psi in (4.0, 3.5))
    verdict = judged({"new": good}, index_recall=1.0, policy=policy, rng=rng(), drifts=[far, near])
    assert (verdict.publish, verdict.reasons) == (False, ("age drifted by PSI 3.50 beyond chance over 500 rows, 3 is let pass",))
    assert judged({"new": good}, index_recall=1.0, policy=policy, rng=rng(), drifts=[near]).publish


def spread(items: int, questions: int = 200) -> Answers:
    """Answers that all miss, spread evenly over so many items."""
    found = tuple((f"i{place % items}",) for place in range(questions))
    return Answers(50, tuple(f"u{place}" for place in range(questions)), np.full(questions, 50), np.ones(questions), found)


def test_answers_that_narrow_are_refused() -> None:
    """Answers spread over less than half the items are a reason; over half of them, or where none are known, not."""
    refused = judge({"new": (spread(100), spread(40))}, index_recall=1.0, policy=POLICY, rng=rng())
    assert refused.reasons == ("answers to new held-out rows are spread over 40 items instead of 100, 0.5 of that is asked",)
    assert judge({"new": (spread(100), spread(50))}, index_recall=1.0, policy=POLICY, rng=rng()).publish
    assert judged({"new": (hits(0.3, 100, 1), hits(0.3, 100, 1))}, index_recall=1.0, policy=POLICY, rng=rng()).publish


def test_the_towers_alone_may_lose_more() -> None:
    """6 % less recall is let pass where the towers answer alone, 12 % where weights differ, and only there; a quarter nowhere."""
    parent = np.ones(2_000, np.bool_)
    little, tenth, quarter = parent.copy(), parent.copy(), parent.copy()
    little[:120], tenth[:240], quarter[:500] = False, False, False
    let_pass = {"past": (), "taste": (little,), "weights": (little, tenth)}
    for name, passing in let_pass.items():
        for candidate in (little, tenth, quarter):
            verdict = judged({name: (parent, candidate)}, index_recall=1.0, policy=POLICY, rng=rng())
            assert verdict.publish == any(candidate is one for one in passing)
    (reason,) = judged({"taste": (parent, quarter)}, index_recall=1.0, policy=POLICY, rng=rng()).reasons
    assert reason.startswith("recall@50 on past held-out rows, answered by the towers alone, fell from 1.0000 to 0.7500")


def test_a_mixture_must_not_break() -> None:
    """New users over old vectors may be a little worse than the parent; beyond the limit, for certain, it is refused."""
    parent = np.ones(1_000, np.bool_)
    little, much = parent.copy(), parent.copy()
    little[:150], much[:400] = False, False
    same = {"new": (said(parent), said(parent))}
    for candidate, publish in ((little, True), (much, False)):
        skew = {"50%": (said(parent), said(candidate))}
        verdict = judge(same, index_recall=1.0, policy=POLICY, rng=rng(), skew=skew)
        assert verdict.publish == publish
        assert verdict.skew["50%"].candidate == candidate.mean()


def test_users_are_resampled_and_not_rows() -> None:
    """What many users lost is certain; the same loss of rows that belong to two users is not."""
    parent = np.ones(400, np.bool_)
    candidate = parent.copy()
    candidate[:80] = False
    alone = (said(parent), said(candidate))
    users = tuple("a" if place < 200 else "b" for place in range(400))
    two = tuple(Answers(50, users, one.ranks, one.weights) for one in alone)
    assert not judge({"past": alone}, index_recall=1.0, policy=POLICY, rng=rng()).publish
    assert judge({"past": (two[0], two[1])}, index_recall=1.0, policy=POLICY, rng=rng()).publish


def test_what_stands_beside_a_release_has_to_win() -> None:
    """Asked to win, a candidate that is only as good is refused and one that is better passes; otherwise both pass."""
    same = hits(0.3, 500, 1)
    better = same | hits(0.2, 500, 2)
    for candidate, must_win, publish in ((same, True, False), (better, True, True), (same, False, True)):
        verdict = judged({"new": (same, candidate)}, index_recall=1.0, policy=POLICY, rng=rng(), must_win=must_win)
        assert verdict.publish == publish
    empty = np.zeros(0, np.bool_)
    assert judged({"new": (empty, empty)}, index_recall=1.0, policy=POLICY, rng=rng(), must_win=True).publish
    any_will_do = GatePolicy(win=-1.0)
    assert judged({"new": (same, same)}, index_recall=1.0, policy=any_will_do, rng=rng(), must_win=True).publish


def test_what_is_made_of_several_has_to_beat_each_beyond_chance() -> None:
    """A candidate that is better by what chance could do is refused beside that rival by name; one surely better passes."""
    weak, strong = hits(0.3, 500, 1), hits(0.5, 500, 2)
    slightly = strong | hits(0.003, 500, 3)
    slightly[np.flatnonzero(strong)[0]] = False
    for rival, publish in ((weak, True), (slightly, False), (strong, False)):
        rivals = {"the other": (said(rival), said(strong))}
        verdict = judged({"new": (weak, strong)}, index_recall=1.0, policy=POLICY, rng=rng(), rivals=rivals)
        assert verdict.publish == publish
        assert publish or "recall@50 is not certainly above that of the other" in verdict.reasons[0]
    assert verdict.rivals["the other"].rows == 500
    none = np.zeros(0, np.bool_)
    unknown = {"the other": (said(none), said(none))}
    assert not judged({"new": (weak, strong)}, index_recall=1.0, policy=POLICY, rng=rng(), rivals=unknown).publish


def test_answers_that_gather_on_few_items_are_refused() -> None:
    """Reaching less than half the items, or giving the most offered 1 % a fifth more of the answers, is a reason each."""
    same = {"new": (said(hits(0.3, 100, 1)), said(hits(0.3, 100, 1)))}
    before = Breadth(0.4, 0.1)
    for after, reasons in (
        (Breadth(0.2, 0.3), ()),
        (Breadth(0.19, 0.3), ("answers to new held-out rows reach 19.0% of the items instead of 40.0%, 0.5 of that is asked",)),
        (
            Breadth(0.2, 0.31),
            (TOP,),
        ),
    ):
        verdict = judge(same, index_recall=1.0, policy=POLICY, rng=rng(), breadth=(before, after))
        assert (verdict.publish, verdict.breadth) == (not reasons, (before, after))
        assert verdict.publish or verdict.reasons == reasons


def test_a_slower_tower_is_refused() -> None:
    """More than twice the parent's CPU time for a user is a reason, twice is not."""
    same = {"new": (said(hits(0.3, 100, 1)), said(hits(0.3, 100, 1)))}
    assert judge(same, index_recall=1.0, policy=POLICY, rng=rng(), pace=Pace(20.0, 40.0)).publish
    (reason,) = judge(same, index_recall=1.0, policy=POLICY, rng=rng(), pace=Pace(20.0, 41.0)).reasons
    assert reason == "the user tower takes 41.0 us of CPU for a user instead of 20.0, 2 times that is let pass"


def test_forgetting_has_a_limit_of_its_own() -> None:
    """An eighth less recall is let pass on rows from all over the past, a quarter is not."""
    parent = np.ones(2_000, np.bool_)
    little, much = parent.copy(), parent.copy()
    little[:250], much[:500] = False, False
    assert judged({"old": (parent, little)}, index_recall=1.0, policy=POLICY, rng=rng()).publish
    (reason,) = judged({"old": (parent, much)}, index_recall=1.0, policy=POLICY, rng=rng()).reasons
    assert reason.startswith("recall@50 on held-out rows from all over the past fell from 1.0000 to 0.7500")
