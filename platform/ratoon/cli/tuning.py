"""`ratoon upkeep tune`: settings of training that the past says are better, as lines for ratoon.toml."""

import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon import durable
from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, bars, show, table
from ratoon.domain.errors import UsageError
from ratoon.domain.intervals import Interval

if TYPE_CHECKING:
    from ratoon.bench.tuning import Tuned


def tune(
    seconds: Annotated[float, typer.Option(help="How long to search, by the clock; a rerun goes on where this one ends.")],
    slices: Annotated[int, typer.Option(min=2, help="Into how many slices the newest 40 % of the log are cut.")] = 4,
    anew: Annotated[bool, typer.Option("--anew", help="Forget what was found, and look at what has come since, too.")] = False,
    surface: SurfaceName = "default",
    out: Annotated[Path | None, typer.Option(help="Where to draw it, as one HTML file; by default under reports/.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search settings of [training] on past windows only: learnt up to a cut, asked about what came next, for several cuts.

    Nothing that is served changes, nor ratoon.toml: lines to put into it are printed, with what they are worth.
    """
    if not (isfinite(seconds) and seconds > 0):
        fix = "One training takes as long as a full refresh; ten of them are a beginning."
        raise UsageError("--seconds", expected="more than 0", found=f"{seconds:g}", fix=fix)
    if find_spec("optuna") is None:
        fix = "Run `pip install 'ratoon[tune]'`."
        raise UsageError("tune", expected="Optuna, which searches", found="none installed", fix=fix)
    from ratoon.bench.tuning import Ground, Search, alone, page, study_file

    house = open_house()
    house.settings.surface(surface)
    features = house.features(surface)
    with bars() as shown:
        task = shown.add_task("event log -> offline features", total=1.0)
        features.ingest()
        ground = Ground(house, surface, features.window(None).end, slices)
        file = study_file(ground)
        with alone(file):
            if anew:
                file.unlink(missing_ok=True)
            search = Search(
                ground, file, time.monotonic, lambda what, share: shown.update(task, description=what, completed=share)
            )
            found = search.run(seconds)
    drawn = (out or house.home / "reports" / f"{surface}-tune.html").absolute()
    durable.write(drawn, page(found).encode())
    show({**asdict(found), "page": str(drawn)}, as_json, *_lines(found), str(drawn))


def _lines(found: "Tuned") -> Iterator[object]:
    took = f"{found.tried} settings tried on every searched slice and {found.dropped} dropped before, in {found.seconds:,.0f} s"
    yield f"{found.surface}: {found.outcome}. {took}; the log up to offset {found.end}; {found.file}"
    if found.outcome == "unfinished":
        yield "The budget went before anything could be compared; the same command goes on from there."
    rows = [
        {
            "slice": number if number < len(found.questions) else f"{number}, judges",
            "questions": asked,
            f"recall@{found.k} now": f"{found.present[number - 1]:.4f}",
            "best": f"{found.best[number - 1]:.4f}" if found.best else None,
        }
        for number, asked in enumerate(found.questions, 1)
    ]
    if rows:
        yield table(rows)
    if found.searched and found.judged:
        yield f"median {found.median_present:.4f} to {found.median_best:.4f}"
        yield f"on the slices that it was chosen by: {_bounds(found.searched)}"
        yield f"on the newest slice, which chose nothing: {_bounds(found.judged)}"
    if found.apply:
        yield f"For ratoon.toml; then `ratoon refresh --scope full --trial shadow`:\n\n{found.apply}"
    elif found.outcome == "not held":
        yield "Nothing should be changed: what was better there was so by luck, or no longer is."


def _bounds(one: Interval) -> str:
    return f"{one.mean:+.4f} (95 % interval {one.low:+.4f} to {one.high:+.4f})"
