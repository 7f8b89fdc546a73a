"""`ratoon drift`: how far the towers' inputs are now from what the current release learnt."""

from dataclasses import asdict
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, busy, show, table
from ratoon.domain.drift import Drift, DriftPolicy


def drift(
    surface: Annotated[str, typer.Option(help="The surface, as ratoon.toml names it.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Each input since the current release against the rows that release learnt: PSI, Kolmogorov-Smirnov, Jensen-Shannon.

    New events are ingested first, by feature_repo/ as it is now.
    """
    house = open_house()
    if house.registry(surface).current() is None:
        show(None, as_json, f"{surface}: no release yet, so nothing that drift could be measured against")
        return
    with busy("joining what is new"):
        found = house.drifts(surface)
    policy = house.settings.drift.policy
    rows = [{**asdict(one), "beyond_chance": one.excess, "says": _says(policy, one)} for one in found]
    shown = [{name: _short(value) for name, value in row.items()} for row in rows]
    show(rows, as_json, table(shown) if rows else f"{surface}: no interactions since the current release")


def _says(policy: DriftPolicy, one: Drift) -> str:
    if one.entities < policy.least:
        return "too few to tell"
    for word, limit in (("refuse", policy.refuse), ("full", policy.full), ("warn", policy.warn)):
        if policy.beyond(limit, [one]):
            return word
    return "ok"


def _short(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else value
