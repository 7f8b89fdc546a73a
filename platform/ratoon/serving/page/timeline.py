"""What became of the surface's releases, newest first: each refresh with its verdict, and each return to an earlier release."""

from collections.abc import Sequence
from html import escape

from ratoon.domain.gate import Comparison
from ratoon.domain.release import Release
from ratoon.domain.report import Outcome, Run
from ratoon.domain.upkeep import Upkeep
from ratoon.pictures import upkeep
from ratoon.pictures.cells import interval
from ratoon.serving.page.figures import Figures
from ratoon.serving.page.words import moment

SHOWN = 12
"""Entries; `ratoon report --list` has the others."""

MARKS: dict[Outcome, tuple[str, str]] = {
    "published": ("good", "Published"),
    "tried": ("good", "On trial"),
    "rehearsed": ("wait", "Tried out"),
    "refused": ("bad", "Refused"),
    "held": ("wait", "On hold"),
    "skipped": ("soft", "Skipped"),
}


Entry = Run | Release
"""A refresh, or a release that is an earlier one again."""


def timeline(known: Figures) -> str:
    """The list, as markup."""
    entries = sorted(_entries(known.runs, known.releases), key=_place, reverse=True)[:SHOWN]
    if not entries:
        return '<p class="soft">No refresh has left a record here yet.</p>'
    compared = [found for one in entries if isinstance(one, Run) and (found := judged(one)) is not None]
    reach = max((abs(end) for _, one in compared for end in (one.low, one.high)), default=0.0) or 1.0
    lines = "".join(_of_run(one, reach) if isinstance(one, Run) else _of_return(one) for one in entries)
    return f'<ol class="timeline">{lines}</ol>'


def judged(run: Run) -> tuple[str, Comparison] | None:
    """The first slice of held-out rows that a candidate was judged on, and how; None if it was not."""
    slices = run.report.verdict.slices if run.report.verdict else {}
    return next(((name, one) for name, one in slices.items() if one.rows), None)


def _entries(runs: Sequence[Run], releases: Sequence[Release]) -> list[Entry]:
    return [*runs, *(one for one in releases if one.scope == "rollback")]


def _place(entry: Entry) -> tuple[int, int]:
    """By the release that was served from then on; a refresh that left it as it was comes after what had published it."""
    return (entry.report.sequence, entry.number) if isinstance(entry, Run) else (entry.sequence, 0)


def _of_run(run: Run, reach: float) -> str:
    report, found = run.report, judged(run)
    colour, word = MARKS[report.outcome]
    number = f" {report.sequence}" if report.outcome == "published" else ""
    if found is None:
        quality = '<p class="quality soft">not judged</p>'
    else:
        name, one = found
        away = f"{one.difference:+.4f}, 95&nbsp;% {one.low:+.4f} to {one.high:+.4f}"
        what = f"recall@{report.gate.k} of {one.rows:,} {escape(name)}"
        quality = (
            f'<p class="quality"><span class="soft">{what}</span> <b>{one.candidate:.4f}</b></p>'
            f'<p class="drawn">{interval(one.low, one.difference, one.high, reach)}</p><p class="away soft">{away}</p>'
        )
    reasons = report.verdict.reasons if report.verdict and not report.verdict.publish else (report.plan.reason,)
    return (
        f'<li class="{colour}"><p class="what"><b>{word}{number}</b> <span class="soft">{escape(report.plan.scope)}</span></p>'
        f'<p class="when soft">run {run.number} · {moment(run.finished)}</p>{quality}'
        f'<p class="why">{escape("; ".join(reasons))}</p>{_kept_up(report.upkeep) if report.upkeep else ""}</li>'
    )


def _kept_up(said: Upkeep) -> str:
    return f"<details><summary>what it saved, and what it costs</summary>{upkeep(said)}</details>"


def _of_return(release: Release) -> str:
    when = moment(release.published) if release.published else "time not known"
    return (
        f'<li class="wait"><p class="what"><b>Rolled back {release.sequence}</b></p><p class="when soft">{when}</p>'
        f'<p class="quality soft">not judged</p><p class="why">an earlier release is served again</p></li>'
    )
