"""Several workers behind one address, as real processes over real sockets."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from ratoon.events import SqliteEventLog
from ratoon.serving.processes.terms import Terms
from tests.fakes.events import START
from tests.serving.processes.forked import NEVER, Server, listening


@contextmanager
def serving(home: Path, count: int = 2) -> Iterator[Server]:
    """Workers that all serve, and hold no connection."""
    with listening(home, count, NEVER, terms=Terms(drain_seconds=1.0)) as server:
        with client(server) as http:
            until(lambda: http.get("/metrics").text.count("\nratoon_worker_age_seconds{") == count)
        until(lambda: sum(map(sockets, server.workers)) == 0)
        yield server


def client(server: Server) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60)


def until(what: Callable[[], bool]) -> None:
    while not what():
        time.sleep(0.02)


def retrieved(http: httpx.Client) -> list[str]:
    answer = http.post("/v1/retrieve", json={"user_id": "known", "k": 5})
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["candidates"]]


def sockets(pid: int) -> int:
    """TCP connections of a process, its listening sockets left out."""
    inodes = {line.split()[9] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "01"}
    found = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += str(one.readlink()).removeprefix("socket:[").removesuffix("]") in inodes
        except FileNotFoundError:
            continue
    return found


def test_connections_are_spread_evenly(tmp_path: Path) -> None:
    """Of 16 connections that stay open every one of two workers has 8."""
    with serving(tmp_path) as server, ExitStack() as stack:
        clients = [stack.enter_context(client(server)) for _ in range(16)]
        assert [http.get("/healthz").status_code for http in clients] == [200] * 16
        assert [sockets(pid) for pid in server.workers] == [8, 8]


def test_what_one_worker_acknowledges_is_in_the_next_answer_of_the_other(tmp_path: Path) -> None:
    """60 times: an item that is posted to one worker, and its removal, show in the very next answer of the other."""
    with serving(tmp_path) as server, client(server) as one, client(server) as other:
        for http in (one, other):  # a connection each, and so a worker each
            assert retrieved(http)[0] == "r1-i0"
        assert [sockets(pid) for pid in server.workers] == [1, 1]
        for turn in range(60):
            giver, asker = (one, other) if turn % 2 else (other, one)
            item = f"new-{turn}"
            posted = giver.post("/v1/items", json={"item_id": item, "features": {"worth": 100 + turn, "title": "New"}})
            assert (posted.status_code, posted.json()["retrievable"]) == (202, "now")
            assert retrieved(asker)[0] == item
            assert asker.get(f"/v1/items/{item}").json()["item"]["title"] == "New"
            if turn % 4 == 0:
                assert asker.delete(f"/v1/items/{item}").status_code == 202
                assert item not in retrieved(giver)


def test_a_worker_that_dies_is_replaced(tmp_path: Path) -> None:
    """Under load a worker is killed: another takes its place, knows all that was acknowledged, and the rest go on answering."""
    stop, failed = threading.Event(), list[object]()

    def ask(server: Server) -> None:
        http = client(server)
        while not stop.is_set():
            try:
                if http.post("/v1/retrieve", json={"user_id": "known"}).status_code != 200:
                    failed.append("status")
            except httpx.TransportError:  # its connection was with the one that died
                http.close()
                http = client(server)
        http.close()

    with serving(tmp_path) as server:
        threads = [threading.Thread(target=ask, args=(server,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        with client(server) as http:
            assert http.post("/v1/items", json={"item_id": "kept", "features": {"worth": 500}}).status_code == 202
        for _ in range(3):
            first, last = server.workers
            os.kill(first, signal.SIGKILL)
            until(lambda gone=first: gone not in server.workers and len(server.workers) == 2)  # type: ignore[misc]
            assert last in server.workers
        stop.set()
        for thread in threads:
            thread.join()
        with ExitStack() as stack:
            for http in [stack.enter_context(client(server)) for _ in range(8)]:
                assert retrieved(http)[0] == "kept"
    assert failed == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_drain_fails_nothing(tmp_path: Path, count: int) -> None:
    """SIGTERM under load: callers that go when they are told to are all answered, by one process or two; the exit code is 0."""
    refused, answered, wrong = threading.Event(), list[int](), list[object]()

    def ask(server: Server) -> None:
        while not refused.is_set():
            with client(server) as http:
                closing = False
                while not closing and not refused.is_set():
                    try:
                        answer = http.post("/v1/retrieve", json={"user_id": "known"})
                    except httpx.ConnectError:  # nothing was asked: nobody listens any more
                        refused.set()
                        return
                    except httpx.TransportError as error:
                        wrong.append(error)
                        return
                    answered.append(answer.status_code)
                    closing = answer.headers.get("connection") == "close"

    with serving(tmp_path, count) as server:
        threads = [threading.Thread(target=ask, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(answered) > 200)
        server.send(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert server.ended() == 0
    assert (wrong, set(answered)) == ([], {200})


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Who cannot wait says it twice; the exit code tells that it did not end well."""
    with serving(tmp_path) as server, client(server) as http:
        assert retrieved(http)
        workers = server.workers
        server.send(signal.SIGTERM)
        until(lambda: http.get("/readyz").status_code == 503)
        server.send(signal.SIGTERM)
        assert server.ended() == 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_a_killed_server_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """The parent and all workers are killed while events come: every acknowledged one is in the log."""
    acknowledged = list[str]()

    def post(server: Server, name: int) -> None:
        with client(server) as http:
            try:
                for number in range(100_000):
                    event = {
                        "event_id": f"{name}-{number}",
                        "kind": "interaction",
                        "user_id": "u",
                        "item_id": "i",
                        "type": "click",
                    }
                    if http.post("/v1/events", json=event).status_code == 202:
                        acknowledged.append(event["event_id"])
            except httpx.TransportError:
                return

    with serving(tmp_path) as server:
        threads = [threading.Thread(target=post, args=(server, name)) for name in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: len(acknowledged) > 100)
        workers = server.workers
        for pid in (server.pid, *workers):
            os.kill(pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
    log = SqliteEventLog(tmp_path / "events.sqlite", "wall", lambda: START)
    try:
        assert set(acknowledged) <= set(log.read(0).column("event_id").to_pylist())
    finally:
        log.close()


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Workers whose parent was killed finish and end: none is left that nobody looks after."""
    with serving(tmp_path) as server:
        workers = server.workers
        server.process.kill()
        until(lambda: not any(_runs(pid) for pid in workers))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("count", [2, 3])
def test_any_worker_tells_the_sum(tmp_path: Path, count: int) -> None:
    """`/metrics` counts what all workers answered, whichever is asked."""
    with serving(tmp_path, count) as server, ExitStack() as stack:
        clients = [stack.enter_context(client(server)) for _ in range(count)]
        for http in clients:
            for _ in range(5):
                retrieved(http)
        wanted = f'ratoon_retrievals_total{{source="tower",surface="default"}} {5.0 * count}'
        for http in clients:
            until(lambda asked=http: wanted in asked.get("/metrics").text)  # type: ignore[misc]
