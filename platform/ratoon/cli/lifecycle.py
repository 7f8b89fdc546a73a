"""`ratoon lifecycle`: how a surface ages between full retrains, and what not retraining saves."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ratoon import durable
from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, show, table
from ratoon.domain.lifecycle import Life, life
from ratoon.pictures.cells import size
from ratoon.wiring import House


def lifecycle(
    surface: SurfaceName = "default",
    out: Annotated[Path | None, typer.Option(help="Where to draw it, as one HTML file; by default under reports/.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what each release was worth since the last full retrain, when the next is due, and what was saved meanwhile.

    The page also has what each operation of `ratoon upkeep` last came to.
    """
    from ratoon.pictures import life_page

    house = open_house()
    registry = house.registry(surface)
    runs = registry.runs.all()
    found = life(surface, runs, registry.releases(), house.settings.plan.fallen)
    page = (out or house.home / "reports" / f"{surface}-life.html").absolute()
    durable.write(page, life_page(found, runs).encode())
    said = replace(found, since=replace(found.since, window=replace(found.since.window, cursors={}))) if found.since else found
    scheduled = _scheduled(house, surface)
    show({**asdict(said), "scheduled": scheduled, "page": str(page)}, as_json, *_lines(found, scheduled), str(page))


def _scheduled(house: House, surface: str) -> dict[str, datetime | None]:
    """The jobs that retrain the surface, and when each next does; None where data decide."""
    from ratoon.jobs.slots import following

    jobs = house.settings.jobs.items()
    return {name: following(job, datetime.now(UTC)) for name, job in jobs if (job.do, job.surface) == ("full", surface)}


def _lines(found: Life, scheduled: dict[str, datetime | None]) -> list[object]:
    from ratoon.pictures.lifecycle import began, due, saving

    lines: list[object] = [f"{found.surface}: life since {began(found)}"]
    if found.points:
        rows = [
            {
                "release": point.sequence,
                "until": point.at,
                "questions": point.rows,
                f"recall@{found.k}": f"{point.recall:.4f}",
                "95 %": f"{point.low:.4f} to {point.high:.4f}",
                "all": f"{point.overall:.4f}",
            }
            for point in found.points
        ]
        lines.append(table(rows))
    lines.append(due(found))
    lines += [
        f"job {name} retrains it {f'at {at:%Y-%m-%d %H:%M} UTC' if at else 'when data ask'}" for name, at in scheduled.items()
    ]
    if found.spent:
        rows = [
            {
                "scope": one.scope,
                "runs": one.runs,
                "published": one.published,
                "rows": one.rows,
                "CPU s": f"{one.cpu_seconds:,.1f}",
                "written": size(one.bytes),
            }
            for one in found.spent
        ]
        lines.append(table(rows))
    return [*lines, saving(found)] if found.since else lines
