"""`ratoon online`: the store that answers are made from."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, bars, show, table

app = typer.Typer(help="The online store.", no_args_is_help=True)


@app.callback()
def online() -> None:
    """A group, even while it has one command."""


@app.command()
def migrate(
    source: Annotated[
        Path | None, typer.Option("--from", help="Feast's SQLite file; by default the one that feature_store.yaml names.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Remove Feast's tables once they are copied.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring what Feast's own SQLite online store holds into packed rows; newer rows stay, and twice is once."""
    house = open_house()
    with bars() as shown:
        task = shown.add_task("opening", total=None)
        done = house.features(next(iter(house.settings.surfaces))).migrate_online(
            source, drop=drop, told=lambda view, count: shown.update(task, description=f"{view}: {count} entities")
        )
    rows = [asdict(view) for view in done]
    show(rows, as_json, table(rows) if rows else "no table of Feast's for any view")
