"""Two runs side by side: what went into them, what came of it, and what it took.

The same window, parent, seed and code give the same release, whoever runs it and how often it died before.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ratoon.domain.errors import UsageError
from ratoon.domain.release import Release
from ratoon.domain.report import Run as Refreshed
from ratoon.jobs.book import Book
from ratoon.jobs.run import Run
from ratoon.registry.differing import Tensors, compared
from ratoon.registry.scalars import scalars
from ratoon.wiring import House

MADE = ("published", "tried")
"""Verdicts of runs that made a release."""
PREFIX = re.compile("[0-9a-f]{4,64}")
TIMES = ("seconds", "cpu_seconds")

Value = str | int | float | None
Kind = Literal["asked", "work", "time"]


@dataclass(frozen=True, slots=True)
class Account:
    """All that is known of one run, from the ledger, from what it kept of itself, and from its release.

    Attributes:
        run: None for a refresh that no job was.
        record: None where none is kept.
        release: what it made; None if it made none, or that is not kept any more.
    """

    name: str
    run: Run | None
    record: Refreshed | None
    release: Release | None


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known of two runs.

    Attributes:
        kind: `asked`: how it came about; `work`: what it was given and what it did; `time`: what it took, never twice the same.
        a, b: None where it is not known.
    """

    kind: Kind
    name: str
    a: Value
    b: Value

    @property
    def differs(self) -> bool:
        """Whether it is another in the second run."""
        return self.a != self.b and not (_is_nan(self.a) and _is_nan(self.b))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        same_work: nothing of the kind `work` differs.
        same_release: both made a release, and it is one.
        tensors: of the two releases; None unless there are two, and both are kept.
    """

    a: str
    b: str
    same_work: bool
    same_release: bool
    facts: tuple[Fact, ...]
    tensors: Tensors | None


def account(house: House, book: Book, said: str) -> Account:
    """A run by its id, or by the beginning of the id of the release that it made.

    Raises:
        UsageError: there is none like that, or there are several.
    """
    run = book.ledger.get(int(said)) if said.isascii() and said.isdigit() and len(said) < 19 else None
    if run is not None:
        return Account(f"run {run.id}", run, book.record(run), _made(house, run))
    found = dict(_by_release(house, book, said)) if PREFIX.fullmatch(said) else {}
    if len(found) != 1:
        raise UsageError(
            "run",
            expected="the id of a run that is kept, or the beginning of the id of a release that one made",
            found=f"{said!r}, which fits {len(found)} releases" if found else repr(said),
            fix="`ratoon runs list` and `ratoon report --list` list them.",
        )
    return next(iter(found.values()))


def comparison(a: Account, b: Account, of_a: House, of_b: House) -> Comparison:
    """What differs between two runs; their homes may be different ones, such as one and a backup of it that was restored.

    Raises:
        StoreError: a release's file has not the bytes that were published.
    """
    here, there = _facts(a), _facts(b)
    facts = tuple(Fact(kind, name, here.get((kind, name)), there.get((kind, name))) for kind, name in {**here, **there})
    tensors = None
    if a.release and b.release:
        first = of_a.registry(a.release.surface).load(a.release)
        tensors = compared(first, of_b.registry(b.release.surface).load(b.release))
    same = bool(a.release and b.release and a.release.id == b.release.id)
    work = [fact for fact in facts if fact.kind == "work"]
    return Comparison(a.name, b.name, not any(fact.differs for fact in work), same, facts, tensors)


def _by_release(house: House, book: Book, prefix: str) -> Iterator[tuple[str, Account]]:
    """Release id -> the run that made it; a run of the ledger is named rather than the refresh that it was."""
    for surface in house.settings.surfaces:
        registry = house.registry(surface)
        kept = {release.id: release for release in registry.releases() if release.id.startswith(prefix)}
        records = {one.report.release: one for one in reversed(registry.runs.all()) if one.report.outcome in MADE}
        for made in {*kept, *(known for known in records if known.startswith(prefix))}:
            record = records.get(made)
            name = f"refresh {record.number} of {surface}" if record else f"release {made[:12]}"
            yield made, Account(name, None, record, kept.get(made))
    for run in reversed(book.ledger.of_release(prefix)):
        if run.verdict in MADE:
            yield run.release, Account(f"run {run.id}", run, book.record(run), _made(house, run))


def _made(house: House, run: Run) -> Release | None:
    if run.verdict not in MADE or run.surface not in house.settings.surfaces:
        return None
    return next((one for one in house.registry(run.surface).releases() if one.id == run.release), None)


def _facts(of: Account) -> Mapping[tuple[Kind, str], Value]:
    return {(kind, name): value for kind, name, value in (*_of_run(of), *_of_work(of), *_of_record(of))}


def _of_run(of: Account) -> Iterator[tuple[Kind, str, Value]]:
    if run := of.run:
        yield "asked", "job", run.job
        yield "asked", "trigger", run.trigger
        yield "asked", "slot", run.slot
        yield "asked", "attempt", run.attempt
        yield "asked", "started", f"{run.started:%Y-%m-%d %H:%M:%S}"
        yield "work", "do", run.do
        yield "work", "surface", run.surface
        yield "work", "code", run.version
        yield "work", "status", run.status
        yield "work", "rows", run.rows
        yield "time", "seconds", run.seconds
        yield "time", "CPU seconds", run.cpu_seconds
        yield "time", "most bytes of memory", run.max_rss
        yield "time", "cost", run.cost
        for name, figure in run.figures.items():
            yield "work", name, figure


def _of_work(of: Account) -> Iterator[tuple[Kind, str, Value]]:
    run, record, release = of.run, of.record, of.release
    window = run.window if run else None
    if record and record.report.window:
        window = record.report.window.start, record.report.window.end
    elif release:
        window = release.window.start, release.window.end
    yield "work", "window", f"{window[0]} to {window[1]}" if window else None
    yield "work", "parent", record.parent if record else release.parent if release else run.parent if run else None
    yield "work", "seed", release.seed if release else None
    yield "work", "plan", record.report.plan.scope if record else release.scope if release else None
    yield "work", "verdict", record.report.outcome if record else run.verdict if run else None
    yield "work", "release", release.id if release else run.release if run else record.report.release if record else None
    yield "work", "reason", record.report.plan.reason if record else run.reason if run else None


def _of_record(of: Account) -> Iterator[tuple[Kind, str, Value]]:
    for tag, step, value in scalars(of.record) if of.record else ():
        group = tag.partition("/")[0]
        name = f"{tag} of pass {step}" if group == "loss" else tag.replace("_", " ")
        yield "time" if group in TIMES else "work", name, value


def _is_nan(value: Value) -> bool:
    return isinstance(value, float) and math.isnan(value)
