"""Every branch of the one decision."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.costs import Costs
from ratoon.domain.delta import FeatureDelta
from ratoon.domain.drift import Drift, DriftPolicy
from ratoon.domain.plan import PlanPolicy, RefreshPlan, Scope, decide, weighed
from ratoon.domain.quality import Measure, Record, Truth
from ratoon.domain.signals import Signals

EMPTY = FeatureDelta(pa.table({"user_id": pa.array([], pa.string())}), (), (), ())
SOME = FeatureDelta(pa.table({"user_id": ["u1", "u2"]}), ("b", "c"), ("c",), ("x", "z"))


@pytest.mark.parametrize(
    ("delta", "has_parent", "schema_changed", "forced", "scope", "reason"),
    [
        (SOME, False, False, None, "full", "no release yet: learn from all history"),
        (EMPTY, False, True, "skip", "full", "no release yet: learn from all history"),
        (SOME, False, False, "rows", "full", "no release yet: learn from all history"),
        (SOME, True, True, None, "full", "the feature services changed since the current release"),
        (EMPTY, True, True, "rows", "full", "the feature services changed since the current release"),
        (EMPTY, True, False, "full", "full", "asked for"),
        (EMPTY, True, False, "dense", "dense", "asked for"),
        (EMPTY, True, True, "dense", "full", "the feature services changed since the current release"),
        (EMPTY, False, False, "dense", "full", "no release yet: learn from all history"),
        (SOME, True, False, "skip", "skip", "asked for"),
        (EMPTY, True, False, "skip", "skip", "asked for"),
        (EMPTY, True, False, None, "skip", "nothing changed since the current release"),
        (EMPTY, True, False, "rows", "rows", "0 interactions, 0 writable items, 0 removed"),
        (SOME, True, False, None, "rows", "2 interactions, 2 writable items, 2 removed"),
        (SOME, True, False, "rows", "rows", "2 interactions, 2 writable items, 2 removed"),
    ],
)
def test_decide(
    delta: FeatureDelta, has_parent: bool, schema_changed: bool, forced: Scope | None, scope: Scope, reason: str
) -> None:
    """Each situation has its one plan and its reason."""
    plan = decide(delta, has_parent=has_parent, schema_changed=schema_changed, forced=forced)
    assert (plan.scope, plan.reason) == (scope, reason)


def test_writable_items() -> None:
    """Changed items and those of the last refresh may be written, sorted, except removed ones; only under `rows`."""
    plan = decide(SOME, has_parent=True, schema_changed=False, recent_items=("z", "a", "b"))
    assert plan == RefreshPlan("rows", "2 interactions, 3 writable items, 2 removed", ("a", "b", "c"))
    assert decide(SOME, has_parent=False, schema_changed=False, recent_items=("a",)).writable == ()


@pytest.mark.parametrize(
    ("forced", "scope", "reason"),
    [
        (None, "dense", "the feature services gained inputs since the current release"),
        ("rows", "dense", "the feature services gained inputs since the current release"),
        ("full", "full", "asked for"),
    ],
)
def test_added_inputs_are_learnt_on_top(forced: Scope | None, scope: Scope, reason: str) -> None:
    """When the schema only gained inputs, the parent's weights are kept and everything moves, unless `full` is asked for."""
    plan = decide(EMPTY, has_parent=True, schema_changed=True, gained=True, forced=forced)
    assert (plan.scope, plan.reason, plan.writable) == (scope, reason, ())


@pytest.mark.parametrize("schema_changed", [False, True])
@pytest.mark.parametrize("gained", [False, True])
@pytest.mark.parametrize("delta", [EMPTY, SOME])
def test_a_skip_that_is_asked_for_is_kept(delta: FeatureDelta, schema_changed: bool, gained: bool) -> None:
    """Whatever changed, with a release to keep nothing is published when skipping is asked for."""
    plan = decide(delta, has_parent=True, schema_changed=schema_changed, gained=gained, forced="skip")
    assert plan == RefreshPlan("skip", "asked for")


