"""`ratoon report`: one refresh as a page to look at, print or send."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ratoon import durable
from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, show, table
from ratoon.domain.errors import UsageError
from ratoon.domain.report import Run


def draw(
    run: Annotated[str, typer.Argument(help="The number of a run; the newest one without it.")] = "",
    surface: SurfaceName = "default",
    out: Annotated[Path | None, typer.Option(help="Where to write the page; by default under reports/ in the home.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the runs that are kept instead, newest first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw what a refresh did as one HTML file: plan, losses, gate, drift, cost, and the line of releases before it."""
    house = open_house()
    runs = house.registry(surface).runs
    if listed:
        if run or out:
            raise UsageError("--list", expected="no run and no --out", found="one of them", fix="Ask for one thing at a time.")
        rows = [_summary(one) for one in runs.all()]
        show(rows, as_json, table(rows) if rows else f"{surface}: no runs yet; `ratoon refresh` leaves one")
        return
    from ratoon.pictures import run_page

    chosen = runs.get(run)
    page = (out or house.home / "reports" / f"{surface}-{chosen.number:06d}.html").absolute()
    durable.write(page, run_page(chosen, runs.all(), house.settings.plan.fallen).encode())
    show({"page": str(page), **asdict(chosen)}, as_json, str(page))


def _summary(run: Run) -> dict[str, object]:
    report = run.report
    return {
        "run": run.number,
        "finished": run.finished,
        "outcome": report.outcome,
        "scope": report.plan.scope,
        "sequence": report.sequence,
        "release": report.release,
        "seconds": round(sum(stage.seconds for stage in report.stages), 2),
        "reason": report.plan.reason,
    }
