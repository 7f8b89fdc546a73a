"""How the command line speaks: tables and lines for people, one JSON value for scripts, bars for what takes long."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

out, err = Console(), Console(stderr=True)

RELEASE_ID = re.compile(r"[0-9a-f]{64}")

SurfaceName = Annotated[str, typer.Option(help="The surface, as ratoon.toml names it.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on stderr, gone when the body ends."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as shown:
        yield shown


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say what is being done while the body does it."""
    with bars() as shown:
        shown.add_task(what, total=None)
        yield


def table(rows: list[dict[str, Any]]) -> Table:
    """Rows with the same keys as a table."""
    drawn = Table(box=None, header_style="bold")
    for name in rows[0] if rows else ():
        drawn.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row.values()))
    return drawn


def show(value: object, as_json: bool, *lines: object) -> None:
    """Print `value` as JSON, or `lines` as text."""
    if as_json:
        sys.stdout.write(json.dumps(value, default=_jsonable) + "\n")
    else:
        for line in lines:
            out.print(line, highlight=False, soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, str) and RELEASE_ID.fullmatch(value):
        return value[:12]
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