def test_other_columns_beside_the_items_write_all_of_them() -> None:
    """When other columns are shown than the index has, all live items are written again, even if nothing else happened."""
    plan = decide(EMPTY, has_parent=True, schema_changed=False, reshown=("b", "a"))
    assert plan == RefreshPlan("rows", "0 interactions, 2 writable items, 0 removed", ("a", "b"))
    assert decide(EMPTY, has_parent=True, schema_changed=False, reshown=("a",), forced="skip").scope == "skip"


@pytest.mark.parametrize(
    "delta",
    [
        FeatureDelta(EMPTY.interactions, ("a",), (), ()),
        FeatureDelta(EMPTY.interactions, (), (), ("a",)),
        FeatureDelta(SOME.interactions, (), (), ()),
    ],
)
def test_any_change_is_worth_a_refresh(delta: FeatureDelta) -> None:
    """Changed items alone, removed items alone and interactions alone are not skipped."""
    assert decide(delta, has_parent=True, schema_changed=False).scope == "rows"


DRIFT = Drift("item_events", 900, 300, 6.5, 0.5, 0.4, 0.7)
DRIFTED = "item_events drifted by PSI 6.00 beyond chance over 900 rows"


def test_strong_drift_is_learnt_anew() -> None:
    """An input that moved too far gives a full plan that names it; nothing to learn, or a forced plan, comes first."""
    seen = Signals(drifts=(DRIFT,))
    plan = decide(SOME, has_parent=True, schema_changed=False, seen=seen)
    assert (plan.scope, plan.reason) == ("full", DRIFTED)
    assert decide(EMPTY, has_parent=True, schema_changed=False, seen=seen).scope == "skip"
    assert decide(SOME, has_parent=True, schema_changed=True, gained=True, seen=seen).reason == DRIFTED
    assert decide(SOME, has_parent=True, schema_changed=True, gained=True, seen=seen, forced="rows").scope == "dense"
    assert decide(SOME, has_parent=True, schema_changed=False, seen=seen, forced="rows").scope == "rows"


def truth(recall: float, ndcg: float = 0.1) -> Truth:
    return Truth(50, {"warm": Measure(900, recall, recall - 0.01, recall + 0.01, ndcg, 0.005)}, 0.5, 100.0)


GROWN = "the log has grown by 25% since the shared layers last learnt"
FELL = "recall@50 on new interactions fell from 0.500 to 0.300"
COSTS = Costs({"rows": [(10, 4.0), (20, 6.0)], "dense": [(20, 30.0)], "index": [(20, 1.0)]}, spent=90.0)
LATER = "90 of 92 CPU seconds of a day are spent"


def seen(waiting: int = 100, waited: float = 60.0, grown: int = 100, **other: object) -> Signals:
    """A log of 1,000 events when the shared layers learnt, which has grown since."""
    return Signals(waiting, waited, 1_000 + grown, 1_000, items=100, **other)  # type: ignore[arg-type]  # by name, as it stands


