"""The matrix as people read it."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ratoon.bench.chaos.cells import FAULTS
from ratoon.bench.chaos.works import STAGES

TITLE = "faults injected, by stage: how many, all with the required outcome but where it says RED"


def show(cells: Sequence[dict[str, Any]], console: Console) -> None:
    """Print faults down and stages across, in two parts that a page is wide enough for; then what is red, and why."""
    shown, half = grid(cells), len(STAGES) // 2
    for part in (STAGES[:half], STAGES[half:]):
        table = Table(title=TITLE, title_justify="left", box=None)
        for column in ("fault", *part):
            table.add_column(column)
        for row in shown:
            table.add_row(row["fault"], *(row[stage] for stage in part))
        console.print(table)
    for cell in (one for one in cells if one["wrong"]):
        place = cell["file"] or f"{cell['point']}:{cell['nth']}"
        console.print(f"RED {cell['stage']}, {cell['fault']}, {place}: {'; '.join(cell['wrong'])}", highlight=False, markup=False)


def grid(cells: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The matrix as rows of a table: a fault each, and a column for every stage; `5` for so many green ones, `RED 1/5`."""
    rows = []
    for fault in FAULTS:
        row = {"fault": fault}
        for stage in STAGES:
            here = [cell for cell in cells if (cell["fault"], cell["stage"]) == (fault, stage)]
            red = sum(bool(cell["wrong"]) for cell in here)
            row[stage] = f"RED {red}/{len(here)}" if red else f"{len(here)}" if here else "-"
        rows.append(row)
    return rows
