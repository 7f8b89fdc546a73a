"""`ratoon data`: where a world comes from."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from ratoon import config
from ratoon.cli.screen import AsJson, bars, busy, show
from ratoon.domain.errors import DataError, UsageError
from ratoon.wiring import House

app = typer.Typer(help="Real and synthetic data.", no_args_is_help=True)


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="Its name; of a wrong one you hear which there are.")],
    as_json: AsJson = False,
) -> None:
    """Download a published data set into var/cache, checked by its hash."""
    from ratoon import data  # here and below: it imports polars, for which a server that starts would wait

    with busy(f"fetching {name}"):
        folder = data.fetch(name, open_house().home / "cache")
    show({"folder": str(folder)}, as_json, str(folder))


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A folder in a layout that the README describes.")], as_json: AsJson = False
) -> None:
    """Append a folder's history to the event log; bad rows go to quarantine."""
    result = import_folder(open_house(), folder)
    show(result, as_json, *_imported(result))


def _imported(result: dict[str, Any]) -> list[str]:
    aside = [f"  {count} x {reason}" for reason, count in result["reasons"].items()]
    where = f" ({result['quarantine']})" if aside else ""
    said = f"{result['events']} events ({result['events_per_second']:,} a second), {result['rejected']} rows in quarantine{where}"
    return [said, *aside]


@app.command("synth")
def synth(
    folder: Annotated[Path | None, typer.Argument(help="Where to write interactions, items and users.")] = None,
    out: Annotated[Path | None, typer.Option(help="Instead of a folder: write interactions in parts, of any size, here.")] = None,
    users: int = 1_000,
    items: int = 2_000,
    events: int = 50_000,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Make up a drifting world in the generic layout."""
    from ratoon import data

    if folder is not None and out is None:
        data.write_generic(folder, data.synth(users, items, events, seed))
        show({"folder": str(folder)}, as_json, f"{events} events in {folder}")
        return
    if out is None or folder is not None:
        raise UsageError(
            "data synth", expected="a folder, or --out with one", found="both or none", fix="Say where to write, once."
        )
    with bars() as shown:
        task = shown.add_task(f"making up {events:,} events", total=events)
        parts = data.write_torrent(out, users, items, events, seed, lambda done: shown.update(task, completed=done))
    show({"folder": str(out), "parts": parts}, as_json, f"{events} events in {parts} parts in {out}")


def open_house() -> House:
    """The rooms, as ratoon.toml and the environment describe them."""
    return House(config.load())


def import_folder(house: House, folder: Path) -> dict[str, object]:
    """Append a folder's events to the log, all or none; what became of them."""
    from ratoon import data

    quarantine = house.home / "quarantine" / f"{folder.resolve().name}.csv"
    begun = time.perf_counter()
    with bars() as shown:
        task = shown.add_task(f"reading {folder}", total=None)

        def told(rows: int) -> None:
            shown.update(task, description=f"reading {folder}: {rows:,} rows")

        with data.stream(folder, quarantine, told) as found:
            shown.update(task, description=f"importing {found.rows:,} events", total=found.rows, completed=0)
            newest = house.log.read(house.log.end() - 1).column("created_timestamp").to_pylist()

            def batches() -> Iterator[pa.Table]:
                for batch in found.batches:
                    _refuse_history_after_life(house, batch, newest)
                    yield batch
                    shown.update(task, advance=batch.num_rows)

            new = house.log.load(batches())
    seconds = time.perf_counter() - begun
    return {
        "events": new,
        "rejected": found.rejected,
        "reasons": dict(found.reasons),
        "quarantine": str(quarantine) if found.rejected else None,
        "events_per_second": round(found.rows / seconds),
    }


def _refuse_history_after_life(house: House, events: pa.Table, newest: list[datetime]) -> None:
    """History counts as having arrived when it happened, which cannot be said once younger events have arrived.

    Args:
        events: some of them.
        newest: when the log's newest event arrived, if it has any.
    """
    if not newest or pc.min(events.column("event_timestamp")).as_py() >= newest[0]:
        return
    new = house.log.unknown(events).column("event_timestamp")
    if len(new) and (oldest := pc.min(new).as_py()) < newest[0]:
        raise DataError(
            "event_timestamp",
            expected=f"history younger than the newest event that has arrived, at {newest[0]:%Y-%m-%d %H:%M:%S}",
            found=f"events from {oldest:%Y-%m-%d %H:%M:%S}",
            fix="Import history into an empty home (RATOON_HOME), before anything else arrives.",
        )
