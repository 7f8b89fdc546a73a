"""How the command line speaks: tables and lines for people, one JSON value for scripts, bars for what takes long."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ratoon.domain.duration import duration

out, err = Console(), Console(stderr=True)

UNBROKEN = 100_000
"""A width that no line reaches."""

RELEASE_ID = re.compile(r"[0-9a-f]{64}")

SurfaceName = Annotated[str, typer.Option(help="The surface, as ratoon.toml names it.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value instead of text.")]


@contextmanager
def bars() -> Iterator[Progress]:
    """Progress bars on stderr, gone when the body ends; nothing where that is no terminal, so that cron has nothing to mail."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        yield shown


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Say what is being done while the body does it."""
    with bars() as shown:
        shown.add_task(what, total=None)
        yield


@dataclass(frozen=True)
class Rows:
    """Rows with the same keys: a table where its widest line fits, else one line per value."""

    rows: list[dict[str, Any]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = self._table()
        if Measurement.get(console, options.update(width=UNBROKEN), whole).maximum <= options.max_width:
            yield whole
            return
        for row in self.rows:
            block = Table(box=None, show_header=False)
            block.add_column(style="bold", no_wrap=True)
            block.add_column(overflow="fold")
            for name, value in row.items():
                block.add_row(_title(name), _cell(name, value))
            yield block
            yield Text()

    def _table(self) -> Table:
        drawn = Table(box=None, header_style="bold")
        for name in self.rows[0] if self.rows else ():
            drawn.add_column(_title(name), overflow="fold")
        for row in self.rows:
            drawn.add_row(*(_cell(name, value) for name, value in row.items()))
        return drawn


def table(rows: list[dict[str, Any]]) -> Rows:
    """Rows with the same keys, for `show`."""
    return Rows(rows)


def show(value: object, as_json: bool, *lines: object) -> None:
    """Print `value` as JSON, or `lines` as text."""
    if as_json:
        sys.stdout.write(json.dumps(value, default=_jsonable) + "\n")
    else:
        console = out if out.is_terminal else Console(width=UNBROKEN)  # a file or a pipe has no width to fit
        for line in lines:
            console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)  # [jobs] is no markup


def plain(value: object) -> Any:
    """A value as `show` prints it: what JSON knows."""
    return json.loads(json.dumps(value, default=_jsonable))


def _title(name: str) -> str:
    return name.replace("_", " ")


def _cell(name: str, value: object) -> Text:
    if value is None:
        return Text()
    if isinstance(value, str) and RELEASE_ID.fullmatch(value):
        return Text(value[:12])
    if isinstance(value, float) and name.endswith("_age"):
        return Text(duration(value))
    if isinstance(value, list | tuple):
        return Text("; ".join(map(str, value)))
    return Text(f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value))


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
