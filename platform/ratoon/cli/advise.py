"""`ratoon advise`: what a refresh would do now, what that was decided from, and what anything else would cost."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isfinite
from typing import Any

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, busy, show, table
from ratoon.domain.costs import Costs
from ratoon.domain.plan import SCOPES, Finding, PlanPolicy, RefreshPlan, weighed
from ratoon.domain.report import costs
from ratoon.domain.signals import Signals


def advise(surface: SurfaceName = "default", as_json: AsJson = False) -> None:
    """Explain what the plan chooses now: all that it looks at, from where on that matters, and what each scope would cost.

    Nothing is learnt, published or kept, and the next refresh does what it would have done. New events are ingested first.
    """
    from ratoon.refresh import considered

    house = open_house()
    with busy("looking at what waits"):
        shop = house.workshop(surface)
        task, held = considered(shop, house.stopwatch())
        known = costs(shop.runs(), task.window.as_of)
    policy = replace(shop.plan, drift=shop.gate.drift)
    plan = RefreshPlan("skip", held) if held else task.plan
    rows = task.delta.interactions.num_rows
    spent = {"spent": known.spent, "budget": policy.budget if isfinite(policy.budget) else None}
    looked = weighed(task.seen, policy) if task.parent else ()
    chosen = {"scope": plan.scope, "reason": plan.reason, "waits": plan.waits}
    said = {
        "surface": surface,
        "plan": chosen,
        "fixed": None if policy.scope == "auto" else policy.scope,
        "interactions": rows,
        "looked_at": [asdict(one) for one in looked],
        "costs": priced(known, rows),
        **spent,
    }
    show(said, as_json, *_lines(said, looked, policy, task.seen))


def priced(known: Costs, rows: int) -> list[dict[str, Any]]:
    """What each scope would cost for so many interactions, and by how many runs that is told."""
    return [
        {"scope": scope, "cpu_seconds": known.estimate(scope, rows), "runs": len(known.scopes.get(scope, ()))} for scope in SCOPES
    ]


def _lines(said: Mapping[str, Any], looked: tuple[Finding, ...], policy: PlanPolicy, seen: Signals) -> list[object]:
    plan = said["plan"]
    lines: list[object] = [f"{said['surface']}: {plan['scope']}, because: {plan['reason']}"]
    if said["fixed"]:
        lines.append(f"[plan] scope is {said['fixed']}: the rest is only told")
    if seen.taught and seen.growth < policy.settled:
        lines.append(f"the log has grown by {seen.growth:.1%} since the shared layers learnt, less than {policy.settled:.1%}:")
        lines.append("  what would have them learn again does not count yet")
    lines += [table([_looked(one) for one in looked])] if looked else []
    lines.append(table([{**row, "cpu_seconds": _figure(row["cpu_seconds"]) or "has not run"} for row in said["costs"]]))
    room = "" if said["budget"] is None else f" of {said['budget']:,.0f}"
    return [*lines, f"CPU seconds spent within a day: {said['spent']:,.0f}{room}"]


def _looked(one: Finding) -> dict[str, object]:
    asks = one.scope if one.reason else ""
    return {"looked at": one.name, "found": _figure(one.found) or "not known", "limit": _figure(one.limit), "asks for": asks}


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 1_000 else f"{value:.3g}"
