"""One person leaves a home, and nothing else changes for anybody."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ratoon import config
from ratoon.domain.errors import Conflict
from ratoon.domain.trial import Terms
from ratoon.jobs.ledger import Ledger
from ratoon.keeping.backup import backup
from ratoon.keeping.clearing import clear
from ratoon.keeping.forgetting import Forgotten, forget
from ratoon.refresh import refresh
from ratoon.serving.exposures import FILE, StoredExposures
from ratoon.serving.opening import open_app
from ratoon.wiring import House
from tests.fakes import processes
from tests.fakes.events import batch, event
from tests.fakes.serving_world import asking
from tests.fakes.work import run

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CANARY = "canary-5f2c91e7"


def forgotten(house: House, *, dry_run: bool = False) -> Forgotten:
    return forget(house, CANARY, StoredExposures(house.home / FILE), Ledger(house.home / "jobs.sqlite"), NOW, dry_run=dry_run)


def holding(home: Path) -> set[str]:
    """The files with the canary in their bytes, or in what they are packed from, whatever they are called."""
    found = set()
    for path in (path for path in home.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if data[:4] == b"PAR1":
            data += _unpacked(pq.ParquetFile(path).read())
        if data[:6] == b"ARROW1":
            data += _unpacked(pa.ipc.open_file(path).read_all())
        if CANARY.encode() in data:
            found.add(path.relative_to(home).as_posix())
    return found


def _unpacked(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


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
    _filled(house)
    backup(house, folder / "copies", NOW, 1)
    return folder


def _filled(house: House) -> None:
    """What a home has besides, when much has happened in it: each kind of file that can name somebody."""
    house.changed("user_profile", None)
    ledger, moment = Ledger(house.home / "jobs.sqlite"), NOW - timedelta(days=1)
    ledger.finish(run(id=0, status="failed", reason=f"no disk for {CANARY}", stderr=f"user {CANARY!r}: no disk"))
    ledger.finish(run(id=0, status="ok", reason="another one"))
    ledger.alarm("learn: failed", f"job 'learn': no disk for {CANARY}", moment, told=True)
    registry, home = house.registry("default"), house.home
    current = registry.get(None)
    trial = replace(current, id="7" * 64, parent=current.id, sequence=0)
    registry.trials.begin(trial, registry.load(current), Terms("shadow", 0.0))
    for left in (
        "releases/default/training/passes.checkpoint",
        "releases/default/.staging-1/user.safetensors",
        "quarantine/x.csv",
    ):
        (home / left).parent.mkdir(exist_ok=True)
        (home / left).write_text(f"1,{CANARY},a\n2,u1,b\n")
    (home / "cache" / "set").mkdir(parents=True, exist_ok=True)
    (home / "cache" / "set" / "ratings.csv").write_text(CANARY)
    (home / "features" / ".part-1.parquet.7.new").write_text(CANARY)
    (home / "audit.jsonl").write_text(json.dumps({"who": CANARY}) + "\n")


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
    uncounted = {"exposures": 1, "complaints of runs": 2}
    assert would.done == {**done.done, **dict.fromkeys(uncounted)}
    assert uncounted.items() <= done.done.items()
    assert all(done.done.values()), done.done
    ends = {one.where.partition(":")[0]: one.until for one in done.left}
    left = stated(holding(planted.home))
    assert left == {
        "release 2 of surface 'default'",
        "the release on trial of surface 'default'",
        "cache/",
        "files that were never finished",
        "audit.jsonl",
    }
    assert left <= ends.keys()
    assert "backups made before" in ends
    assert holding(planted.home.parent / "copies")
    assert [one.stderr for one in Ledger(planted.home / "jobs.sqlite").newest(5)] == ["", ""]

    others = log.filter(pc.invert(pc.equal(log.column("user_id"), CANARY).combine_chunks().fill_null(False)))
    now = planted.log.read(0)
    assert now.filter(pc.is_in(now.column("offset"), others.column("offset").combine_chunks())).equals(others)
    assert planted.log.end() == end + 1
    assert now.column("offset").to_pylist() == list(range(1, end + 2))
    assert planted.log.history("user", [CANARY]).num_rows == 0

    planted.registry("default").trials.end("enough was seen")
    planted.log.append(batch(event("after", event_timestamp=planted.log.now())))
    assert refresh(planted.workshop("default"), planted.stopwatch(), "full").outcome == "published"
    planted.features("default").materialize()
    assert planted.parity(30, 0).differences == ()
    current = planted.registry("default").get(None)
    assert not any(CANARY.encode() in data for data in planted.registry("default").load(current).values())
    again = forgotten(planted)
    assert set(again.done.values()) == {0}

    # All deadlines that were stated come true.
    shutil.rmtree(planted.home / "cache")
    (planted.home / "audit.jsonl").unlink()
    later = datetime.now(UTC) + timedelta(days=2)
    clear(planted, replace(planted.settings.retention.policy, releases=1), StoredExposures(planted.home / FILE), later)
    assert holding(planted.home) == set()
    backup(planted, planted.home.parent / "copies", NOW, 1)
    assert holding(planted.home.parent / "copies") == set()


def stated(files: set[str]) -> set[str]:
    """How what is left says where these files are."""
    said = {
        "releases/default/000002": "release 2 of surface 'default'",
        "releases/default/trial": "the release on trial of surface 'default'",
    }
    said |= {"cache/": "cache/", "features/.part": "files that were never finished", "audit": "audit.jsonl"}
    return {next((where for start, where in said.items() if name.startswith(start)), name) for name in files}


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
    done = forgotten(planted)
    assert stated(holding(planted.home)) <= {one.where.partition(":")[0] for one in done.left}


def test_not_beside_a_refresh(house: House) -> None:
    """A refresh has read what is to be forgotten, so it has to end first."""
    with house.registry("default").lease(), pytest.raises(Conflict, match="expected no other refresh of surface 'default'"):
        forgotten(house)


def test_an_empty_home_has_nobody(tmp_path: Path, house: House) -> None:
    """Where there is nothing, nothing is deleted."""
    paths = house.settings.paths.model_copy(update={"home": tmp_path / "none"})
    done = forgotten(House(house.settings.model_copy(update={"paths": paths})))
    assert set(done.done.values()) == {0}
