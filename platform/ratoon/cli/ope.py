"""`ratoon ope`: what another policy would have earned, from what was shown by chance."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, busy, show, table
from ratoon.domain.duration import seconds
from ratoon.domain.errors import UsageError
from ratoon.towers import open_towers
from ratoon.wiring import House

if TYPE_CHECKING:
    from ratoon.serving.exposures import Kept, Target, Worth

NAMES = {"ips": "IPS", "snips": "SNIPS", "dr": "doubly robust", "naive": "naive, ignoring propensities", "logged": "as logged"}

LONGEST = 3650 * 86_400.0
"""Seconds; beyond this nobody means it, and dates end somewhere."""


def ope(
    surface: SurfaceName = "default",
    release: Annotated[str | None, typer.Option(help="Value this release (its id, or its beginning).")] = None,
    policy: Annotated[
        str | None, typer.Option(help="Or `popular`; `ranked`, as what was served without chance; `logged`, as it was shown.")
    ] = None,
    rewarded: Annotated[
        list[str] | None, typer.Option("--type", help="A type of interaction that is a reward; repeatable. All that count.")
    ] = None,
    horizon: Annotated[str, typer.Option(help="How long after an answer an interaction is one: `1 d`, `30 min`.")] = "1 d",
    draws: Annotated[int, typer.Option(min=100, help="Resamples of the users behind the intervals.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples and of the reward model's folds.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Value answering the exploration slots by another policy, from the exposure log, with 95 % intervals.

    The value is the share of explored positions on which an interaction followed.
    """
    from ratoon.serving.exposures import FILE, Question, StoredExposures, worth

    if (release is None) == (policy is None):
        given = "neither" if release is None else "both"
        raise UsageError("ope", expected="--release or --policy", found=given, fix="Say what to value, once.")
    house, span = open_house(), _span(horizon)
    log = house.log_of(surface)
    with busy("valuing"):
        target, warnings = _released(house, surface, release) if release else (_policy(policy), list[str]())
        asked = Question(surface, tuple(rewarded) if rewarded else log.types, span, log.now())
        stored = StoredExposures(house.home / FILE)
        found = worth(stored, log, log.types, target, asked, draws=draws, rng=np.random.default_rng(seed))
    warnings += found.worth.warnings
    said = asdict(found) | {"surface": surface, "target": release or policy, "horizon_seconds": span.total_seconds()}
    rows = [
        {"estimator": NAMES[one.estimator], "value": _short(one.value), "low": _short(one.low), "high": _short(one.high)}
        for one in found.worth.estimates
    ]
    show(said | {"warnings": warnings}, as_json, table(rows), *_told(found), *(f"Beware: {one}." for one in warnings))


def _span(horizon: str) -> timedelta:
    if (span := seconds(horizon)) is None or span > LONGEST:
        raise UsageError(
            "--horizon", expected="a span such as `1 d` or `30 min`, at most 3650 d", found=repr(horizon), fix="Give it so."
        )
    return timedelta(seconds=span)


def _policy(name: str | None) -> "Target | None":
    match name:
        case "logged":
            return None
        case "popular":
            return lambda _exposures, popular: popular
        case "ranked":
            return lambda exposures, _popular: [-np.arange(len(one.choices), dtype=np.float64) for one in exposures]
    raise UsageError("--policy", expected="popular, ranked or logged", found=repr(name), fix="Or value a --release.")


def _released(house: House, surface: str, prefix: str) -> "tuple[Target, list[str]]":
    from ratoon.serving.exposures import released, unlogged

    registry = house.registry(surface)
    files = registry.load(chosen := registry.get(prefix))
    schema, towers, index, warnings = registry.schema(chosen), open_towers(files), house.indexes.load(files), list[str]()

    def target(exposures: "Sequence[Kept]", _popular: object) -> "Sequence[np.ndarray | None]":
        if missing := unlogged([one for one in exposures if one.features], schema):
            warnings.append(f"not in any logged row, and so missing for this release: {', '.join(missing)}")
        return released(exposures, schema, towers, index)

    return target, warnings


def _told(found: "Worth") -> list[str]:
    one, cover = found.worth, found.coverage
    known = f"{cover.known:.1%} name one of them, {cover.unknown:.1%} another request, {cover.missing:.1%} none"
    return [
        f"{one.n} decisions of {one.users} users in {found.exposures} explored answers",
        f"{one.matched} match, worth {one.effective:.0f} of the target's own; the largest weight is {one.max_weight:.1f}",
        f"left out: {found.young} answers younger than the horizon, {found.unranked} that the target cannot rank",
        f"of {cover.exposures} answers, a sample of {cover.sampled:.1%}, {cover.answered:.1%} were followed by any interaction",
        f"of {cover.interactions} interactions since the first of them {known}",
    ]


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
