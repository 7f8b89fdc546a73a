"""The line of releases."""

from dataclasses import replace
from datetime import UTC, datetime

from ratoon.domain.gate import Comparison, Verdict
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.report import Outcome, RefreshReport, Run
from ratoon.domain.upkeep import Upkeep
from ratoon.serving.metrics import Metrics
from ratoon.serving.page import figures
from ratoon.serving.page.timeline import SHOWN, timeline
from tests.fakes.serving_world import World, plan

WHEN = datetime(2026, 5, 6, 7, 8, tzinfo=UTC)


def run(number: int, outcome: Outcome, sequence: int, reason: str = "3 interactions", verdict: Verdict | None = None) -> Run:
    report = RefreshReport("default", outcome, "a" * 64, sequence, RefreshPlan("rows", reason), None, verdict, ())
    return Run(number, WHEN, "", {}, report)


def drawn(world: World, *runs: Run) -> str:
    return timeline(replace(figures(world.rooms, Metrics(), "default"), runs=runs))


def judged(publish: bool, reason: str) -> Verdict:
    return Verdict(publish, (reason,), {"new": Comparison(0, 0, 0, 0, 0), "past": Comparison(90, 0.5, 0.53, 0.01, 0.05)}, 1.0)


def test_every_refresh_has_its_verdict_and_interval(world: World) -> None:
    """A judged run shows recall, difference and interval of its first slice with rows, and why it was refused."""
    text = drawn(
        world, run(2, "refused", 1, verdict=judged(False, "recall fell")), run(1, "published", 1, verdict=judged(True, "ok"))
    )
    for part in (
        "Refused",
        "recall fell",
        "Published 1",
        "0.5300",
        "+0.0300, 95&nbsp;% +0.0100 to +0.0500",
        "recall@50 of 90 past",
    ):
        assert part in text
    assert text.index("Refused") < text.index("Published 1")


def test_an_operation_unfolds_its_report(world: World) -> None:
    """What an operation saved and costs stands with its run, to be unfolded; other runs have nothing to unfold."""
    said = Upkeep("prune", {"loss": 0.005}, "b" * 64, "half of the rows go", recall={50: {"past": Comparison(9, 1, 1, 0, 0)}})
    plain = run(1, "published", 1)
    text = drawn(world, replace(plain, number=2, report=replace(plain.report, outcome="rehearsed", upkeep=said)), plain)
    assert text.count("<details>") == 1
    for part in ("Tried out", "half of the rows go", "recall@50, past"):
        assert part in text


def test_a_rollback_stands_where_it_happened(world: World) -> None:
    """A release that is an earlier one again left no run: it stands between the runs before and after it."""
    world.registry.history.append(replace(plan(2), scope="rollback"))
    text = drawn(world, run(3, "held", 2), run(1, "published", 1))
    assert text.index("On hold") < text.index("Rolled back 2") < text.index("Published 1")


def test_reasons_are_escaped_and_the_list_is_short(world: World) -> None:
    """A reason cannot inject markup, and no more than a dozen entries are shown."""
    text = drawn(world, *(run(number, "skipped", 1, "<b onload=x>") for number in range(40)))
    assert "<b onload" not in text
    assert "&lt;b onload=x&gt;" in text
    assert text.count("<li ") == SHOWN


def test_without_a_record_it_says_so(world: World) -> None:
    """A surface that was never refreshed shows no empty list."""
    assert "No refresh has left a record" in drawn(world)
