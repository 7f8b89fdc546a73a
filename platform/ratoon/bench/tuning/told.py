"""What a search found: the best settings beside those that are set now, and what of ratoon.toml to change. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np

from ratoon.bench.tuning.space import Value, Values
from ratoon.domain.intervals import Interval, clustered

DRAWS = 2_000

Outcome = Literal["unfinished", "nothing better", "not held", "better", "certainly better"]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One slice's questions, and whether each was answered by either settings.

    Attributes:
        users, weights: whose question each is, and what it counts; n of each.
    """

    users: Sequence[str]
    weights: Sequence[float]
    present: Sequence[bool]
    best: Sequence[bool] = ()

    def recall(self, hits: Sequence[bool]) -> float:
        """The share of the questions that were answered."""
        return float(np.average(np.asarray(hits, np.float64), weights=self.weights))


@dataclass(frozen=True, slots=True)
class Tuned:
    """What is told of a search.

    Attributes:
        outcome: `unfinished`: the settings that are set now are not measured on every slice yet, or no others are on those that
            are searched. `nothing better`: nothing that was tried. `not held`: the best of the searched slices is no better on
            the newest one. `better` there, or `certainly better`: the whole interval is above 0.
        seconds: by the clock, of all sessions; `tried` settings on all searched slices, `dropped` after some.
        present, best: recall at `k`, slice by slice, the newest one last; their medians.
        changed: name -> what is set and the best found, where they differ.
        searched: the difference on the slices that the best was chosen by, which flatters it.
        judged: the difference on the newest slice, which nothing was chosen by.
        apply: lines for ratoon.toml; empty if nothing should be changed.
    """

    surface: str
    outcome: Outcome
    seconds: float
    tried: int
    dropped: int
    k: int
    end: int
    questions: tuple[int, ...]
    present: tuple[float, ...]
    best: tuple[float, ...]
    median_present: float | None
    median_best: float | None
    changed: Mapping[str, tuple[Value, Value]]
    searched: Interval | None
    judged: Interval | None
    apply: str
    file: str


def told(
    about: tuple[str, int, int, str],
    sheets: Sequence[Sheet],
    now: Values,
    found: Values | None,
    seconds: float,
    counts: tuple[int, int],
) -> Tuned:
    """The figures.

    Args:
        about: the surface, the depth of recall, the end of what was looked at, and the study's file.
        sheets: of each slice that the present settings were asked, the newest last.
        now, found: the settings, by name; None if nothing better was found.
        counts: settings that were tried on all searched slices, and on some.
    """
    surface, k, end, file = about
    searched, judged = (_beside(some) if found else None for some in (sheets[:-1], sheets[-1:]))
    present = tuple(sheet.recall(sheet.present) for sheet in sheets)
    best = tuple(sheet.recall(sheet.best) for sheet in sheets) if found else ()
    changed = {name: (now[name], value) for name, value in (found or {}).items() if value != now[name]}
    outcome: Outcome = "nothing better" if counts[0] else "unfinished"
    if judged is not None:
        outcome = "certainly better" if judged.low > 0 else "better" if judged.mean > 0 else "not held"
    questions = tuple(len(sheet.users) for sheet in sheets)
    return Tuned(
        surface=surface,
        outcome=outcome,
        seconds=seconds,
        tried=counts[0],
        dropped=counts[1],
        k=k,
        end=end,
        questions=questions,
        present=present,
        best=best,
        median_present=median(present) if present else None,
        median_best=median(best) if best else None,
        changed=changed,
        searched=searched,
        judged=judged,
        apply=snippet(changed) if judged is not None and judged.mean > 0 else "",
        file=file,
    )


def _beside(sheets: Sequence[Sheet]) -> Interval:
    """The best settings' recall less the present ones', users resampled with all their questions of all slices."""
    users = [user for sheet in sheets for user in sheet.users]
    weights = np.concatenate([np.asarray(sheet.weights, np.float64) for sheet in sheets])
    ours, theirs = (
        np.array([hit for sheet in sheets for hit in getattr(sheet, name)], np.float64) for name in ("best", "present")
    )
    return clustered(users, ours, theirs, draws=DRAWS, rng=np.random.default_rng(0), weights=weights)


def snippet(changed: Mapping[str, tuple[Value, Value]]) -> str:
    """Lines for ratoon.toml, each with what it replaces."""
    lines = [f"{name} = {json.dumps(value)}  # instead of {json.dumps(now)}" for name, (now, value) in sorted(changed.items())]
    return "\n".join(["[training]", *lines])
