"""From answers to the table's rows: which bars there are, and when they hold."""

import numpy as np
import pytest

from ratoon.bench.refreshes.costs import Costs, Fresh
from ratoon.bench.refreshes.play import NEVER, Played
from ratoon.bench.refreshes.retraining import RETRAINS, retrained_at
from ratoon.bench.refreshes.rows import DRIFTING, LIVE, Baselines, Measured, best_retrain, freshness_rows, rows_of
from ratoon.bench.row import Row

SLICES, EACH = 6, 20
QUESTIONS = SLICES * EACH


def answered(share: float) -> list[int]:
    """Ranks of which this share is within the top 10, and the others were not found."""
    return [0 if place % EACH < share * EACH else 50 for place in range(QUESTIONS)]


def measured(name: str = "a set", **changed: list[int]) -> Measured:
    ranks = {NEVER: answered(0.2), "rows": answered(0.5), "auto": answered(0.5), **dict.fromkeys(RETRAINS, answered(0.4))}
    ranks["window"] = answered(0.45)
    ranks |= changed
    slices = [1 + place // EACH for place in range(QUESTIONS)]
    for policy in RETRAINS:
        ranks[policy] = [rank if number % 2 == 0 else -1 for rank, number in zip(ranks[policy], slices, strict=True)]
    played = Played(
        offsets=list(range(QUESTIONS)),
        users=[f"u{place}" for place in range(QUESTIONS)],
        slices=slices,
        new=[place % EACH < 4 for place in range(QUESTIONS)],
        ranks={policy: [{place: rank for place, rank in enumerate(found) if rank >= 0}] for policy, found in ranks.items()},
        scopes=["rows"] * 5 + ["dense"],
        refused=["slice 4, rows: it forgot"],
        overlap=[1.0],
        compared=600,
        written=[0.1] * 6,
    )
    played.cpu["auto"] = [1.0]
    methods = {"EASE": np.array(answered(0.3)), LIVE: np.array(answered(0.35)), "iALS": np.full(QUESTIONS, -1)}
    baselines = Baselines(methods, {"iALS": "implicit is not installed"}, dict.fromkeys(methods, 1.0))
    return Measured(name, played, SLICES, baselines, Costs((10, 20), (0.1, 0.2), 0.2, 20.0))


def row(one: Measured, quantity: str) -> Row:
    return next(row for row in rows_of(one) if row.quantity == f"{one.name}: {quantity}")


def test_the_best_retrain_is_what_is_compared_with() -> None:
    """The retrain with the highest recall sets the bar, on the slices it was made for alone."""
    assert best_retrain(measured().played) == "window"
    mean = row(measured(), "recall@50, rows - best retrain, mean")
    assert (mean.value, mean.bar, mean.holds) == (round(1 / 9, 4), ">= 0", True)
    assert "window retrain: 0.4500 against 0.5000, difference +0.0500 [" in mean.against
    assert "60 questions" in mean.against


def test_a_loss_that_may_be_more_than_a_hundredth_does_not_hold() -> None:
    """The lower bound has to be within 1 % of the retrain's; a mean just below it is told as lost."""
    one = measured(rows=answered(0.4))
    assert not row(one, "recall@50, rows - best retrain, lower 95 % bound").holds
    assert not row(one, "recall@50, rows - best retrain, mean").holds


def test_ageing_is_seen_in_the_last_third_alone() -> None:
    """A chain that is ahead on average and behind at the end fails the last third, whose rows say what the plan chose."""
    tired = [rank if place < QUESTIONS * 2 / 3 else 50 for place, rank in enumerate(answered(0.9))]
    one = measured(auto=tired, rows=tired)
    assert row(one, "recall@50, rows - best retrain, mean").holds
    last = row(one, "recall@50, auto - best retrain, last third, lower 95 % bound")
    assert not last.holds
    assert last.value == -1.0
    assert "the plan chose 5 x rows, 1 x dense, 1.0 CPU s each" in last.against


def test_bars_for_the_set_that_drifts_are_for_it_alone() -> None:
    """Half as much again over never refreshing, a tenth over live popularity, .30 on new items: on movietweetings only."""
    named = {row.quantity.partition(": ")[2]: row for row in rows_of(measured(DRIFTING))}
    assert named["recall@50, auto over never refreshing"].bar == ">= 0.5"
    assert named[f"recall@10, auto / {LIVE}"].bar == named[f"recall@50, auto / {LIVE}"].bar == ">= 1.1"
    assert named["recall@50, auto, items never trained on"].bar == ">= 0.3"
    assert named["recall@50, auto, items never trained on"].value == 1.0
    other = {row.quantity.partition(": ")[2]: row for row in rows_of(measured())}
    assert other["recall@50, auto over never refreshing"].bar == ""
    assert other["recall@50, auto over never refreshing"].value == pytest.approx(1.5)
    assert f"recall@10, auto / {LIVE}" not in other


def test_the_best_baseline_is_the_bar_and_a_missing_one_is_said() -> None:
    """The strongest method that ran is compared with; one that did not run keeps its row, with the reason."""
    best = row(measured(), "recall@50, auto / best baseline")
    assert (best.value, best.bar) == (round(0.5 / 0.35, 4), ">= 1")
    assert best.against.startswith(LIVE)
    missing = row(measured(), "recall@50, auto / iALS")
    assert (missing.value, missing.unit, missing.holds, missing.against) == (None, "not run", False, "implicit is not installed")


def test_costs_and_stillness_have_their_bars() -> None:
    """The delta's cost is a share of the retrain's, moved vectors are counted, overlap is the worst seed's."""
    one = measured()
    cost = row(one, "CPU seconds, delta of 1 % / that retrain")
    assert (cost.value, cost.bar, cost.holds) == (0.01, "<= 0.015", True)
    assert row(one, "unwritable item vectors that changed").holds
    refused = row(one, "refreshes that the gate refused")
    assert (refused.value, refused.bar) == (1, "")
    assert "slice 4, rows: it forgot" in refused.against
    one.played.moved, one.played.overlap[:] = 1, [1.0, 0.99]
    assert not row(one, "unwritable item vectors that changed").holds
    assert row(one, "top-50 overlap, moved items written / all embedded anew").value == 0.99


def test_retrains_without_a_question_are_not_run() -> None:
    """Where no retrain was asked in the last third, its row says so instead of a figure."""
    one = measured()
    for policy in RETRAINS:
        for place in range(QUESTIONS - 2 * EACH, QUESTIONS):
            one.played.ranks[policy][0].pop(place, None)
    assert "recall@50, auto - best retrain, last third, lower 95 % bound" not in {
        found.quantity.partition(": ")[2] for found in rows_of(one)
    }
    assert row(one, "recall@50, auto - best retrain, last third").against == "no retrain among these slices"


def test_retrains_come_every_fifth_slice_and_never_too_few() -> None:
    """Every fifth of 30; with few refreshes oftener, and never before anything was refreshed."""
    assert retrained_at(30) == [5, 10, 15, 20, 25, 30]
    assert retrained_at(7) == [2, 4, 6]
    assert retrained_at(3) == [2, 3]


def test_freshness_has_a_bar_and_the_gpu_a_reason() -> None:
    """The catalogue's size is in the row's name, and the GPU's row is there without a figure."""
    first, gpu = freshness_rows(Fresh(1_000, 100_000, 0.8, 0.9))
    assert (first.quantity, first.bar, first.holds) == (
        "1,000 events to a servable release, catalogue 100,000",
        "<= 1",
        True,
    )
    assert gpu.value is None
