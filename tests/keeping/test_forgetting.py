"""One person leaves a home, and nothing else changes for anybody."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ratoon import config
from ratoon.domain.errors import Conflict
from ratoon.keeping.forgetting import Forgotten, forget
from ratoon.refresh import refresh
from ratoon.serving.exposures import FILE, StoredExposures
from ratoon.serving.opening import open_app
from ratoon.wiring import House
from tests.fakes import processes
from tests.fakes.events import batch, event
from tests.fakes.serving_world import asking

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CANARY = "canary-5f2c91e7"


def forgotten(house: House, *, dry_run: bool = False) -> Forgotten:
    return forget(house, CANARY, StoredExposures(house.home / FILE), NOW, dry_run=dry_run)


def holding(home: Path) -> set[str]:
    """The files with the canary in their bytes, or in what they are packed from."""
    found = set()
    for path in (path for path in home.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str).encode()
        if CANARY.encode() in data:
            found.add(path.relative_to(home).as_posix())
    return found


@pytest.fixture(scope="module")
def known(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with somebody who has a profile, interactions that were learnt, one wrong event, and an answer that was logged."""
    folder = tmp_path_factory.mktemp("known") / "house"
    shutil.copytree(bootstrapped, folder)
    house = House(config.load(folder / "ratoon.toml", environment={}))
    now = house.log.now()
    items = house.log.catalogue(house.log.end())[:12]
    told = [
        event(f"{CANARY}-{place}", user_id=CANARY, item_id=item, value=4.0, event_timestamp=now)
        for place, item in enumerate(items)
    ]
    told += [
        event(f"{CANARY}-p", kind="user", user_id=CANARY, item_id=None, features=json.dumps({"age": 33}), event_timestamp=now)
    ]
    house.log.append(batch(*told))
    wrong = house.log.append(batch(event(f"{CANARY}-w", user_id=CANARY, item_id=items[0], event_timestamp=now)))
    house.quarantine.put_aside(wrong.column("offset")[0].as_py(), wrong.column("offset")[0].as_py(), "by hand")
    assert refresh(house.workshop("default"), house.stopwatch(), "rows").outcome == "published"
    house.features("default").materialize()
    house.refused.note(event(f"{CANARY}-r", user_id=CANARY), "its clock ran ahead", now)
    with asking(open_app(_logging(house))) as ask:
        assert ask("POST", "/v1/retrieve", json={"user_id": CANARY, "k": 5}).status_code == 200
    return folder


@pytest.fixture
def planted(known: Path, tmp_path: Path) -> House:
    """The same, of one's own."""
    shutil.copytree(known, tmp_path / "planted")
    return House(config.load(tmp_path / "planted" / "ratoon.toml", environment={}))


def _logging(house: House) -> House:
    exposures = house.settings.exposures.model_copy(update={"share": 1.0})
    return House(house.settings.model_copy(update={"exposures": exposures}))


def test_a_canary_is_found_nowhere_but_where_it_is_said(planted: House) -> None:
    """After forgetting no file holds the id but those that are stated; nobody else's row, offset or answer has changed.

    The next refresh, ingestion and materialisation go on as ever, and a second forgetting finds nothing to do.
    """
    before = holding(planted.home)
    assert {name.partition("/")[0].removesuffix("-wal") for name in before} >= {
        "events.sqlite",
        "features",
        "exposures",
        "refused.sqlite",
    }
    assert any("online" in name for name in before)
    assert any("examples" in name for name in before)
    log, end = planted.log.read(0), planted.log.end()
    would = forgotten(planted, dry_run=True)
    assert holding(planted.home) == before
    done = forgotten(planted)
    assert {name: count for name, count in done.done.items() if name != "exposures"} == {
        name: count for name, count in would.done.items() if name != "exposures"
    }
    assert all(done.done[name] for name in ("quarantine", "events", "offline rows", "states", "training examples", "online rows"))
    assert done.done["refused events"] == 1
    assert done.done["exposures"] == 1
    stated = holding(planted.home)
    assert all(name.startswith("releases/") for name in stated), stated
    assert bool(stated) == any("user table" in one.where for one in done.left)

    others = log.filter(pc.invert(pc.equal(log.column("user_id"), CANARY).combine_chunks().fill_null(False)))
    now = planted.log.read(0)
    assert now.filter(pc.is_in(now.column("offset"), others.column("offset").combine_chunks())).equals(others)
    assert planted.log.end() == end + 1
    assert now.column("offset").to_pylist() == list(range(1, end + 2))
    assert planted.log.history("user", [CANARY]).num_rows == 0

    planted.log.append(batch(event("after", event_timestamp=planted.log.now())))
    assert refresh(planted.workshop("default"), planted.stopwatch(), "full").outcome == "published"
    planted.features("default").materialize()
    assert planted.parity(30, 0).differences == ()
    current = planted.registry("default").get(None)
    assert not any(CANARY.encode() in data for data in planted.registry("default").load(current).values())
    again = forgotten(planted)
    assert set(again.done.values()) == {0}


def test_a_running_log_notices(planted: House) -> None:
    """What a server remembers of whom somebody had is gone as soon as another process has forgotten them."""
    other = House(planted.settings)
    assert len(other.log.seen(CANARY)) == 12
    assert other.log.seen("u1")
    had = other.log.seen("u1")
    forgotten(planted)
    assert other.log.seen(CANARY) == []
    assert other.log.seen("u1") == had
    other.log.close()


@pytest.mark.parametrize("fault", ["features.forgotten:2", "forget.files", "forget.log"])
def test_killed_it_is_completed(planted: House, fault: str) -> None:
    """Killed anywhere, running it again leaves nothing behind."""
    assert processes.run(lambda: forgotten(House(planted.settings)), fault) == processes.KILLED
    forgotten(planted)
    assert all(name.startswith("releases/") for name in holding(planted.home))


def test_not_beside_a_refresh(house: House) -> None:
    """A refresh has read what is to be forgotten, so it has to end first."""
    with house.registry("default").lease(), pytest.raises(Conflict, match="expected no other refresh of surface 'default'"):
        forgotten(house)


def test_an_empty_home_has_nobody(tmp_path: Path, house: House) -> None:
    """Where there is nothing, nothing is deleted."""
    paths = house.settings.paths.model_copy(update={"home": tmp_path / "none"})
    done = forgotten(House(house.settings.model_copy(update={"paths": paths})))
    assert set(done.done.values()) == {0}
