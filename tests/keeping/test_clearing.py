"""What is needed stays, whatever happens in between; what is not needed goes, once."""

import os
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratoon import config
from ratoon.domain.retention import Retention
from ratoon.domain.trial import Terms
from ratoon.keeping.clearing import Clearing, clear
from ratoon.registry import FileRegistry
from ratoon.wiring import House
from tests.fakes import processes
from tests.fakes.events import batch, event
from tests.fakes.valkey import valkey
from tests.registry.releases import content, published, release

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEEP = Retention(releases=3, runs=2, checkpoints=7 * DAY, unfinished=DAY, backups=1)


class Nothing:
    """An exposure log that remembers how long it was asked to keep."""

    def __init__(self) -> None:
        self.kept: list[float] = []

    def expire(self, keep: float) -> int:
        self.kept.append(keep)
        return 0


@pytest.fixture
def empty(tmp_path: Path) -> House:
    """A home with one surface, `home`, and nothing in it."""
    (tmp_path / "ratoon.toml").write_text('[clock]\nmode = "log"\n\n[surfaces.home]\n')
    return House(config.load(tmp_path / "ratoon.toml", environment={}))


def cleared(house: House, policy: Retention = KEEP, *, dry_run: bool = False) -> Clearing:
    return clear(house, policy, Nothing(), NOW, dry_run=dry_run)


def whole(registry: FileRegistry) -> list[int]:
    """The releases that are listed, each of which can be read."""
    return [one.sequence for one in registry.releases() if registry.load(one)]


def test_the_newest_stay_and_can_be_read(empty: House) -> None:
    """A dry run names what then goes, and deletes nothing; what is left is whole, and a second run finds nothing."""
    registry = empty.registry("home")
    made = published(registry, 6)
    would = cleared(empty, dry_run=True)
    assert whole(registry) == [6, 5, 4, 3, 2, 1]
    done = cleared(empty)
    assert done.cleared == would.cleared
    assert [one.name for one in done.cleared] == [f"home {one.sequence} {one.id[:12]}" for one in made[:3]]
    assert whole(registry) == [6, 5, 4]
    assert cleared(empty).cleared == ()
    assert registry.rollback(made[3].id, "worse").sequence == 7


def test_what_a_trial_is_compared_with_stays(empty: House) -> None:
    """On trial beside the served release: both are there after a clearing that keeps one, and the trial can be promoted."""
    registry = empty.registry("home")
    made = published(registry, 3)
    tried = release(made[-1], content(9))
    registry.trials.begin(tried, content(9), Terms.parse("shadow", empty.settings.trial.guards))
    cleared(empty, replace(KEEP, releases=1))
    assert whole(registry) == [3]
    assert registry.trials.promote().sequence == 4


@pytest.mark.parametrize("fault", ["gc.decided", "registry.forgotten:1", "registry.forgotten:2"])
def test_killed_anywhere_the_next_run_goes_on(empty: House, fault: str) -> None:
    """What is served and kept is whole at any moment, and the next clearing leaves no folder of the others."""
    registry = empty.registry("home")
    published(registry, 6)
    assert processes.run(lambda: cleared(empty), fault) == processes.KILLED
    assert whole(registry)[:3] == [6, 5, 4]
    cleared(empty)
    assert whole(registry) == [6, 5, 4]
    folders = {path.name[:6] for path in (empty.home / "releases" / "home").iterdir() if path.is_dir() and path.name != "runs"}
    assert folders == {"000004", "000005", "000006"}


def test_beside_publications_and_rollbacks(empty: House) -> None:
    """Others publish and roll back while it clears again and again: none of them ever finds what it needs gone."""
    registry = empty.registry("home")
    published(registry, 4)

    def work() -> None:
        mine = FileRegistry(empty.home / "releases", "home")
        for number in range(20, 45):
            new = release(mine.current(), content(number))
            mine.publish(new, content(number))
            mine.rollback(None, "worse")
            mine.resume()

    pid = processes.start(work)
    for _ in range(60):
        cleared(empty)
    assert processes.end(pid) == processes.DONE
    cleared(empty)
    assert len(whole(registry)) == 3


