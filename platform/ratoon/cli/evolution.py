"""`ratoon plan`: what a changed feature_repo/ means, before anything of it is applied."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, busy, show, table
from ratoon.domain.errors import UsageError

if TYPE_CHECKING:
    from ratoon.features.evolution import Evolution


def plan(
    apply: Annotated[bool, typer.Option("--apply", help="Apply it, instead of leaving that to the next command.")] = False,
    allow_drop: Annotated[
        bool, typer.Option("--allow-drop", help="With --apply: take away even what retained releases read; they find it missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """What feature_repo/ as it is now means for the releases and for the next refresh; exit code 4 if applying is refused."""
    from ratoon.features.evolution import refuse_missing
    from ratoon.features.retained import refuse

    if allow_drop and not apply:
        raise UsageError("--allow-drop", expected="--apply beside it", found="none", fix="Without --apply nothing is dropped.")
    house = open_house()
    with busy("reading feature_repo/"):
        found = house.evolutions()
    show([_plain(one) for one in found], as_json, *(line for one in found for line in _lines(one)))
    refuse_missing(one for surface in found for one in surface.missing)
    if not allow_drop:
        refuse(list({(drop.view, drop.feature): drop for one in found for drop in one.dropped}.values()))
    if apply:
        with busy("applying feature_repo/"):
            house.apply(allow_drop=allow_drop)


def _plain(one: "Evolution") -> dict[str, object]:
    needed = [
        {
            "feature": drop.feature,
            "view": drop.view,
            "found": drop.found,
            "needed_by": [
                {"surface": by.surface, "id": by.id, "sequence": by.sequence, "current": by.current} for by in drop.needed_by
            ],
        }
        for drop in one.dropped
    ]
    said = {"surface": one.surface, "release": one.release, "services": [asdict(service) for service in one.services]}
    changed = {"changes": [asdict(change) for change in one.changes], "backfills": [asdict(part) for part in one.backfills]}
    missing = [asdict(column) for column in one.missing]
    return {
        **said,
        **changed,
        "missing": missing,
        "dropped": needed,
        "plan": {"scope": one.plan.scope, "reason": one.plan.reason},
    }


def _lines(one: "Evolution") -> list[object]:
    from ratoon.features.retained import named

    lines: list[object] = [f"{one.surface}: the next refresh {'has' if one.plan.scope == 'skip' else 'is'} {_said(one)}"]
    for service in one.services:
        now = "unchanged" if service.old == service.new else f"{service.old[:12] or 'none'} -> {service.new[:12]}"
        lines.append(f"  service {service.service}: {now}")
    lines += [table([asdict(change) for change in one.changes])] if one.changes else []
    for part in one.backfills:
        made = f"{part.events} events folded again" if part.events else f"{part.rows} rows in its files"
        lines.append(f"  backfill of {part.view}: {made}")
    lines += [f"  no column {gap.column} of {gap.view} in any of its {len(gap.files)} files" for gap in one.missing]
    lines += [f"  dropped {drop.feature} of {drop.view}: {drop.found}, but read by {named(drop)}" for drop in one.dropped]
    return lines


def _said(one: "Evolution") -> str:
    return "nothing to do for it" if one.plan.scope == "skip" else f"{one.plan.scope}: {one.plan.reason}"
