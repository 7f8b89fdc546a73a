"""`ratoon backtest`: policies of the plan, tried on history before they are trusted with what comes."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon import config, durable
from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, bars, show, table
from ratoon.domain.errors import UsageError

if TYPE_CHECKING:
    from ratoon.bench.backtests import Told


def backtest(
    policies: Annotated[list[Path], typer.Option(help="TOML files with `every`, [plan] and [drift].")],
    more: Annotated[list[Path] | None, typer.Argument(metavar="[FILES]", help="Further ones.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How many days, up to the newest event.")] = 14,
    data: Annotated[
        Path | None, typer.Option(help="A folder as for `ratoon data import`; the home's own events by default.")
    ] = None,
    surface: SurfaceName = "default",
    picture: Annotated[Path | None, typer.Option(help="Where to draw it, as one HTML file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay history under each policy: every event is asked of what would have served it, and learnt after that.

    Each policy refreshes a home of its own under a temporary folder (TMPDIR); the home itself is only read.
    """
    from ratoon.bench.backtests import history, page, replay, told

    known = config.policies([*policies, *(more or [])])
    house = open_house()
    house.settings.surface(surface)
    if data is not None and not data.is_dir():
        fix = "Name a folder in a layout that the README describes, or leave it out."
        raise UsageError("--data", expected="a folder", found=str(data), fix=fix)
    with tempfile.TemporaryDirectory(prefix="ratoon-backtest-") as scratch, bars() as shown:
        task = shown.add_task("reading history", total=1.0)

        def tell(what: str, share: float) -> None:
            shown.update(task, description=what, completed=share)

        past = history(data or house.log, days, Path(scratch))
        found = list(replay(Path(scratch, "homes"), house.settings, surface, past, known, tell))
    figures = told(found)
    if picture is not None:
        durable.write(picture.absolute(), page(found, figures).encode())
    lines = [table(_rows(figures)) if figures else "nothing was asked: no event of these days counts on this surface"]
    said = {"days": days, "begins": past.begins, "policies": [asdict(one) for one in figures]}
    show({**said, "picture": str(picture.absolute()) if picture else None}, as_json, *lines, *([picture] if picture else []))


def _rows(found: Sequence["Told"]) -> list[dict[str, object]]:
    from ratoon.bench.backtests import K

    return [
        {
            "policy": one.policy,
            f"recall@{K}": f"{one.recall.mean:.4f}",
            "95 %": f"{one.recall.low:.4f} to {one.recall.high:.4f}",
            "to the first": f"{one.difference.mean:+.4f} ({one.difference.low:+.4f} to {one.difference.high:+.4f})"
            if one.difference
            else None,
            "CPU s": f"{one.cpu_seconds:.1f}",
            "of the first": f"{one.share:.0%}",
            "did": ", ".join(f"{count} {name}" for name, count in one.scopes.items()),
        }
        for one in found
    ]
