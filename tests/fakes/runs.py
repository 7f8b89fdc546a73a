"""Reports and runs with figures that are easy to find again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ratoon.domain.drift import Drift
from ratoon.domain.gate import Comparison, Verdict
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.quality import Measure, Truth
from ratoon.domain.report import RefreshReport, Run, Stage
from ratoon.domain.window import Window

T0 = datetime(2020, 1, 1, tzinfo=UTC)

VERDICT = Verdict(
    True,
    ("not worse on any slice",),
    {
        "new": Comparison(1_204, 0.3121, 0.3302, 0.0043, 0.0319),
        "past": Comparison(2_000, 0.2876, 0.2869, -0.0058, 0.0046),
    },
    0.9987,
)

TRUTH = Truth(
    50,
    {"all": Measure(480, 0.3017, 0.2811, 0.3229, 0.1123), "new users": Measure(61, 0.2131, 0.1, 0.33, 0.08)},
    coverage=0.41,
    effective=213.4,
)

STAGES = (
    Stage("ingest", 0.31, 0.29, 12_345),
    Stage("join", 0.52, 0.5, 500),
    Stage("train", 1.48, 1.4, 1_000),
    Stage("embed", 0.11, 0.1, 141),
    Stage("judge", 0.44, 0.43, 3_204),
    Stage("absorb", 0.37, 0.36, 96),
    Stage("publish", 0.05, 0.01, 0),
)

FULL = RefreshPlan("full", "asked for")

DRIFTS = (
    Drift("age", 500, 120, 0.081, 0.04, 0.05, 0.11),
    Drift("user_events", 500, 120, 0.9, 0.05, 0.21, 0.3),
    Drift("genres", 500, 130, 0.31, 0.02, None, 0.16),
)


def report(sequence: int = 7, **changed: object) -> RefreshReport:
    """The report of a refresh that published release `sequence` over a window of 500 events, or one changed from that."""
    end = 500 * sequence
    published = RefreshReport(
        surface="default",
        outcome="published",
        release=f"{sequence:064x}",
        sequence=sequence,
        plan=RefreshPlan("rows", f"480 interactions, 3 writable items in window {sequence}", ("i1", "i2", "i3")),
        window=Window(end - 500, end, T0 + timedelta(days=sequence), {"profile": {"a.parquet": "0" * 64}}),
        verdict=VERDICT,
        stages=STAGES,
        drift=DRIFTS,
        truth=TRUTH,
        losses={"train": (3.5123, 3.1234), "fit": (3.61, 3.2987)},
    )
    return replace(published, **changed)  # type: ignore[arg-type]


def run(number: int = 7, **changed: object) -> Run:
    """A run as it is kept, its release with two files and the number of the run."""
    told = report(**{"sequence": number, **changed}).brief()  # type: ignore[arg-type]
    files = {"index.faiss": 1_234_567, "model.json": 999} if told.outcome == "published" else {}
    return Run(number, T0 + timedelta(days=100, hours=number), f"{number - 1:064x}", files, told)


def truth(recall: float, rows: int = 400) -> Truth:
    return Truth(50, {name: Measure(rows, recall, recall - 0.02, recall + 0.02, 0.1) for name in ("all", "warm")}, 0.4, 200.0)


def aged(*recalls: float, rows: int = 400) -> list[Run]:
    """Release 1 from nothing, and a `rows` refresh a day, each of which found the release before it worth so much."""
    first = run(1, plan=FULL, truth=None, stages=(Stage("join", 9.0, 2.0, 500), Stage("train", 50.0, 38.0, 500)))
    return [first, *(run(number, truth=truth(recall, rows)) for number, recall in enumerate(recalls, 2))]