CASES: list[tuple[str, PlanPolicy, Signals, Scope, str]] = [
    ("enough wait", PlanPolicy(), seen(1), "rows", "2 interactions"),
    ("too few wait", PlanPolicy(least=200, patience=7200.0), seen(199), "skip", "fewer than 200 events wait, none for 2.0 h"),
    ("as many as are asked", PlanPolicy(least=200), seen(200), "rows", "2 interactions"),
    ("one has waited for long", PlanPolicy(least=200, patience=3600.0), seen(1, 3600.0), "rows", "2 interactions"),
    ("as much again as was learnt", PlanPolicy(), seen(1_000, grown=1_000), "full", "1,000 events wait, 1.0 times what was"),
    ("less than that", PlanPolicy(ageing=5.0), seen(999, grown=1_000), "rows", "2 interactions"),
    ("an input drifted", PlanPolicy(), seen(drifts=(DRIFT,)), "full", DRIFTED),
    ("hardly drifted", PlanPolicy(drift=DriftPolicy(full=6.0)), seen(drifts=(DRIFT,)), "rows", "2 interactions"),
    ("of too few users", PlanPolicy(drift=DriftPolicy(least=301)), seen(drifts=(DRIFT,)), "rows", "2 interactions"),
    ("drift comes before age", PlanPolicy(), seen(grown=250, drifts=(DRIFT,)), "full", DRIFTED),
    ("what drifted was just learnt", PlanPolicy(), seen(grown=49, drifts=(DRIFT,)), "rows", "2 interactions"),
    ("the log has grown", PlanPolicy(), seen(grown=250), "dense", GROWN),
    ("it has grown by less", PlanPolicy(), seen(grown=249), "rows", "2 interactions"),
    ("recall fell", PlanPolicy(), seen(record=Record(truth(0.3), truth(0.5))), "dense", FELL),
    ("it fell right after learning", PlanPolicy(), seen(grown=49, record=Record(truth(0.3), truth(0.5))), "rows", "2 interac"),
    ("it fell by hardly anything", PlanPolicy(), seen(record=Record(truth(0.45), truth(0.5))), "rows", "2 interactions"),
    ("nothing is known of then", PlanPolicy(), seen(record=Record(truth(0.3), None)), "rows", "2 interactions"),
    (
        "the ranking lost",
        PlanPolicy(),
        seen(record=Record(truth(0.5, 0.10), truth(0.5, 0.20))),
        "dense",
        "the ranking's loss on new interactions rose from 0.800 to 0.900",
    ),
    ("it lost little", PlanPolicy(), seen(record=Record(truth(0.5, 0.18), truth(0.5, 0.20))), "rows", "2 interactions"),
    ("items came and went", PlanPolicy(), seen(record=Record(churned=25)), "dense", "25% of the items came or went since"),
    ("fewer did", PlanPolicy(), seen(record=Record(churned=24)), "rows", "2 interactions"),
    ("the index is worn, and rows mend it", PlanPolicy(), seen(index_recall=0.8), "rows", "2 interactions"),
    ("and time mends nothing", PlanPolicy(least=200), seen(1, index_recall=0.8), "skip", "fewer than 200 events wait"),
    ("rows are within the budget", PlanPolicy(budget=112.0), seen(costs=COSTS), "rows", "2 interactions"),
    ("rows are not", PlanPolicy(budget=111.9), seen(costs=COSTS), "skip", "rows has to wait (2 interactions"),
    ("what has never run may", PlanPolicy(budget=91.0), seen(drifts=(DRIFT,), costs=COSTS), "full", DRIFTED),
    ("dense gives way to rows", PlanPolicy(budget=113.0), seen(grown=250, costs=COSTS), "rows", f"dense has to wait ({GROWN})"),
    ("to the index", PlanPolicy(budget=92.0), seen(index_recall=0.8, costs=COSTS), "index", f"has to wait: {LATER}"),
    ("always dense", PlanPolicy("dense", least=200), seen(1), "dense", "the policy's scope is dense"),
    ("always rows", PlanPolicy("rows", least=200), seen(1, grown=250), "rows", "2 interactions"),
    ("always full", PlanPolicy("full"), seen(), "full", "the policy's scope is full"),
]


