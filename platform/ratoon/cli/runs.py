"""`ratoon runs`: what became of what ran by itself, and what each refresh kept of itself."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, show, table
from ratoon.domain.errors import UsageError
from ratoon.jobs.run import Run
from ratoon.wiring import House

if TYPE_CHECKING:
    from ratoon.jobs.ledger import Ledger

app = typer.Typer(help="The history of runs.", no_args_is_help=True)


@app.command("list")
def list_(
    count: Annotated[int, typer.Option("-n", "--number", min=1, help="How many, the newest.")] = 20, as_json: AsJson = False
) -> None:
    """The newest runs of all jobs. Refreshes that were run by hand are in `ratoon report --list`."""
    runs = _ledger(open_house()).newest(count)
    show(runs, as_json, table([brief(one) for one in runs]) if runs else "no runs yet")


@app.command("show")
def show_(run_id: Annotated[int, typer.Argument(metavar="ID", help="Of `ratoon runs list`.")], as_json: AsJson = False) -> None:
    """All that is kept of a run: who ran it when and at what cost, and for a refresh what it found and did."""
    house = open_house()
    run = _ledger(house).get(run_id)
    if run is None:
        fix = "`ratoon runs list` lists them."
        raise UsageError("run", expected="the id of a run that is kept", found=str(run_id), fix=fix)
    refreshed = house.registry(run.surface).runs.get(str(run.record)) if run.record else None
    facts = [f"{name.replace('_', ' ')}: {value}" for name, value in asdict(run).items() if value not in ("", None, 0, {})]
    lines = [one for one in facts if not one.startswith("stderr:")]
    lines += (
        [f"refresh {refreshed.number} of surface {run.surface!r}: `ratoon report {refreshed.number}` draws it"]
        if refreshed
        else []
    )
    lines += [run.stderr] if run.stderr else []
    show({**asdict(run), "refresh": asdict(refreshed) if refreshed else None}, as_json, *lines)


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


def _ledger(house: House) -> "Ledger":
    from ratoon.jobs.book import opened  # SQLAlchemy: not for commands that need no ledger

    return opened(house, lambda: datetime.now(UTC)).ledger
