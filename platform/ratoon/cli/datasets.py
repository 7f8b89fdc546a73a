"""`ratoon data`: where a world comes from."""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc
import typer

from ratoon import config, data
from ratoon.cli.screen import AsJson, busy, show
from ratoon.domain.errors import DataError
from ratoon.wiring import House

app = typer.Typer(help="Real and synthetic data.", no_args_is_help=True)


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(data.PUBLISHED)}.")],
    as_json: AsJson = False,
) -> None:
    """Download a published data set into var/cache, checked by its hash."""
    with busy(f"fetching {name}"):
        folder = data.fetch(name, open_house().home / "cache")
    show({"folder": str(folder)}, as_json, str(folder))


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A folder in a layout that the README describes.")], as_json: AsJson = False
) -> None:
    """Append a folder's history to the event log; bad rows go to quarantine."""
    result = import_folder(open_house(), folder)
    show(result, as_json, f"{result['events']} events, {result['rejected']} rows in quarantine {result['quarantine']}")


@app.command("synth")
def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write interactions, items and users.")],
    users: int = 1_000,
    items: int = 2_000,
    events: int = 50_000,
    seed: int = 0,
    as_json: AsJson = False,
) -> None:
    """Make up a drifting world in the generic layout."""
    data.write_generic(folder, data.synth(users, items, events, seed))
    show({"folder": str(folder)}, as_json, f"{events} events in {folder}")


def open_house() -> House:
    """The rooms, as ratoon.toml and the environment describe them."""
    return House(config.load())


def import_folder(house: House, folder: Path) -> dict[str, object]:
    """Append a folder's events to the log; what became of them."""
    quarantine = house.home / "quarantine" / f"{folder.resolve().name}.csv"
    with busy(f"importing {folder}"):
        found = data.read(folder, quarantine)
        _refuse_history_after_life(house, found.events)
        new = house.log.append(found.events, backfill=True).num_rows
    return {
        "events": new,
        "rejected": found.rejected,
        "reasons": dict(found.reasons),
        "quarantine": str(quarantine) if found.rejected else None,
    }


def _refuse_history_after_life(house: House, events: pa.Table) -> None:
    """History counts as having arrived when it happened, which cannot be said once younger events have arrived."""
    logged = house.log.read(0)
    new = events.filter(pc.invert(pc.is_in(events.column("event_id"), value_set=logged.column("event_id"))))
    if not logged.num_rows or not new.num_rows:
        return
    newest, oldest = pc.max(logged.column("created_timestamp")).as_py(), pc.min(new.column("event_timestamp")).as_py()
    if oldest < newest:
        raise DataError(
            "event_timestamp",
            expected=f"history younger than the newest event that has arrived, at {newest:%Y-%m-%d %H:%M:%S}",
            found=f"events from {oldest:%Y-%m-%d %H:%M:%S}",
            fix="Import history into an empty home (RATOON_HOME), before anything else arrives.",
        )
