"""`ratoon exposures`: what was shown to whom, let go of by age or by user."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, show
from ratoon.domain.duration import seconds
from ratoon.domain.errors import UsageError
from ratoon.wiring import House

app = typer.Typer(help="The log of what was shown to whom, which `ratoon ope` reads.", no_args_is_help=True)


@app.command("prune")
def prune(
    older_than: Annotated[str, typer.Option("--older-than", help="Age at which an answer is deleted, as `90d`.")],
    as_json: AsJson = False,
) -> None:
    """Delete what was shown before so long ago, on every surface. Servers do so by themselves: `[exposures] keep`."""
    from ratoon.serving.exposures import FILE, StoredExposures

    house = open_house()
    before = _before(older_than, house.accepted.now())
    gone = StoredExposures(house.home / FILE).prune(before)
    _write_down(house, "exposures prune", gone)
    show({"deleted": gone, "before": before}, as_json, f"{gone:,} answers from before {before:%Y-%m-%d %H:%M:%S} deleted")


@app.command("forget")
def forget(
    user: Annotated[str, typer.Argument(help="The user's id; after `--` where it begins with a dash.")],
    as_json: AsJson = False,
) -> None:
    """Delete everything that was shown to one user, so that no byte of the log names them.

    What a server has answered in the last 100 ms is not in it yet.
    """
    from ratoon.serving.exposures import FILE, StoredExposures

    house = open_house()
    gone = StoredExposures(house.home / FILE).forget(user)
    _write_down(house, "exposures forget", gone)
    show({"deleted": gone}, as_json, f"{gone:,} answers deleted")


def _write_down(house: House, action: str, gone: int) -> None:
    """Into the audit file, which must not name who is forgotten."""
    from ratoon.serving.keys import Act, Audit

    Audit(house.home).record(Act(datetime.now(UTC), "", "cli", action, on={"deleted": str(gone)}))


def _before(text: str, now: datetime) -> datetime:
    span = seconds(text)
    try:
        if span:
            return now - timedelta(seconds=span)
    except OverflowError:
        pass  # before the calendar: told like every other span that cannot be
    raise UsageError("--older-than", expected="a span such as `90 d`, longer than nothing", found=repr(text), fix="Give it so.")
