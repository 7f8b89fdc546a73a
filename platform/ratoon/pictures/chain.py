"""The releases that led to a run: what each recalled when it was judged, so that ageing shows."""

from collections.abc import Sequence
from html import escape

from ratoon.domain.report import Run
from ratoon.pictures.lines import chart

TOLD_APART = 4
"""Most slices drawn: there are as many colours that the eye tells apart."""


def chain(run: Run, runs: Sequence[Run]) -> str:
    """A line per slice over the publications before `run`, and `run` itself at the end if it was judged.

    Only runs that are kept are known; a rollback leaves no run, so that its number is missing.
    """
    line = sorted((one for one in runs if one.number < run.number and one.report.outcome == "published"), key=_number)
    line += [run] if run.report.verdict else []
    names = list(dict.fromkeys(name for one in reversed(line) if one.report.verdict for name in one.report.verdict.slices))
    if not names:
        return '<p class="soft">No release before it is known.</p>'
    lines = {name: [_recall(one, name) for one in line] for name in names[:TOLD_APART]}
    marks = {at: one.report.plan.scope for at, one in enumerate(line) if one.report.plan.scope in ("dense", "full")}
    labels = [_label(one) for one in line]
    drawn = chart("Recall of each release when it was judged", labels, lines, width=1090, height=180, marks=marks)
    left = f" Not drawn: {escape(', '.join(names[TOLD_APART:]))}." if len(names) > TOLD_APART else ""
    told = "Each release on the held-out rows of its own window (new) and of the time before it (past), by number."
    return f'{drawn}<p class="soft small">{told}{left}</p>'


def _number(run: Run) -> int:
    return run.number


def _label(run: Run) -> str:
    return str(run.report.sequence) if run.report.outcome == "published" else "refused"


def _recall(run: Run, name: str) -> float | None:
    """The candidate's recall on a slice; None where it has no rows."""
    found = run.report.verdict.slices.get(name) if run.report.verdict else None
    return found.candidate if found and found.rows else None
