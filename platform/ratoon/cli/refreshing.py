"""`ratoon refresh`: what changed becomes the next release."""

from dataclasses import asdict
from typing import Annotated

import typer

from ratoon.cli import idle
from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, bars, show
from ratoon.domain.drift import DriftPolicy
from ratoon.domain.errors import GateRefused, UsageError
from ratoon.domain.plan import Scope
from ratoon.domain.report import RefreshReport
from ratoon.domain.trial import Terms
from ratoon.wiring import House


def refresh(
    surface: SurfaceName = "default",
    scope: Annotated[
        str, typer.Option(help="`auto`, the cheapest plan that keeps quality; or skip, index, rows, dense or full.")
    ] = "auto",
    trial: Annotated[
        str | None, typer.Option(help="Try it instead of publishing it: shadow, or canary:PERCENT of users.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn what changed into the next release, if it is not worse than the current one."""
    house = open_house()
    terms = Terms.parse(trial, house.settings.trial.guards) if trial is not None else None
    before = idle.sight(house, surface) if scope == "auto" and terms is None else None
    with house.leading() as leads:
        if not leads:
            return
        report = refreshed(house, surface, _scope(scope), terms)
    line = described(report, house.settings.drift.policy)
    idle.remember(house, surface, before, report, line)
    show(asdict(report), as_json, line)
    raise_refused(report)


def raise_refused(report: RefreshReport) -> None:
    """GateRefused if it was; says of which events."""
    if report.outcome != "refused" or report.verdict is None or report.window is None:
        return
    first, last = report.window.start + 1, report.window.end
    fix = "Look at what changed in feature_repo/ or under [training]; no single events did this."
    if report.plan.scope == "upkeep":
        fix = "What is served stays. Ask less of the operation, as by a smaller --loss, or try again after more events."
    if report.plan.scope == "rows" and first <= last:
        fix = f"Look at events {first} to {last}; `ratoon resume --leave-out {first}:{last}` learns without them."
    raise GateRefused(
        f"surface {report.surface!r}",
        expected="a candidate not worse than the current release",
        found="; ".join(report.verdict.reasons),
        fix=fix,
    )


def refreshed(house: House, surface: str, scope: Scope | None, terms: Terms | None = None) -> RefreshReport:
    """Refresh a surface and show how it goes."""
    from ratoon.refresh import refresh as run

    with bars() as shown:
        stage, inner = shown.add_task("opening", total=None), shown.add_task("", total=1.0, visible=False)

        def trained(what: str, share: float) -> None:
            shown.update(inner, description=f"  {what}", completed=share, visible=share < 1.0)

        shop = house.workshop(surface, trained)
        return run(shop, house.stopwatch(lambda name: shown.update(stage, description=f"{surface}: {name}")), scope, terms)


def _scope(text: str) -> Scope | None:
    match text:
        case "auto":
            return None
        case "skip" | "index" | "rows" | "dense" | "full":
            return text
        case _:
            raise UsageError(
                "--scope",
                expected="auto, skip, index, rows, dense or full",
                found=repr(text),
                fix="Leave it out; the plan decides.",
            )


def described(report: RefreshReport, drift: DriftPolicy) -> str:
    """A report as a line."""
    seconds = ", ".join(f"{stage.name} {stage.seconds:.1f} s" for stage in report.stages)
    reasons = f" Gate: {'; '.join(report.verdict.reasons)}." if report.verdict else ""
    release = f"{report.sequence} ({report.release[:12]})" if report.release else "none"
    moved = "".join(f" {one}." for one in drift.beyond(drift.warn, report.drift)[:3])
    left, untaught = report.untaught.weightless, report.untaught.capped
    moved += f" {untaught.rows} interactions over the caps were not learnt." if untaught.rows else ""
    moved += f" {sum(left.values())} of types that count nothing were not learnt." if left else ""
    scope = "" if report.plan.scope == "skip" else f" {report.plan.scope}"
    outcome = f"{report.outcome}{scope} ({report.plan.reason})"
    return f"{report.surface}: {outcome}. Release {release}.{reasons}{moved} {seconds}"
