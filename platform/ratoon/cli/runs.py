"""`ratoon runs`: what became of what ran by itself, and what each refresh kept of itself."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, show, table
from ratoon.domain.errors import UsageError
from ratoon.jobs.run import Run
from ratoon.wiring import House

if TYPE_CHECKING:
    from ratoon.jobs.book import Book
    from ratoon.jobs.comparing import Comparison

GIVEN = ("window", "parent", "seed", "code", "plan", "verdict")
"""What is said of two runs even where it is the same: it is why their releases are."""

app = typer.Typer(help="The history of runs.", no_args_is_help=True)


@app.command("list")
def list_(
    count: Annotated[int, typer.Option("-n", "--number", min=1, help="How many, the newest.")] = 20, as_json: AsJson = False
) -> None:
    """The newest runs of all jobs, and those that servers were asked for. Refreshes by hand are in `ratoon report --list`."""
    runs = _book(open_house()).ledger.newest(count)
    show(runs, as_json, table([brief(one) for one in runs]) if runs else "no runs yet")


@app.command("show")
def show_(run_id: Annotated[int, typer.Argument(metavar="ID", help="Of `ratoon runs list`.")], as_json: AsJson = False) -> None:
    """All that is kept of a run: who ran it when and at what cost, and for a refresh what it found and did."""
    book = _book(open_house())
    run = book.ledger.get(run_id)
    if run is None:
        fix = "`ratoon runs list` lists them."
        raise UsageError("run", expected="the id of a run that is kept", found=str(run_id), fix=fix)
    shown = book.shown(run)
    facts = [f"{name.replace('_', ' ')}: {value}" for name, value in asdict(run).items() if value not in ("", None, 0, {})]
    lines = [one for one in facts if not one.startswith("stderr:")]
    lines += [f"refresh {run.record} of surface {run.surface!r}: `ratoon report {run.record}` draws it"] if shown.refresh else []
    lines += [run.stderr] if run.stderr else []
    show(shown.plain(), as_json, *lines)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="A run's id, or the beginning of the id of the release that it made.")],
    b: Annotated[str, typer.Argument(help="Another one, likewise.")],
    other: Annotated[
        Path | None, typer.Option("--in", help="The home that B is of, such as a restored backup; else this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What differs between two runs: what they were given, what they did, how long it took, and their releases' tensors."""
    from ratoon.jobs.comparing import account, comparison

    house = open_house()
    there = house if other is None else _elsewhere(house, other)
    told = comparison(account(house, _book(house), a), account(there, _book(there), b), house, there)
    facts = [{**asdict(fact), "differs": fact.differs} for fact in told.facts]
    show({**asdict(told), "facts": facts}, as_json, *_compared(told))


def _compared(told: "Comparison") -> Iterator[object]:
    differing = [fact.name for fact in told.facts if fact.kind == "work" and fact.differs]
    known = {fact.name: fact.a for fact in told.facts if not fact.differs}
    if told.same_release:
        yield f"{told.a} and {told.b} made the same release, {known['release']}"
    if told.same_work:
        yield "they did the same: nothing differs but when it was and how long it took"
    else:
        yield f"{told.a} and {told.b} differ in {', '.join(differing)}"
    rows = [fact for fact in told.facts if fact.differs or (fact.name in GIVEN and fact.a not in (None, ""))]
    yield table([{"of": one.name, f"A: {told.a}": _said(one.a), f"B: {told.b}": _said(one.b)} for one in rows])
    if told.tensors is not None:
        yield f"{told.tensors.equal} tensors are the same bit for bit, {len(told.tensors.differing)} tensors and files are not"
        if told.tensors.differing:
            yield table([{name: _said(value) for name, value in asdict(one).items()} for one in told.tensors.differing])


def _said(value: object) -> str:
    if value is None:
        return "not known"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _elsewhere(house: House, home: Path) -> House:
    if not home.is_dir():
        raise UsageError("--in", expected="a home", found=str(home), fix="`ratoon restore` makes one of a backup.")
    paths = house.settings.paths.model_copy(update={"home": home.absolute()})
    return House(house.settings.model_copy(update={"paths": paths}))


def brief(run: Run) -> dict[str, Any]:
    """A run as one line."""
    return {
        "id": run.id,
        "job": run.job,
        "started": run.started,
        "status": run.status,
        "verdict": run.verdict or None,
        "release": run.release or None,
        "rows": run.rows,
        "seconds": round(run.seconds, 1),
        "cpu_s": round(run.cpu_seconds, 1),
        "mib": round(run.max_rss / 2**20),
        "reason": run.reason,
    }


def _book(house: House) -> "Book":
    from ratoon.jobs.book import opened  # SQLAlchemy: not for commands that need no ledger

    return opened(house, lambda: datetime.now(UTC))
