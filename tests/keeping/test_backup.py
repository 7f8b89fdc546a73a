"""A home is copied while it is used, is put back whole, and answers as it did."""

import resource
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.keeping import manifest
from ratoon.keeping.backup import backup
from ratoon.keeping.restore import restore, verified
from ratoon.serving.opening import open_app
from ratoon.wiring import House
from tests.fakes import processes
from tests.fakes.events import batch, event
from tests.fakes.serving_world import asking

NOW = datetime(2026, 11, 1, tzinfo=UTC)
USERS = ("u1", "u2", "u7", "nobody")
PAGE = 4_096
"""Bytes of SQLite's."""


def answers(house: House) -> list[object]:
    """What the API says to some users, without what changes from request to request."""
    with asking(open_app(house)) as ask:
        found = [ask("POST", "/v1/retrieve", json={"user_id": user, "k": 10}).json() for user in USERS]
    return [(one["release"], one["candidates"]) for one in found]


def elsewhere(house: House, home: Path) -> House:
    """The same settings over another home."""
    paths = house.settings.paths.model_copy(update={"home": home})
    return House(house.settings.model_copy(update={"paths": paths}))


def test_a_restored_home_answers_as_before(house: House, tmp_path: Path) -> None:
    """Everybody's answer is the same, release and scores included, and the first home is not touched by what comes then."""
    before = answers(house)
    made = backup(house, tmp_path / "b", NOW, 3)
    there = elsewhere(house, tmp_path / "there" / "home")
    there.home.parent.mkdir()
    assert restore(tmp_path / "b", there.home) == made
    assert (made.position, made.releases) == (house.log.end(), {"default": house.registry("default").get(None).id})
    assert answers(there) == before
    with asking(open_app(there)) as ask:
        posted = {
            "event_id": "later",
            "kind": "interaction",
            "user_id": "u1",
            "item_id": "i1",
            "event_timestamp": NOW.isoformat(),
        }
        assert ask("POST", "/v1/events", json={"events": [posted]}).status_code < 300
    assert answers(house) == before
    assert there.features("default").ingest() == made.position + 1 - 3_000
    assert there.features("default").materialize()
    assert there.parity(20, 0).differences == ()


def test_nothing_in_a_backup_knows_of_later_events(house: House, tmp_path: Path) -> None:
    """Events are posted all the while: the backup has the first part of the log, and no online row of a later one."""
    stop, counted = threading.Event(), [0]

    def post() -> None:
        online = house.online()
        while not stop.is_set():
            counted[0] += 1
            house.log.append(batch(event(f"p{counted[0]}", event_timestamp=house.log.now())))
            online.refresh(["u1"])

    poster = threading.Thread(target=post)
    poster.start()
    try:
        made = backup(house, tmp_path / "b", NOW, 3)
    finally:
        stop.set()
        poster.join()
    there = elsewhere(house, tmp_path / "home")
    restore(tmp_path / "b", there.home)
    assert there.log.end() == made.position
    assert there.log.read(0).equals(house.log.read(0, made.position))
    shown = there.online().stored("u1")["user_activity"]
    there.online().refresh(["u1"])
    valued = there.online().stored("u1")["user_activity"]
    assert float(str(shown[1]["user_events"])) <= float(str(valued[1]["user_events"]))
    assert there.online().catch_up() >= 1
    assert there.online().stored("u1")["user_activity"] == valued


def test_what_is_there_is_not_written_again(house: House, tmp_path: Path) -> None:
    """A second backup of an unchanged home adds no object; the oldest goes, and what only it needed goes with it."""
    b = tmp_path / "b"
    backup(house, b, NOW, 2)
    first = {path: path.stat().st_mtime_ns for path in (b / "objects").glob("*/*")}
    again = backup(house, b, NOW, 2)
    assert {path: path.stat().st_mtime_ns for path in (b / "objects").glob("*/*")} == first
    house.log.append(batch(event("new", event_timestamp=house.log.now())))
    third = backup(house, b, NOW, 2)
    assert manifest.numbers(b) == [again.number, third.number] == [2, 3]
    assert {path.name for path in (b / "objects").glob("*/*")} == {*again.objects, *third.objects}
    assert verified(b, 2) == again
    assert third.position == again.position + 1


