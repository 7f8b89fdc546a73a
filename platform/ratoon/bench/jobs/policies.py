"""The plan that decides for itself beside one that has all layers learn every hour, over the newest days of a real set.

What each recommends is asked about every event before that is learnt, see `ratoon.bench.backtests`.
"""

from pathlib import Path

from ratoon import config
from ratoon.bench.backtests import K, Told, history, replay, told
from ratoon.bench.row import Row, at_least, at_most, not_run

SET, DAYS = "movietweetings-100k", 14
"""The folder beside the scratch folder that holds the set; how many of its days are replayed at scale 1."""

HOURLY = {"every": "1 h", "plan": {"scope": "dense"}}
ADAPTIVE = {"every": "1 h", "plan": {"least": 100, "patience": "6 h"}}

RECALL, COST = f"recall@{K}, adaptive plan / hourly dense", "CPU seconds, adaptive plan / hourly dense"


def rows(folder: Path, scale: float) -> list[Row]:
    """Quality and cost over `DAYS` x `scale` days."""
    source = folder.parent / SET
    if not source.is_dir():
        why = f"{source.parent} has no folder {SET}"
        return [not_run(RECALL, ">= 1", why), not_run(COST, "<= 0.25", why)]
    days = max(1, round(DAYS * scale))
    past = history(source, days, folder)
    settings = config.Settings(paths=config.Paths(feature_repo=config.load().paths.feature_repo))
    policies = {name: config.Policy.model_validate(one) for name, one in (("hourly dense", HOURLY), ("adaptive", ADAPTIVE))}
    fixed, adaptive = told(list(replay(folder / "homes", settings, "default", past, policies, lambda _what, _share: None)))
    return rows_of(fixed, adaptive, days)


def rows_of(fixed: Told, adaptive: Told, days: int) -> list[Row]:
    """The rows that two policies give, the second told beside the first."""
    ours, theirs, beside = adaptive.recall.mean, fixed.recall.mean, adaptive.difference
    assert beside is not None
    bounds = f"difference {beside.mean:+.4f} [{beside.low:+.4f}, {beside.high:+.4f}]"
    said = f"{days} days of {SET}: {theirs:.4f} against {ours:.4f}, {bounds}, {adaptive.questions:,} questions"
    spent = f"{fixed.cpu_seconds:,.0f} against {adaptive.cpu_seconds:,.0f}; {_did(fixed)}; {_did(adaptive)}"
    ratio = ours / theirs if theirs else float(ours > 0)
    return [at_least(RECALL, ratio, 1.0, said), at_most(COST, adaptive.share, 0.25, spent)]


def _did(one: Told) -> str:
    return f"{one.policy}: " + ", ".join(f"{count} x {name}" for name, count in one.scopes.items())
