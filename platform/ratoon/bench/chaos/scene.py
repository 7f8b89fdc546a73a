"""One cell's home, and what has to hold there: nothing acknowledged lost or twice, a good release, and the next run repairs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ratoon.bench.chaos.cells import Cell
from ratoon.bench.chaos.victims import Ended, Victim, ratoon, run
from ratoon.bench.chaos.works import WORKS, backups
from ratoon.bench.chaos.world import Sight, seen


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a work leaves when nobody disturbs it.

    Attributes:
        before, after: the home.
        passed: the fault points, in order.
    """

    before: Sight
    after: Sight
    passed: tuple[str, ...]


@dataclass
class Scene:
    """One cell's home, and what was found out about it.

    Attributes:
        release: the id that an undisturbed refresh publishes.
        published: the id of the release that the harm itself has to lead to; empty where it leads to none.
        brief: leave out the refresh after a killed work that is none itself: its home does not differ from an undisturbed one.
        wrong: what did not hold.
        said: what the operator was told.
        lost, doubled: acknowledged events that are not in the log, or twice.
        acknowledged: how many events had been acknowledged when harm was done.
    """

    cell: Cell
    world: Path
    folder: Path
    calm: Undisturbed
    release: str
    brief: bool
    wrong: list[str] = field(default_factory=list)
    said: str = ""
    published: str = ""
    lost: int = 0
    doubled: int = 0
    acknowledged: int = 0

    @property
    def home(self) -> Path:
        """The home that harm is done to."""
        return self.folder / "home"

    def open(self) -> None:
        """Make the home."""
        shutil.copytree(self.world / WORKS[self.cell.work].base, self.home)

    def work(self) -> tuple[Callable[..., None], tuple[object, ...]]:
        """The stage's work on this home."""
        do, *arguments = WORKS[self.cell.work].begin(self.home, self.world)
        assert callable(do)
        return do, tuple(arguments)

    def run(self, fault: str = "") -> Ended:
        """Run the stage's work, to its end or to its death."""
        do, arguments = self.work()
        return run(self.folder, do, *arguments, fault=fault)

    def begun(self, fault: str = "") -> Victim:
        """The stage's work in a process that goes on beside us."""
        do, arguments = self.work()
        return Victim(self.folder, do, *arguments, fault=fault)

    def want(self, holds: bool, otherwise: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.wrong.append(otherwise)

    def intact(self, ended: Ended | None) -> Sight:
        """Nothing acknowledged is lost or doubled, and the current release is a good one; now, before any repair."""
        there = seen(self.home, self.folder)
        heard = int(ended.said.split()[-1]) if ended and self.cell.work in ("append", "push online") and ended.said.split() else 0
        self.acknowledged = max(self.acknowledged, self.calm.before.events + heard)
        self.lost = max(self.lost, self.acknowledged - there.distinct)
        self.doubled = max(self.doubled, there.events - there.distinct)
        self.want(self.lost == 0, f"{self.lost} acknowledged events are lost")
        self.want(self.doubled == 0, f"{self.doubled} events are there twice")
        self.want(not there.whole, f"the current release cannot be served: {there.whole}")
        good = {"", self.release, self.published, *self.calm.before.releases[:1], *self.calm.after.releases[:1]}
        answered = {release for release, _, _ in ended.value} if ended and self.cell.work == "adopt" and ended.said else set()
        # A server that could not adopt goes on with the release that it served, however old.
        self.want(answered <= {*good, *self.calm.before.releases}, f"answers are from {sorted(answered)}")
        self.want(
            not there.releases or there.releases[0] in good,
            f"release {there.releases[:1]} is served, which is none of the good ones",
        )
        return there

    def repaired(self, more: int = 0) -> None:
        """The work is run again, and the home is as if nothing had happened; then it publishes the release that it would have.

        Args:
            more: events that came meanwhile; then no more is asked than that all of them count, once.
        """
        again = self.run()
        self.want(again.code == 0, f"run again it ended with {again.code}: {last(again)}")
        if self.cell.work == "backup":
            self.restored()
        self.as_ever(more)

    def as_ever(self, more: int = 0) -> None:
        """See `repaired`; without running the work again."""
        there, work = self.intact(None), WORKS[self.cell.work]
        self.want(
            there.events == self.calm.after.events + more, f"{there.events} events instead of {self.calm.after.events + more}"
        )
        if not more:
            for name in work.goal:
                self.want(getattr(there, name) == getattr(self.calm.after, name), f"{name} is not as in an undisturbed home")
        if more or (work.refreshes and work.name != "refresh" and self.cell.fault == "kill -9" and not self.brief):
            self._refreshed(more)

    def _refreshed(self, more: int) -> None:
        done = run(self.folder, ratoon, self.home, "refresh")
        allowed = (0, 3) if more else (0,)  # the gate may refuse what came, with its reasons
        self.want(done.code in allowed, f"the refresh after it ended with {done.code}: {last(done)}")
        there = seen(self.home, self.folder)
        if done.code == 3:
            self.said = last(done)
        elif not more:
            self.want(there.releases[:1] == (self.release,), "the next release is not the one of an undisturbed home")
        self.want(not there.whole, there.whole)
        counted = there.counted + there.aside
        self.want(
            counted == there.interactions, f"{there.interactions} interactions, of which {counted} count or are in quarantine"
        )
        if self.cell.fault == "poisoned burst":
            self.want(there.aside > 0, "nothing is in quarantine")
            self.said = f"{there.aside} in quarantine"

    def restored(self) -> None:
        """The newest backup is whole, and a home again."""
        into = self.folder / "restored"
        shutil.copytree(self.home, into, ignore=shutil.ignore_patterns("var"))
        checked = run(self.folder, ratoon, self.home, "backup", "verify", str(backups(self.home)))
        done = run(self.folder, ratoon, into, "restore", str(backups(self.home)))
        self.want((checked.code, done.code) == (0, 0), f"restore: {last(checked)} {last(done)}")
        self.want(seen(into, self.folder) == seen(self.home, self.folder), "what is restored is not what was there")


def last(ended: Ended) -> str:
    """The end of what a process complained."""
    return " ".join(ended.complained.split())[-300:]