@pytest.mark.parametrize(("policy", "found", "scope", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_found_decides(policy: PlanPolicy, found: Signals, scope: Scope, reason: str) -> None:
    """Each limit of the policy, from both sides; what outweighs what; what the budget leaves of it."""
    plan = decide(SOME, has_parent=True, schema_changed=False, seen=found, policy=policy)
    assert (plan.scope, reason in plan.reason) == (scope, True), plan.reason


@pytest.mark.parametrize(("policy", "found"), [case[1:3] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_asked_for_is_done(policy: PlanPolicy, found: Signals) -> None:
    """Whatever is found, a scope that is asked for is the scope, and where nothing is new nothing is done."""
    for forced in ("skip", "index", "rows", "dense", "full"):
        assert decide(SOME, has_parent=True, schema_changed=False, seen=found, policy=policy, forced=forced).scope == forced
    still = decide(EMPTY, has_parent=True, schema_changed=False, seen=found, policy=policy)
    assert still == RefreshPlan("skip", "nothing changed since the current release")


def test_what_waits_for_time_says_so() -> None:
    """A skip that time alone ends is told from one that something new must end; the first is said in words that do not change."""
    policy = PlanPolicy(least=200, patience=7200.0)
    plans = [decide(SOME, has_parent=True, schema_changed=False, seen=seen(count), policy=policy) for count in (1, 199)]
    assert plans[0] == plans[1]
    assert plans[0].waits
    assert decide(SOME, has_parent=True, schema_changed=False, seen=seen(costs=COSTS), policy=PlanPolicy(budget=1.0)).waits
    assert policy.waits(Signals()) == ""
    assert PlanPolicy("dense", least=200).waits(seen(1)) == ""


@pytest.mark.parametrize("scope", ["dense", "full"])
def test_what_is_refused_gives_way_to_rows(scope: Scope) -> None:
    """What the plan chose beyond rows has rows to fall back on, unless they would be refused, too; what was asked for has not."""
    found = seen(grown=250) if scope == "dense" else seen(drifts=(DRIFT,))
    rows = decide(SOME, has_parent=True, schema_changed=False)
    assert decide(SOME, has_parent=True, schema_changed=False, seen=found).instead == rows
    assert decide(SOME, has_parent=True, schema_changed=False, seen=found, forced=scope).instead is None
    strict = PlanPolicy(drift=DriftPolicy(warn=0.1, full=1.0, refuse=5.0))
    far = decide(SOME, has_parent=True, schema_changed=False, seen=seen(grown=250, drifts=(DRIFT,)), policy=strict)
    assert (far.scope, far.instead) == ("full", None)


@given(
    waiting=st.integers(0, 300),
    waited=st.floats(0, 10_000),
    grown=st.integers(0, 2_000),
    churned=st.integers(0, 60),
    index=st.none() | st.floats(0, 1),
    least=st.integers(1, 300),
    budget=st.floats(1, 200),
)
def test_the_explanation_is_the_decision(
    waiting: int, waited: float, grown: int, churned: int, index: float | None, least: int, budget: float
) -> None:
    """The strongest of what anything asks for is done where it is affordable, and less only where it says that it is not."""
    policy = PlanPolicy(least=least, budget=budget)
    found = seen(waiting, waited, grown, record=Record(churned=churned), index_recall=index, costs=COSTS)
    plan = decide(SOME, has_parent=True, schema_changed=False, seen=found, policy=policy)
    asked = {one.scope for one in weighed(found, policy) if one.reason}
    wanted = next((scope for scope in ("full", "dense", "rows") if scope in asked), "rows" if not waiting else "skip")
    if policy.waits(found):
        assert (plan.scope, plan.waits, "rows" in asked) == ("skip", True, False)
    elif plan.scope != wanted:
        assert f"{wanted} has to wait" in plan.reason
        assert COSTS.spent + (COSTS.estimate(wanted, waiting) or 0.0) > budget
    else:
        assert COSTS.spent + (COSTS.estimate(plan.scope, waiting) or 0.0) <= budget


def test_a_retrain_that_was_asked_for_has_to_win() -> None:
    """Full beside a release that could go on must win; where it could not, or under another scope, nothing has to."""
    asked = decide(SOME, has_parent=True, schema_changed=False, forced="full")
    assert asked.must_win
    others = [
        decide(SOME, has_parent=False, schema_changed=False, forced="full"),
        decide(SOME, has_parent=True, schema_changed=True, forced="full"),
        decide(SOME, has_parent=True, schema_changed=False, forced="dense"),
        decide(SOME, has_parent=True, schema_changed=False),
    ]
    assert not any(plan.must_win for plan in others)
