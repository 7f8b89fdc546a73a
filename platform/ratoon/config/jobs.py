"""The sections [jobs.NAME], [alerts] and [costs] of ratoon.toml: what runs by itself, at what price, and who hears of it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ratoon.config.sections import Section
from ratoon.domain.duration import seconds
from ratoon.domain.errors import UsageError
from ratoon.domain.trial import Terms

Operation = Literal["materialize", "refresh", "full", "index", "upkeep", "drift", "parity", "gc", "backup"]
"""What a job can do; how each is run stands in `ratoon.jobs.operations`."""

Upkeep = Literal["", "augment", "distil", "fuse", "prune", "quantise", "text", "transfer", "vectors"]
"""The operations that `upkeep` can do, as `ratoon.upkeep.OPERATIONS` names them; none for other jobs."""

FOLLOWING: tuple[Operation, ...] = ("refresh", "full")
"""Operations that take the events waiting away, and so may be started by them."""

OPTION, GIVEN = re.compile("[a-z][a-z0-9_]*"), ("surface", "json")
"""What an option of an operation is called, and those that a job gives by itself."""

RELEASING: tuple[Operation, ...] = (*FOLLOWING, "index", "upkeep")
"""Operations that make releases."""


def _span(said: object) -> float:
    span = seconds(said) if isinstance(said, str) else None
    if span is None:
        raise ValueError("a span such as `12 h`, `5 min` or `20 s` is asked")
    return span


def _some(span: float) -> float:
    if span <= 0:
        raise ValueError("a span longer than nothing is asked")
    return span


def _cron(said: str) -> str:
    try:
        next(CronSim(said, datetime(2000, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise ValueError(f"five fields of cron that come true some day are asked: {str(error) or 'never'}") from error
    return said


Span = Annotated[float, BeforeValidator(_span)]
"""Seconds, written as `5 min`; may be none."""
Period = Annotated[Span, AfterValidator(_some)]
"""Seconds, written as `5 min`."""
Cron = Annotated[str, AfterValidator(_cron)]
"""minute hour day-of-month month day-of-week, in UTC."""


def _trial(said: str) -> str:
    try:
        if said:
            Terms.parse(said)
    except UsageError as error:
        raise ValueError(f"{error.expected} is asked") from error
    return said


class When(Section):
    """Data that start a job: any of these is enough."""

    rows: int | None = Field(None, ge=1, description="So many events wait for the surface's next release.")
    age: Period | None = Field(None, description="The oldest event that waits arrived so long ago, as `5 min`.")
    drift: float | None = Field(None, gt=0, description="The newest run of a `drift` job found a PSI so far beyond chance.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.rows is None and self.age is None and self.drift is None:
            raise ValueError("at least one of rows, age and drift is asked")
        return self


class Job(Section):
    """One thing that is done again and again."""

    do: Operation = Field(description="What is done.")
    surface: str = Field("default", description="For which surface; what is one for all surfaces ignores it.")
    folder: str = Field("", description="The folder of backups that a `backup` adds to: an absolute path, outside of paths.home.")
    operation: Upkeep = Field("", description="What an `upkeep` does, as `ratoon upkeep` calls it.")
    options: dict[str, bool | int | float | str] = Field({}, description="Of that operation: `--loss 0.005` is `loss = 0.005`.")
    trial: Annotated[str, AfterValidator(_trial)] = Field(
        "", description="What becomes of what a `refresh` or `full` makes: `shadow` or `canary:PERCENT`; empty: it is published."
    )
    every: Period | None = Field(None, description="Once in each such span since 1970, as `10 min`.")
    cron: Cron | None = Field(None, description="At these times, in UTC.")
    when: When | None = Field(None, description="As soon as data ask for it.")
    misfire: Period = Field(
        3600.0, description="A run that could not start for so long is missed: it is said, and `catch_up` decides."
    )
    catch_up: Literal["none", "last", "all"] = Field(
        "last", description="Which of the missed runs are made good: none, the newest, or each in its order."
    )
    overlap: Literal["skip", "wait"] = Field(
        "skip", description="What becomes of a run that is due while the one before still runs: left out, or run after it."
    )
    timeout: Period = Field(3600.0, description="A run that takes longer is ended.")
    retries: int = Field(
        3, ge=0, description="How often a run that failed for want of a disk, a process or a lock is tried again."
    )
    backoff: Period = Field(10.0, description="How long before the first of these; twice as long before each further one.")
    jitter: Span = Field(0.0, description="Up to so long later, the same for all who ask, so that not everything starts at once.")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.do == "backup" and not Path(self.folder).is_absolute():
            raise ValueError("folder: `backup` asks for an absolute path, for it is run from wherever the worker is")
        if self.do != "backup" and self.folder:
            raise ValueError(f"folder: only `backup` has one, not `{self.do}`")
        return self

    @model_validator(mode="after")
    def _some_operation(self) -> Self:
        if self.do == "upkeep" and not self.operation:
            raise ValueError(f"operation: `upkeep` asks for one of {', '.join(filter(None, get_args(Upkeep)))}")
        if self.do != "upkeep" and (self.operation or self.options):
            raise ValueError(f"operation and options: only `upkeep` has them, not `{self.do}`")
        wrong = [name for name in self.options if not OPTION.fullmatch(name) or name in GIVEN]
        if wrong:
            raise ValueError(f"options: names as in `loss`, not {', '.join(map(repr, wrong))}; `surface` is the job's own")
        if self.trial and self.do not in FOLLOWING:
            raise ValueError(f"trial: only {' and '.join(FOLLOWING)} have one, not `{self.do}`")
        return self

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        said = [name for name in ("every", "cron", "when") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"exactly one of every, cron and when is asked, not {' and '.join(said) or 'none'}")
        if self.when and self.do not in FOLLOWING:
            raise ValueError(f"when: only {' and '.join(FOLLOWING)} take waiting events away; give `{self.do}` every or cron")
        return self


class Alerts(Section):
    """Who hears of what did not go well. It is logged in any case."""

    webhook: str = Field("", description="Where each alert and each recovery is posted as JSON; RATOON_WEBHOOK overrides it.")
    refusals: int = Field(3, ge=1, description="So many candidates of a surface refused in a row are an alert.")
    freshness: Period | None = Field(
        None, description="An event that waits for so long to be learnt is an alert; without it, never."
    )


class Costs(Section):
    """What runs cost; each is kept with what it was when it ended."""

    cpu_hour: float = Field(0.0, ge=0, description="An hour of one core, in whatever is paid with.")


def check(jobs: dict[str, Job], surfaces: dict[str, object]) -> dict[str, Job]:
    """The jobs, if what they name is there; ValueError with every one that is not."""
    drifting = {job.surface for job in jobs.values() if job.do == "drift"}
    wrong = [f"{name}: no surface {job.surface!r}" for name, job in jobs.items() if job.surface not in surfaces]
    wrong += [
        f"{name}: when.drift needs a job that does `drift` for surface {job.surface!r}"
        for name, job in jobs.items()
        if job.when and job.when.drift is not None and job.surface not in drifting
    ]
    wrong += [f"{name!r}: a name of letters, digits, - and _ is asked" for name in jobs if not _named(name)]
    if wrong:
        raise ValueError("; ".join(wrong))
    return jobs


def _named(name: str) -> bool:
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum()
