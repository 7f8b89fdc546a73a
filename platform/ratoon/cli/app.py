"""The command `ratoon`. Exit codes: 0 ok, 2 usage, 3 the gate refused, 4 the data are blocked, 5 infrastructure."""

import atexit
import os
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer
from rich.markup import escape
from typer.main import get_command

from ratoon.cli import asking, datasets, exposures, indexing, jobs, keeping, keys, online, quarantine, runs, trials, upkeep
from ratoon.cli.advise import advise
from ratoon.cli.backtest import backtest
from ratoon.cli.datasets import import_folder, open_house
from ratoon.cli.deltas import delta
from ratoon.cli.drift import drift
from ratoon.cli.embeddings import publish_embeddings
from ratoon.cli.evolution import plan
from ratoon.cli.lifecycle import lifecycle
from ratoon.cli.ope import ope
from ratoon.cli.parity import parity
from ratoon.cli.refreshing import described, raise_refused, refresh, refreshed
from ratoon.cli.releases import releases, resume, rollback
from ratoon.cli.report import draw
from ratoon.cli.screen import AsJson, bars, busy, err, show, table
from ratoon.cli.serving import serve
from ratoon.cli.worker import worker
from ratoon.domain.errors import RatoonError

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # Rich would leave out what is in square brackets, such as [retention]
    help="Fresh recommendation retrieval at a cost that follows what changed.",
    no_args_is_help=True,
)
app.add_typer(datasets.app, name="data")
app.add_typer(exposures.app, name="exposures")
app.add_typer(indexing.app, name="index")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(online.app, name="online")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(runs.app, name="runs")
app.add_typer(trials.app, name="trial")
app.add_typer(upkeep.app, name="upkeep")
app.command()(advise)
app.command()(backtest)
app.command()(delta)
app.command()(drift)
app.command()(lifecycle)
app.command()(ope)
app.command()(parity)
app.command()(plan)
app.command("publish-embeddings")(publish_embeddings)
app.command()(refresh)
app.command()(releases)
app.command("report")(draw)
app.command()(resume)
app.command()(asking.retrieve)
app.command()(rollback)
app.command()(serve)
app.command()(worker)
for command in keeping.COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line and exit with its code."""
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # DuckDB's bindings print a page of leak warnings while a normal exit tears them down; everything of ours is on disk.
    atexit._run_exitfuncs()
    os._exit(code)


@cache
def entry() -> Callable[[], object]:
    """All commands, as they are called."""
    return get_command(app)


def _run() -> int:
    try:
        entry()()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except RatoonError as error:
        err.print(f"[red]{type(error).__name__}[/red] {escape(str(error))}", emoji=False, highlight=False, soft_wrap=True)
        return error.exit_code
    except (OSError, MemoryError, sqlite3.Error, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        err.print(f"[red]{type(error).__name__}[/red] {escape(said)}", emoji=False, highlight=False, soft_wrap=True)
        return 5
    return 0


@app.command()
def bootstrap(
    folder: Annotated[Path | None, typer.Option("--data", help="A folder to import first; see `ratoon data import`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Import history, apply the feature repository, fill the stores and publish the first release of every surface."""
    house = open_house()
    with house.leading() as leads:
        if not leads:
            return
        if folder:
            import_folder(house, folder)
        reports = []
        for surface in house.settings.surfaces:
            house.features(surface).ingest()
            house.features(surface).materialize()
            reports.append(refreshed(house, surface, None))
    told = (described(report, house.settings.drift.policy) for report in reports)
    show([asdict(report) for report in reports], as_json, *told)
    for report in reports:
        raise_refused(report)


@app.command()
def ingest(as_json: AsJson = False) -> None:
    """Event log -> offline feature rows."""
    house = open_house()
    surface = next(iter(house.settings.surfaces))
    with bars() as shown:
        task = shown.add_task("event log -> offline features", total=None)

        def told(done: int, events: int) -> None:
            shown.update(task, description=f"event log: {done:,} of {events:,} events", completed=done, total=events)

        new = house.features(surface).ingest(told)
    show({"events": new}, as_json, f"{new} events ingested")


@app.command()
def materialize(as_json: AsJson = False) -> None:
    """Offline feature rows -> online store."""
    house = open_house()
    surface = next(iter(house.settings.surfaces))
    with bars() as shown:
        task = shown.add_task("offline -> online features", total=None)

        def told(view: str, done: int, rows: int) -> None:
            shown.update(task, description=f"{view}: {done:,} of {rows:,} rows", completed=done, total=rows)

        spans = house.features(surface).materialize(told)
    lines = [f"{span.view}: {span.rows} rows, {span.start:%Y-%m-%d %H:%M:%S} to {span.end:%Y-%m-%d %H:%M:%S}" for span in spans]
    show([asdict(span) for span in spans], as_json, *(lines or ["nothing new"]))