def aged(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"123")
    stamp = (NOW - days * DAY).timestamp()
    os.utime(path, (stamp, stamp))
    return path


def test_files_of_the_dead_go_when_they_are_old(empty: House) -> None:
    """Unfinished files and checkpoints of their age go, younger ones and all else stay; exposures as `[exposures] keep` says."""
    old = aged(empty.home / "features" / "v" / ".part-1.parquet.7.new", 1.5)
    young = aged(empty.home / "features" / "v" / ".part-2.parquet.7.new", 0.5)
    part = aged(empty.home / "features" / "v" / "part-1.parquet", 100)
    training = empty.home / "releases" / "home" / "training"
    checkpoint = aged(training / "passes.checkpoint", 8)
    shown = Nothing()
    done = clear(empty, KEEP, shown, NOW)
    assert {(one.what, one.name, one.size) for one in done.cleared} == {
        ("unfinished file", old.relative_to(empty.home).as_posix(), 3),
        ("checkpoint", checkpoint.relative_to(empty.home).as_posix(), 3),
    }
    assert (old.exists(), checkpoint.exists(), young.exists(), part.exists()) == (False, False, True, True)
    assert shown.kept == [90 * 86_400.0]


def test_what_was_shown_stays_where_it_never_goes(tmp_path: Path) -> None:
    """`[exposures] keep` is the one setting of it, for `ratoon gc`, too: with `never` nothing is asked to go."""
    (tmp_path / "ratoon.toml").write_text('[exposures]\nkeep = "never"\n')
    shown = Nothing()
    clear(House(config.load(tmp_path / "ratoon.toml", environment={})), KEEP, shown, NOW)
    assert shown.kept == []


def test_a_refresh_at_work_keeps_what_is_its_own(empty: House) -> None:
    """Its checkpoint and the runs are left alone, and that is said; releases go all the same."""
    registry = empty.registry("home")
    published(registry, 5)
    checkpoint = aged(empty.home / "releases" / "home" / "training" / "passes.checkpoint", 8)
    with registry.lease():
        done = cleared(empty)
    assert done.skipped == (f"runs and checkpoint of surface 'home': process {os.getpid()} at work",)
    assert checkpoint.exists()
    assert whole(registry) == [5, 4, 3]


def test_mapped_indexes_that_nobody_needs(empty: House) -> None:
    """Where servers hold their own indexes, all files that they could be mapped from go, with their seals."""
    folder = empty.home / "cache" / "index"
    aged(folder / "a.ivf", 1)
    aged(folder / "a.ivf.sha256", 1)
    assert [(one.what, one.name) for one in cleared(empty).cleared] == [("mapped index", "cache/index/a.ivf")]
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_the_stream_lets_go_of_what_every_server_has(tmp_path: Path) -> None:
    """With `[retention] stream` its old entries go, a dry run says how many and of what size, and the log keeps all events."""
    with valkey(appendonly="yes", appendfsync="always") as url:
        stream = f'[events]\nstore = "redis"\nurl = "{url}"\n\n[retention]\nstream = "7 d"\n'
        (tmp_path / "ratoon.toml").write_text(f'[clock]\nmode = "log"\n\n{stream}')
        house = House(config.load(tmp_path / "ratoon.toml", environment={}))
        with closing(house.log) as log:
            for days in (30, 20, 10, 1):
                log.append(batch(event(f"e{days}", event_timestamp=NOW - days * DAY)))
            policy, until = house.settings.retention.policy, time.monotonic() + 20
            while not (would := cleared(house, policy, dry_run=True)).cleared or would.skipped:
                assert time.monotonic() < until
            assert [(one.what, one.name) for one in would.cleared] == [("entries of the stream", "3 up to offset 3")]
            assert would.cleared[0].size > 0
            assert cleared(house, policy).cleared == would.cleared
            assert cleared(house, policy).cleared == ()
            assert log.read(0).num_rows == 4
