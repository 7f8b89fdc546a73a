"""`ratoon trial`: what is tried beside the current release."""

from dataclasses import asdict
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, show, table

app = typer.Typer(help="The release that is tried before it is everybody's.", no_args_is_help=True)


@app.command()
def status(surface: SurfaceName = "default", as_json: AsJson = False) -> None:
    """What is tried, and what became of earlier trials; figures are a server's: GET /v1/trial."""
    trials = open_house().registry(surface).trials
    begun, running = trials.begun(), trials.running()
    ended = [
        {"release": one.trial.release, "mode": one.trial.terms.mode, "how": one.how, "reason": one.reason, "at": one.at}
        for one in reversed(trials.ended())
    ]
    said = {"trial": begun and asdict(begun), "running": running is not None, "ended": ended}
    told = "nothing is on trial"
    if begun is not None:
        told = begun.told() if running else f"the trial of {begun.release[:12]} is over: another release is current"
    show(said, as_json, told, *([table(ended)] if ended else []))


@app.command()
def promote(surface: SurfaceName = "default", as_json: AsJson = False) -> None:
    """Publish what is tried, as the next release."""
    release = open_house().registry(surface).trials.promote()
    said = {"release": release.id, "sequence": release.sequence}
    show(said, as_json, f"release {release.sequence} ({release.id[:12]}) is served")


@app.command()
def end(
    surface: SurfaceName = "default",
    reason: Annotated[str, typer.Option(help="Why; `ratoon trial status` shows it.")] = "ended by hand",
    as_json: AsJson = False,
) -> None:
    """Forget what is tried; everybody is answered by the current release within a second."""
    trial = open_house().registry(surface).trials.end(reason)
    show({"release": trial.release}, as_json, f"release {trial.release[:12]} is no longer tried")
