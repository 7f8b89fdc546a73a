"""Every branch of the one decision."""

import pyarrow as pa
import pytest

from ratoon.domain.delta import FeatureDelta
from ratoon.domain.drift import Drift
from ratoon.domain.plan import PlanPolicy, RefreshPlan, Scope, decide
from ratoon.domain.quality import Measure, Record, Truth

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


def test_strong_drift_is_learnt_anew() -> None:
    """An input that moved too far gives a full plan that names it; nothing to learn, or a forced plan, comes first."""
    drift = Drift("item_events", 900, 300, 6.5, 0.5, 0.4, 0.7)
    plan = decide(SOME, has_parent=True, schema_changed=False, drift=drift)
    assert plan == RefreshPlan("full", "item_events drifted by PSI 6.00 beyond chance over 900 rows")
    assert decide(EMPTY, has_parent=True, schema_changed=False, drift=drift).scope == "skip"
    assert decide(SOME, has_parent=True, schema_changed=True, gained=True, drift=drift) == plan
    assert decide(SOME, has_parent=True, schema_changed=True, gained=True, drift=drift, forced="rows").scope == "dense"
    assert decide(SOME, has_parent=True, schema_changed=False, drift=drift, forced="rows").scope == "rows"


def truth(recall: float) -> Truth:
    return Truth(50, {"warm": Measure(900, recall, recall - 0.01, recall + 0.01, 0.1)}, 0.5, 100.0)


@pytest.mark.parametrize(
    ("taught", "end", "record", "reason"),
    [
        (1_000, 1_249, Record(), ""),
        (1_000, 1_250, Record(), "the log has grown by 25% since the shared layers last learnt"),
        (0, 5_000, Record(), ""),
        (1_000, 1_100, Record(truth(0.3), truth(0.5)), "recall@50 on new interactions fell from 0.500 to 0.300"),
        (1_000, 1_049, Record(truth(0.3), truth(0.5)), ""),
        (1_000, 1_100, Record(truth(0.45), truth(0.5)), ""),
        (1_000, 1_100, Record(truth(0.3), None), ""),
    ],
)
def test_ageing(taught: int, end: int, record: Record, reason: str) -> None:
    """Layers have aged by enough growth, or by less where recall has certainly fallen; by nothing where none of it is known."""
    assert PlanPolicy(ageing=0.25, settled=0.05, fallen=0.2).aged(taught, end, record) == reason


@pytest.mark.parametrize(("forced", "scope"), [(None, "dense"), ("rows", "rows"), ("full", "full")])
def test_aged_layers_learn_again(forced: Scope | None, scope: Scope) -> None:
    """Where the shared layers have aged the plan is dense and says why, unless something else is asked for."""
    plan = decide(SOME, has_parent=True, schema_changed=False, aged="they are old", forced=forced)
    assert plan.scope == scope
    assert (plan.reason == "they are old") == (forced is None)
    rows = decide(SOME, has_parent=True, schema_changed=False)
    assert plan.instead == (rows if forced is None else None)
    assert decide(EMPTY, has_parent=True, schema_changed=False, aged="they are old").scope == "skip"


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
