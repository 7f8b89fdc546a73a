"""`ratoon delta`: which rows of a view came and went since a position that the caller keeps."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from ratoon import durable
from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, busy, show, table
from ratoon.domain.errors import UsageError


def delta(
    view: Annotated[str, typer.Argument(help="A feature view of the applied repository.")],
    since: Annotated[Path | None, typer.Option(help="The position to start from; from the beginning without one.")] = None,
    save: Annotated[Path | None, typer.Option(help="Where to write the position that the next delta starts from.")] = None,
    to: Annotated[Path | None, typer.Option(help="A folder for the rows themselves: rows.parquet and gone.parquet.")] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Show what was read, beside what a full scan would read.")] = False,
    as_json: AsJson = False,
) -> None:
    """The rows that came and went in a view since a position, whatever happened to its files in between."""
    house = open_house()
    with busy(f"what changed in {view}"):
        found = house.changed(view, _text(since) if since else None)
    if to:
        to.mkdir(parents=True, exist_ok=True)
        pq.write_table(found.rows, to / "rows.parquet")
        pq.write_table(found.gone, to / "gone.parquet")
    if save:  # Last: whoever finds the position moved has the rows.
        durable.write(save, found.position.to_json().encode())
    counts = {"view": view, "rows": found.rows.num_rows, "gone": found.gone.num_rows}
    said = {**counts, "position": dict(found.position.files), "stats": asdict(found.stats)}
    lines: list[object] = [f"{view}: {counts['rows']} rows came, {counts['gone']} went"]
    if found.stats.unknown:
        lines.append(f"nothing is known of the rows of {', '.join(found.stats.unknown)}: what vanished with them is not counted")
    if stats:
        share = found.stats.bytes_read / max(found.stats.bytes_of_scan, 1)
        lines += [table(_plain(asdict(found.stats))), f"{share:.2%} of the bytes of a full scan"]
    show(said, as_json, *lines)


def _text(since: Path) -> str:
    try:
        return since.read_text()
    except OSError as error:
        raise UsageError(
            "--since",
            expected="a position that --save wrote",
            found=repr(error),
            fix="Leave it out the first time: everything is new then.",
        ) from error


def _plain(stats: dict[str, object]) -> list[dict[str, object]]:
    """One line per figure; of names of files, how many they are."""
    figures = {name: len(value) if isinstance(value, tuple) else value for name, value in stats.items()}
    return [
        {"figure": name.replace("_", " "), "value": round(value, 3) if isinstance(value, float) else value}
        for name, value in figures.items()
    ]