@pytest.mark.parametrize("fault", ["backup.object:4", "backup.before_log", "backup.before_manifest", "durable.written"])
def test_killed_in_the_middle_there_is_no_new_backup(house: House, tmp_path: Path, fault: str) -> None:
    """Nothing verifies that did not before; what is run again is a whole backup."""
    b = tmp_path / "b"
    assert processes.run(lambda: backup(elsewhere(house, house.home), b, NOW, 3), fault) == processes.KILLED
    with pytest.raises(UsageError, match="expected a folder with a backup, found none that was finished"):
        verified(b)
    made = backup(house, b, NOW, 3)
    assert verified(b) == made
    assert not list((b / "objects" / "new").iterdir())
    assert not list(b.glob(durable.UNFINISHED))


def test_a_flipped_byte_is_found(house: House, tmp_path: Path) -> None:
    """In an object or in the manifest: it is named, and nothing is restored."""
    b = tmp_path / "b"
    made = backup(house, b, NOW, 3)
    one = b / "objects" / made.files["events.sqlite"].sha256[:2] / made.files["events.sqlite"].sha256
    data = bytearray(one.read_bytes())
    data[len(data) // 2] ^= 1
    one.write_bytes(data)
    with pytest.raises(StoreError, match=f"{one}: expected SHA-256 {one.name}, found "):
        restore(b, tmp_path / "home")
    assert not (tmp_path / "home").exists()
    text = bytearray((b / "000001.json").read_bytes())
    text[-3] ^= 1
    (b / "000001.json").write_bytes(text)
    with pytest.raises(StoreError, match=r"000001\.json: expected SHA-256 "):
        verified(b)


def test_a_damaged_log_is_not_copied(house: House, tmp_path: Path) -> None:
    """Where its pages are not as SQLite wrote them it is named, and the sound backups before it are all that there are."""
    b, home = tmp_path / "b", tmp_path / "home"
    made = backup(house, b, NOW, 1)
    restore(b, home)
    log = home / "events.sqlite"
    data = bytearray(log.read_bytes())
    for page in range(PAGE, len(data), PAGE):
        data[page : page + 8] = bytes(8)
    log.write_bytes(data)
    with pytest.raises(StoreError, match=f"{log}: expected a sound SQLite file that can be copied, found ") as refused:
        backup(elsewhere(house, home), b, NOW, 1)
    assert refused.value.exit_code == 5
    assert verified(b) == made


def test_only_an_empty_home_is_restored_into(house: House, tmp_path: Path) -> None:
    """One with something in it is named and stays as it is; killed half-way there is no home, and the next try is whole."""
    b, home = tmp_path / "b", tmp_path / "home"
    made = backup(house, b, NOW, 3)
    home.mkdir()
    (home / "mine").write_text("x")
    with pytest.raises(UsageError, match=f"home: expected nothing there, or an empty folder, found {home}"):
        restore(b, home)
    (home / "mine").unlink()
    assert processes.run(lambda: restore(b, home), "restore.before_rename") == processes.KILLED
    assert not any(home.iterdir())
    restore(b, home)
    for name, copied in made.files.items():
        assert durable.sha256_file(home / name) == copied.sha256


def test_where_backups_may_be(house: House, tmp_path: Path) -> None:
    """Not in the home that they are of, and not among other things."""
    with pytest.raises(UsageError, match=f"folder: expected one outside of {house.home}, found"):
        backup(house, house.home / "b", NOW, 3)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "letter.txt").write_text("x")
    with pytest.raises(UsageError, match="expected an empty one, or one with backups, found .*docs with letter.txt"):
        backup(house, tmp_path / "docs", NOW, 3)


def test_a_full_disk_leaves_what_there_was(house: House, tmp_path: Path) -> None:
    """No room for the log: the error names the folder and exits with 5, and the backup before it is still whole."""
    b = tmp_path / "b"
    made = backup(house, b, NOW, 3)
    house.log.append(batch(event("new", event_timestamp=house.log.now())))

    def cramped() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(StoreError) as full:
            backup(elsewhere(house, house.home), b, NOW, 3)
        assert full.value.exit_code == 5

    assert processes.run(cramped) == processes.DONE
    assert verified(b) == made
