"""How measured tables are shown: as text on a screen or in a file, or as one JSON value; and bars while they are measured."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ratoon.bench.row import Row

err = Console(stderr=True)

WIDE = 200
"""Columns of a table in a file or a pipe, which has no width to fit."""


def show_groups(groups: dict[str, dict[str, Any]], scale: float, as_json: bool) -> None:
    """Groups of rows, each measured at its own time."""
    if as_json:
        sys.stdout.write(json.dumps({"scale": scale, "groups": groups}) + "\n")
        return
    if scale != 1:
        Console().print(f"scale {scale:g}: the bars are for scale 1")
    for group in groups.values():
        show(group["rows"], f"{group['hardware']}, {group['date']}, {group['commit']}", None)


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A progress bar while the block runs, moved by what is told: what is being done, and which share is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task("opening", total=1.0)
        yield lambda what, share: shown.update(task, description=what, completed=share)


def show(rows: list[dict[str, Any]], title: str, as_json: dict[str, Any] | None) -> None:
    """Rows as a table, or `as_json` instead, if there is one."""
    if as_json is not None:
        sys.stdout.write(json.dumps(as_json) + "\n")
        return
    table = Table(title=title, title_justify="left", box=None)
    for column in ("quantity", "value", "unit", "bar", "holds", "against"):
        table.add_column(column, overflow="fold")
    for row in rows:
        value = row["value"]
        holds = "" if value is None or not row["bar"] else "yes" if row["holds"] else "NO"
        table.add_row(row["quantity"], "" if value is None else f"{value:.4g}", row["unit"], row["bar"], holds, row["against"])
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)


def show_measured(measured: list[Row], stamp: dict[str, str], as_json: bool) -> None:
    """Rows that were all measured at one time."""
    rows = [asdict(row) for row in measured]
    show(rows, ", ".join(stamp.values()), {**stamp, "rows": rows} if as_json else None)
