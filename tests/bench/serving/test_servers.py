"""Servers are started as they are in production, asked with a key, and gone afterwards."""

import subprocess
from pathlib import Path

import httpx
import pytest

from ratoon.bench.serving import asking, proc, servers
from ratoon.bench.serving.truth import Found, Truth
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError


def test_a_world_is_served_and_answers_rightly(own: World) -> None:
    """Every answer of a real server on it has nothing wrong, all that it should hold, and a release to its name."""
    users = [1, 5, 8]
    truth = Truth(own, 0, users)
    with servers.ratoon(own) as server:
        with server.client() as http:
            for place, body in enumerate(asking.bodies(users)):
                found = Found.of(http.post("/v1/retrieve", json=body).raise_for_status().content)
                assert truth.wrong(place, found, asking.K) == ""
                assert truth.recall(place, found, asking.K) == 1.0
            filtered = asking.bodies(users, asking.FILTERS[0.05])[0]
            items = http.post("/v1/retrieve", json=filtered).raise_for_status().json()["candidates"]
            assert {one["item"]["category"] for one in items} == {"category 7"}
        assert 0 < server.ready_s < servers.READY_SECONDS
        assert server.cpu_seconds() > 0
        assert servers.current(server)["id"] == own.registry().get(None).id
    assert server.process.returncode is not None
    assert proc.memory_mb(server.pid, "Rss") == 0


def test_the_floor_answers_a_hundred_rows() -> None:
    """And reads and checks what it is asked."""
    with servers.floor() as server, server.client() as http:
        answer = http.post("/v1/retrieve", json={"user_id": "u1", "k": 100})
        assert len(answer.raise_for_status().json()["candidates"]) == 100
        assert http.post("/v1/retrieve", json={"k": 100}).status_code == httpx.codes.UNPROCESSABLE_ENTITY
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url)


def test_a_server_that_ends_is_not_waited_for(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it exited with is told at once."""
    monkeypatch.setattr(servers, "_has_keys", lambda: False)
    (own.home / "ratoon.toml").write_text("[serving]\nno_such_option = 1\n")
    with (
        pytest.raises(StoreError, match=r"/readyz: expected ready within 120 s, found exit 2 after .* s\. Read what it printed"),
        servers.ratoon(own),
    ):
        pass


def test_a_key_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one every request would be refused, which is not what is to be measured."""
    failed = subprocess.CompletedProcess([], 5, "", "no room\n")
    monkeypatch.setattr(servers, "_has_keys", lambda: True)
    monkeypatch.setattr(servers, "said", lambda *_words, **_more: failed)
    with pytest.raises(StoreError, match=r"ratoon keys create: expected a key, found no room\. Run it by hand"):
        servers.key_of(World(tmp_path, 1, 1))


def test_options_are_known_by_the_help_text() -> None:
    """`serve` has a --port, and nothing of this name."""
    assert servers.takes("--port")
    assert not servers.takes("--no-such-option")
