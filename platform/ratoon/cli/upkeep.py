"""`ratoon upkeep`: an operation on a release, whose candidate goes through the gate like any other."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.refreshing import raise_refused
from ratoon.cli.screen import AsJson, SurfaceName, bars, show
from ratoon.domain.report import RefreshReport
from ratoon.domain.upkeep import Upkeep
from ratoon.pictures.cells import size
from ratoon.remaking import Remaking
from ratoon.upkeep import Operation
from ratoon.upkeep.vectors import Recode
from ratoon.wiring import House

app = typer.Typer(help="Keep what is served small, fast and good: each operation makes a candidate.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option("--release", help="What it is made of: an id, or its beginning; the current one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Make and judge the candidate, and publish nothing.")]


@app.callback()
def upkeep() -> None:
    """Keep what is served small, fast and good."""


@app.command()
def vectors(
    codec: Annotated[str, typer.Option("--codec", help="auto, flat, fp16, sq8 or sq4.")] = "auto",
    loss: Annotated[float, typer.Option("--loss", help="The share of what is found uncompressed that `auto` may miss.")] = 0.02,
    surface: SurfaceName = "default",
    release: Source = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Keep item vectors in a smaller codec: each is measured on the release's own vectors and users."""
    run(Recode(codec, loss), surface, release, dry_run, as_json)  # type: ignore[arg-type]  # which it refuses itself


def run(operation: Operation, surface: str, release: str | None, dry_run: bool, as_json: bool) -> None:
    """Make a candidate, judge it, publish it if it passes, and tell what it saved and cost."""
    report = remade(open_house(), surface, Remaking(operation, release, dry_run))
    show(asdict(report.brief()), as_json, described(report))
    if not dry_run:
        raise_refused(report)


def remade(house: House, surface: str, remaking: Remaking) -> RefreshReport:
    """Do it, and show how it goes."""
    from ratoon.refresh import refresh

    with bars() as shown:
        stage, inner = shown.add_task("opening", total=None), shown.add_task("", total=1.0, visible=False)

        def done(what: str, share: float) -> None:
            shown.update(inner, description=f"  {what}", completed=share, visible=share < 1.0)

        shop = house.workshop(surface, done)
        watch = house.stopwatch(lambda name: shown.update(stage, description=f"{surface}: {name}"))
        return refresh(shop, watch, "upkeep", remaking=remaking)


def described(report: RefreshReport) -> str:
    """A report in lines."""
    release = f"Release {report.sequence} ({report.release[:12]})." if report.release else ""
    lines = [f"{report.surface}: {report.outcome} {report.plan.reason}. {release}"]
    if report.verdict:
        lines.append(f"Gate: {'; '.join(report.verdict.reasons)}.")
    return "\n".join([*lines, *(_told(report.upkeep) if report.upkeep else ())])


def _told(said: Upkeep) -> list[str]:
    lines = [f"{said.operation}: {said.choice}", *said.notes]
    for point in said.curve:
        took = f", {point.search_us:.0f} us of CPU a search" if point.search_us else ""
        lines.append(f"{point.name}: {size(point.bytes)}, recall {point.recall:.4f}{took}{' (chosen)' if point.chosen else ''}")
    if said.before and said.after:
        before, after = asdict(said.before), asdict(said.after)
        lines += [f"{name}: {_shown(name, before[name])} to {_shown(name, after[name])}" for name in before]
    for k, slices in said.recall.items():
        lines += [
            f"recall@{k} {name}: {one.parent:.4f} to {one.candidate:.4f} "
            f"(95 % interval of the difference {one.low:+.4f} to {one.high:+.4f}, {one.rows} rows)"
            for name, one in slices.items()
            if one.rows
        ]
    return lines


def _shown(name: str, value: Any) -> str:
    return f"{value:.1f} us" if name.endswith("_us") else size(value)
