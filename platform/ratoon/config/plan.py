"""The sections [plan] and [drift] of ratoon.toml, and files of them: what is worth how much work, tried on history."""

import tomllib
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from ratoon.config.jobs import Period
from ratoon.config.sections import Section, mistakes
from ratoon.domain.drift import DriftPolicy
from ratoon.domain.errors import UsageError
from ratoon.domain.plan import PlanPolicy


class Plan(Section):
    """What is worth how much work: when to refresh at all, and when rows alone no longer do."""

    scope: Literal["auto", "rows", "dense", "full"] = Field(
        "auto", description="What every refresh does that finds something new; `auto`: what the rest of this section says."
    )
    least: int = Field(1, ge=1, description="Fewer waiting events are not worth a refresh")
    patience: Period = Field(3_600.0, description="until one of them has waited for so long, as `6 h`.")
    ageing: float = Field(0.25, gt=0, description="Growth of the log since the shared layers learnt at which they learn again.")
    settled: float = Field(0.05, ge=0, description="Growth before which nothing is taken for a reason to.")
    fallen: float = Field(
        0.2, gt=0, lt=1, description="Share of recall or ranking on new interactions whose certain loss is one."
    )
    churn: float = Field(0.25, gt=0, description="Share of the items, that came or went since, that is one.")
    bulk: float = Field(1.0, gt=0, description="What waits, as a multiple of what was learnt, at which all is learnt anew.")
    index_recall: float = Field(0.9, ge=0, le=1, description="Share of the exact answers below which the index is laid out anew.")
    budget: float = Field(inf, gt=0, description="CPU seconds of a day: what would exceed them gives way to less, or waits.")
    full: Literal["scratch", "window", "warm"] = Field(
        "scratch", description="What `full` learns: all from nothing, the newer half from nothing, or all on top of the release."
    )

    @property
    def policy(self) -> PlanPolicy:
        """The same for those who plan."""
        return PlanPolicy(**self.model_dump())


class Drift(Section):
    """How far the towers' inputs may move from what a release learnt; each limit is a PSI beyond what chance explains."""

    psi_warn: float = Field(0.25, ge=0, description="Said in reports from here on.")
    psi_full: float = Field(5.0, ge=0, description="Learnt anew from all history from here on.")
    psi_refuse: float = Field(8.0, ge=0, description="Not published from here on.")
    least: int = Field(50, ge=1, description="With fewer new users (or items, for an item's input) nothing is concluded.")

    @property
    def policy(self) -> DriftPolicy:
        """The same for those who measure drift."""
        return DriftPolicy(warn=self.psi_warn, full=self.psi_full, refuse=self.psi_refuse, least=self.least)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.psi_warn <= self.psi_full <= self.psi_refuse:
            raise ValueError("psi_warn <= psi_full <= psi_refuse is asked")
        return self


class Policy(Section):
    """A file for `ratoon backtest`: what `[plan]` and `[drift]` of ratoon.toml would be, and how often they are asked."""

    every: Period = Field(3_600.0, description="How often a refresh is begun, as `1 h`.")
    plan: Plan = Plan()
    drift: Drift = Drift()


def policies(files: Sequence[Path]) -> dict[str, Policy]:
    """The policies in some files, by the names of the files without their endings.

    Raises:
        UsageError: with every mistake in all of the files at once.
    """
    found: dict[str, Policy] = {}
    wrong: list[str] = []
    for file in files:
        try:
            if file.stem in found:
                raise ValueError("another file has the same name")
            found[file.stem] = Policy.model_validate(tomllib.loads(file.read_text()))
        except ValidationError as error:
            wrong += [f"{file}: {mistake}" for mistake in mistakes(error)]
        except (OSError, ValueError) as error:  # what is no TOML and no UTF-8 is a ValueError, too
            wrong.append(f"{file}: {error}")
    if wrong:
        fix = "Correct these; they are written as [plan] and [drift] in the shipped ratoon.toml, with `every` above them."
        raise UsageError("--policies", expected="valid policies", found="; ".join(wrong), fix=fix)
    return found