@app.command()
def status(as_json: AsJson = False) -> None:
    """What is served, and what waits."""
    house = open_house()
    end, rows = house.log.end(), []
    for surface in house.settings.surfaces:
        registry = house.registry(surface)
        current = registry.current()
        rows.append(
            {
                "surface": surface,
                "release": current.id if current else None,
                "sequence": current.sequence if current else 0,
                "watermark": current.window.as_of if current else None,
                "events_waiting": end - (current.window.end if current else 0),
                "on_hold": registry.held() or None,
                "on_trial": trial.told() if (trial := registry.trials.running()) else None,
                "left_out": registry.left_out(),
            }
        )
    views, unknown = list[dict[str, object]](), None
    try:
        views = [asdict(one) for one in house.freshness()]
    except RatoonError as error:  # what is served is told all the same
        unknown = error
    said = {"events": end, "now": house.accepted.now(), "surfaces": rows, "views": None if unknown else views}
    show(said, as_json, table(rows), *([table(views)] if views else []))
    if unknown:
        raise unknown


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Versions, devices, paths, the stores' health, and a tiny search."""
    from ratoon.doctor import examine

    with busy("looking"):
        checks = examine(open_house())
    rows = [asdict(check) for check in checks]
    show(rows, as_json, table(rows))
    if not all(check.ok for check in checks):
        raise typer.Exit(5)


@app.command()
def bench(
    name: Annotated[
        str, typer.Argument(help="Which table: loop, features, refresh, index, gpu, serve, jobs, upkeep, chaos or soak.")
    ] = "loop",
    scale: Annotated[float, typer.Option(help="features, refresh, gpu, jobs, upkeep: a share of the sizes.")] = 1.0,
    only: Annotated[
        str, typer.Option(help="features: a group of rows. serve, jobs, upkeep: some, with commas. chaos: stages.")
    ] = "",
    stored: Annotated[
        bool, typer.Option("--stored", help="all but loop, jobs, chaos, soak: print what was measured last.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--data", help="refresh, upkeep: a folder of sets; var/cache. index: of runbooks. serve: of worlds. soak: a set."
        ),
    ] = None,
    sets: Annotated[str, typer.Option(help="refresh, upkeep: names of folders in it, with commas; all that are known.")] = "",
    refreshes: Annotated[int, typer.Option(help="refresh: how many, one after the other.")] = 30,
    seeds: Annotated[int, typer.Option(help="refresh: how many chains of them. upkeep: how many releases of each set.")] = 3,
    minutes: Annotated[
        float | None, typer.Option(help="refresh: after which the walk of a set ends early. soak: how long, without the end; 30.")
    ] = None,
    seed: Annotated[int, typer.Option(help="soak: of who is killed when.")] = 0,
    report: Annotated[Path | None, typer.Option(help="soak: the HTML file; bench/soak.html in the home.")] = None,
    items: Annotated[int, typer.Option(help="index, serve: how many items; the bars are for 1,000,000.")] = 1_000_000,
    peers: Annotated[int, typer.Option(help="index, serve: how many items others get; 0 leaves them out.")] = 100_000,
    checked: Annotated[int, typer.Option(help="index: answers that are checked while items change.")] = 1_000_000,
    towers: Annotated[Path | None, typer.Option(help="index: the set diginetica, for the vectors of real towers.")] = None,
    seconds: Annotated[float, typer.Option(help="serve: of one point; the bars are for 5.")] = 5.0,
    venvs: Annotated[Path | None, typer.Option(help="serve: a folder with a virtual environment for each peer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a table of the README again."""
    from ratoon.bench import IndexSize, ServeSize, Soaks, Walks, run

    walks = Walks(folder, tuple(one for one in sets.split(",") if one), refreshes, seeds, minutes or float("inf"))
    size = IndexSize(items, peers, checked, folder, towers)
    groups = tuple(one for one in only.split(",") if one)
    serve = ServeSize(items, seconds, groups, folder, venvs, peers)
    soak = Soaks(folder, minutes or 30.0, report, seed)
    run(name, as_json, scale=scale, only=only, stored=stored, walks=walks, index=size, serve=serve, soak=soak)


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Check the answers and exit instead of serving on.")] = False,
    folder: Annotated[Path | None, typer.Option("--data", help="A folder of yours instead of MovieLens-100K.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 for any that is free.")] = 8080,
) -> None:
    """The whole loop on real data, slice by slice, ending serving."""
    from ratoon.bench import demo as run

    run(once=once, folder=folder, port=port)
