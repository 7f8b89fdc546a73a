"""Whether a job runs now, and why or why not: a pure function of its settings, its past and the present."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ratoon.config import Job, When
from ratoon.domain.duration import duration
from ratoon.jobs.run import AGAIN, Run, Trigger
from ratoon.jobs.slots import Slot, between, delay, following, upto


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a surface's next release.

    Attributes:
        start, end: the log's offsets after which and up to which events wait.
        oldest: when the first of them arrived; None if none waits.
        now: the present by the configured clock, which `oldest` is on.
        drift: the PSI beyond chance that the newest drift job since the release found; None without one.
    """

    start: int
    end: int
    oldest: datetime | None
    now: datetime
    drift: float | None = None

    @property
    def rows(self) -> int:
        """How many events wait."""
        return self.end - self.start

    @property
    def age(self) -> float:
        """For how many seconds the first has waited; 0 if none waits."""
        return max(0.0, (self.now - self.oldest).total_seconds()) if self.oldest else 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with a job now.

    Attributes:
        slot: the one to run; None for none.
        trigger: what its run is started by.
        reason: why, in words.
        missed: slots whose time has passed by more than the job's grace without a run.
        next: when the schedule has its next slot; None where data decide.
    """

    slot: Slot | None
    trigger: Trigger
    reason: str
    missed: tuple[Slot, ...] = ()
    next: datetime | None = None


def decide(name: str, job: Job, past: Sequence[Run], waiting: Waiting | None, now: datetime, paused: str = "") -> Decision:
    """What to do with a job.

    Args:
        past: its runs, newest first, those by hand left out.
        waiting: for a job that data start.
        now: the machine's clock.
        paused: why it rests; empty if it does not.
    """
    if paused:
        return Decision(None, "schedule", f"paused: {paused}", next=following(job, now))
    if past and past[0].status == "running" and past[0].lease > now:
        told = f"run {past[0].id} has been at work since {past[0].started:%H:%M:%S}"
        return Decision(None, "schedule", told, next=following(job, now))
    if job.when is not None:
        return _by_data(job, job.when, past, waiting, now)
    return _by_schedule(name, job, past, now)


def _by_schedule(name: str, job: Job, past: Sequence[Run], now: datetime) -> Decision:
    following_slot = following(job, now)
    pending = [slot for slot in _pending(job, past, now) if now >= slot.at + delay(name, job, slot)]
    missed = tuple(slot for slot in pending if (now - slot.at).total_seconds() > job.misfire)
    taken = {"none": [slot for slot in pending if slot not in missed][-1:], "last": pending[-1:], "all": pending[:1]}[
        job.catch_up
    ]
    if taken:
        late = f", {duration((now - taken[0].at).total_seconds())} ago"
        more = f"; {len(missed)} slots were missed since {missed[0].at:%Y-%m-%d %H:%M}" if missed else ""
        return Decision(taken[0], "schedule", f"due at {taken[0].at:%Y-%m-%d %H:%M:%S}{late}{more}", missed, following_slot)
    if past and (again := _again(job, past, now)):
        return Decision(*again, missed=missed, next=following_slot)
    return Decision(None, "schedule", _nothing(past, following_slot), missed, following_slot)


def _pending(job: Job, past: Sequence[Run], now: datetime) -> list[Slot]:
    """The slots that have had no run, oldest first; of a job without a past only the newest, if that is not too long ago."""
    if not past:
        newest = next(upto(job, now), None)
        return [newest] if newest and (now - newest.at).total_seconds() <= job.misfire else []
    last, pending = past[0], between(job, max(run.at for run in past), now)
    if job.overlap == "wait" or last.ended is None:
        return pending
    return [slot for slot in pending if not last.started < slot.at <= last.ended]


def _by_data(job: Job, when: When, past: Sequence[Run], waiting: Waiting | None, now: datetime) -> Decision:
    if waiting is None:
        return Decision(None, "data", "what waits is not known")
    asked, key = _asked(when, waiting)
    if not asked:
        return Decision(None, "data", f"waits for data: {_lacking(when, waiting)}")
    slot = Slot(key, now, past[0].at if past else waiting.oldest or now)
    mine = [run for run in past if run.slot == key]
    if not mine:
        return Decision(slot, "data", "; ".join(asked))
    if again := _again(job, mine, now):
        return Decision(*again)
    return Decision(None, "data", f"run {mine[0].id} has answered this ({mine[0].status}): {'; '.join(asked)}")


def _asked(when: When, waiting: Waiting) -> tuple[list[str], str]:
    """What asks for a run, and the slot's key: another one each time as much again has come."""
    asked, key = [], f"after {waiting.start}"
    if when.rows is not None and waiting.rows >= when.rows:
        asked.append(f"{waiting.rows} events wait, {when.rows} are enough")
        key += f", {waiting.rows // when.rows} x {when.rows} rows"
    if when.age is not None and waiting.age >= when.age:
        asked.append(f"the oldest of {waiting.rows} events has waited for {duration(waiting.age)}")
        key += f", {int(waiting.age // when.age)} x {duration(when.age)}"
    if when.drift is not None and waiting.drift is not None and waiting.drift >= when.drift:
        asked.append(f"inputs drifted by a PSI of {waiting.drift:.2f} beyond chance")
        key += f", drift {waiting.drift:.3f}"
    return asked, key


def _lacking(when: When, waiting: Waiting) -> str:
    said = []
    if when.rows is not None:
        said.append(f"{waiting.rows} of {when.rows} events")
    if when.age is not None:
        said.append(f"the oldest has waited for {duration(waiting.age)} of {duration(when.age)}")
    if when.drift is not None:
        said.append(f"drift is {'not measured' if waiting.drift is None else f'{waiting.drift:.2f}'}, {when.drift:g} is asked")
    return ", ".join(said)


def _again(job: Job, past: Sequence[Run], now: datetime) -> tuple[Slot | None, Trigger, str] | None:
    """The newest run's slot once more, if that may go well and it is time; None if it must not be tried again.

    Args:
        past: runs, newest first, at least one.
    """
    last = past[0]
    if last.status == "running":  # its lease has run out, and the ledger does not know yet
        return (
            Slot(last.slot, last.at, last.since),
            last.trigger,
            f"nobody has heard of run {last.id} since {last.lease:%H:%M:%S}",
        )
    if last.status not in AGAIN or last.ended is None or last.attempt > job.retries:
        return None
    pause = 0.0 if last.status == "stopped" else job.backoff * 2 ** (last.attempt - 1)
    due = last.ended + timedelta(seconds=pause)
    said = f"run {last.id} was {last.status}; try {last.attempt + 1} of {job.retries + 1}"
    if now < due:
        return None, last.trigger, f"{said} is at {due:%H:%M:%S}"
    return Slot(last.slot, last.at, last.since), last.trigger, said


def _nothing(past: Sequence[Run], following_slot: datetime | None) -> str:
    said = f"run {past[0].id} was the last ({past[0].status}); " if past else ""
    return f"{said}the next is due at {following_slot:%Y-%m-%d %H:%M:%S}" if following_slot else f"{said}nothing is due"
