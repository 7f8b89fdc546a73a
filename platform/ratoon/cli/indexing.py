"""`ratoon index`: how a release's items are laid out for search, and why."""

from typing import Annotated, Any

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, show
from ratoon.domain.dial import dial_for, explained
from ratoon.domain.errors import UsageError
from ratoon.wiring import House

app = typer.Typer(help="The index of a release.", no_args_is_help=True)


@app.callback()
def index() -> None:
    """The index of a release."""


@app.command()
def explain(
    surface: SurfaceName = "default",
    items: Annotated[int | None, typer.Option(min=0, help="As if there were so many items, newly laid out.")] = None,
    as_json: AsJson = False,
) -> None:
    """How the current release's items are laid out, why, and what a search costs there."""
    house = open_house()
    registry, policy = house.registry(surface), house.settings.index.policy
    release = registry.current()
    if release is None:
        show(None, as_json, f"{surface}: no release yet, so no index")
        return
    held = house.indexes.load(registry.load(release))
    told: dict[str, Any] = held.stats()
    dial = held.dial
    if items is not None:
        dial = dial_for(items, policy)
        told = {"items": items, "lists": dial.lists, "codec": dial.codec, "nprobe": dial.nprobe}
    why = explained(dial, told["items"], release.dim, policy)
    why += _on_a_gpu(house) + _mapped(house)
    show({**told, "dim": release.dim, "metric": release.metric, "why": why}, as_json, "\n".join(why))


def _on_a_gpu(house: House) -> list[str]:
    """What a server on this machine makes of it, where that is something else."""
    try:
        choice = house.index_device
    except UsageError as error:  # this machine need not be one that serves
        return [f"no server can start here: {error}"]
    if choice.device == "cpu":
        return []
    return [f"a server here keeps them in one tensor on CUDA and looks at each, so its answers are exact: {choice.why}"]


def _mapped(house: House) -> list[str]:
    """How servers hold it, if they share it."""
    folder = house.mapped_indexes
    return [] if folder is None else [f"servers map it from one file in {folder}; what each changed lies beside (index.mapped)"]
