"""The log that servers share, beyond what every log promises."""

import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from ratoon.domain.errors import StoreError
from ratoon.events import streams
from ratoon.events.streams import StreamEventLog
from ratoon.events.trimming import arrived
from tests.fakes.events import START, batch, event
from tests.fakes.valkey import valkey

SAFE = {"appendonly": "yes", "appendfsync": "always"}


def opened(folder: Path, url: str) -> StreamEventLog:
    return StreamEventLog(folder / "events.sqlite", "wall", lambda: START, url)


def test_servers_share_one_log(tmp_path: Path) -> None:
    """Two copies that append by turns have the same events at the same offsets, each id once; what both have can be trimmed."""
    with (
        valkey(**SAFE) as url,
        closing(opened(tmp_path / "one", url)) as one,
        closing(opened(tmp_path / "two", url)) as two,
    ):
        for number in range(6):
            (one, two)[number % 2].append(batch(event(f"e{number}"), event("both")))
        until = time.monotonic() + 20
        while (one.end(), two.end()) != (7, 7) and time.monotonic() < until:
            time.sleep(0.01)
        assert one.read(0).equals(two.read(0))
        assert one.read(0).column("event_id").to_pylist() == ["e0", "both", "e1", "e2", "e3", "e4", "e5"]
        assert one.trim(START).entries == 0  # nothing has arrived before that
        later, dropped = START + timedelta(hours=1), 0
        while dropped < 5 and time.monotonic() < until:
            would = one.trim(later, dry_run=True)
            done = one.trim(later)
            assert (done.entries >= would.entries, done.size > 0) == (True, done.entries > 0)
            dropped += done.entries
        assert dropped == 5
        assert one.trim(later).entries == 0
        two.append(batch(event("later")))
        assert two.end() == 8
        with pytest.raises(StoreError, match="expected event 1, found"):
            opened(tmp_path / "three", url)


def test_a_server_that_could_lose_events_is_refused(tmp_path: Path) -> None:
    """Without every write synced the log does not open."""
    with valkey() as url, pytest.raises(StoreError, match="expected appendonly yes, appendfsync always, found appendonly no"):
        opened(tmp_path, url)


def test_a_server_that_lost_events_is_refused(tmp_path: Path) -> None:
    """Neither an emptied server nor one that lacks the newest events is taken for one that goes on."""
    with valkey(**SAFE) as url:
        with closing(opened(tmp_path, url)) as log:
            log.append(batch(event("a")))
            log.append(batch(event("b")))
        with closing(redis.Redis.from_url(url)) as server:
            server.xdel("ratoon:events", "2-0")
            with pytest.raises(StoreError, match="expected events up to 2, which were acknowledged, found 1 as the newest"):
                opened(tmp_path, url)
            server.flushall()
        with pytest.raises(StoreError, match="expected log .*, which this copy has, found log"):
            opened(tmp_path, url)


def test_without_its_server_a_copy_answers_and_takes_nothing(tmp_path: Path) -> None:
    """Reads go on when the server is gone; an append is an error, and not acknowledged."""
    with valkey(**SAFE) as url:
        log = opened(tmp_path, url)
        log.append(batch(event("a")))
    with closing(log):
        with pytest.raises(StoreError, match="a Redis-protocol server that can be used"):
            log.append(batch(event("b")))
        assert (log.seen("u1"), log.end()) == (["i1"], 1)


def test_a_copy_that_is_behind_keeps_what_it_lacks(tmp_path: Path) -> None:
    """What one copy has not got stays in the stream and is said to be held by it; a moment between arrivals parts them."""
    with valkey(**SAFE) as url, closing(redis.Redis.from_url(url)) as server:
        moment = [START]
        with closing(StreamEventLog(tmp_path / "events.sqlite", "wall", lambda: moment[0], url)) as log:
            for number in range(6):
                moment[0] = START + timedelta(days=number)
                log.append(batch(event(f"e{number}", event_timestamp=START)))
            assert [arrived(log, START + timedelta(days=day, hours=12)) for day in range(-1, 7)] == [0, 1, 2, 3, 4, 5, 6, 6]
            server.xgroup_create("ratoon:events", "gone", id="2-0")
            until = time.monotonic() + 20
            while (done := log.trim(START + timedelta(days=3), dry_run=True)).held != ("gone", 2) and time.monotonic() < until:
                time.sleep(0.01)
            assert (done.entries, done.upto) == (2, 2)
            server.xgroup_destroy("ratoon:events", "gone")
            while (done := log.trim(START + timedelta(days=3))).held and time.monotonic() < until:
                time.sleep(0.01)
            left: Any = server.xrange("ratoon:events")
            assert [name for name, _ in left] == [b"4-0", b"5-0", b"6-0"]
            assert log.read(0).num_rows == 6


def test_a_server_that_says_nothing_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append that hears nothing is an error after a while, not a thread that hangs; sent again later, it counts once."""
    monkeypatch.setattr(streams, "SILENCE", 1.2)
    with valkey(**SAFE) as url, closing(redis.Redis.from_url(url)) as server, closing(opened(tmp_path, url)) as log:
        log.append(batch(event("a")))
        server.client_pause(1_500)
        with pytest.raises(StoreError, match="found TimeoutError: .* may be sent again"):
            log.append(batch(event("b")))
        log.append(batch(event("b"), event("c")))
        assert log.read(0).column("event_id").to_pylist() == ["a", "b", "c"]


def test_connections_that_were_cut_are_made_anew(tmp_path: Path) -> None:
    """A server that closes its connections, as one behind a balancer does with idle ones, costs no append."""
    with valkey(**SAFE) as url, closing(redis.Redis.from_url(url)) as server, closing(opened(tmp_path, url)) as log:
        log.append(batch(event("a")))
        server.client_kill_filter(_type="normal", skipme=True)
        assert log.append(batch(event("b"))).num_rows == 1
        assert log.read(0).column("event_id").to_pylist() == ["a", "b"]
