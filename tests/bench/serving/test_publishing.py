"""Publications and rollbacks follow each other as they are asked for."""

import json
from itertools import pairwise

import pytest

from ratoon.bench.serving import publishing
from ratoon.bench.serving.publishing import adopt, edition_hashes, rebuild
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError
from tests.bench.serving.stub import http, listening


def test_each_release_is_unlike_the_one_before(own: World) -> None:
    """As many as asked for, the rollbacks spread among them, and no edition twice in a row."""
    told = list(adopt(own, 6, 2, 0.0))
    editions = [0, *(one["edition"] for one in told)]
    assert [one["scope"] for one in told].count("rollback") == 2
    assert len(told) == 8
    assert all(one != other for one, other in pairwise(editions))
    assert [one["sequence"] for one in told] == list(range(2, 10))
    registry = own.registry()
    assert registry.held() == ""
    assert edition_hashes(own)[registry.get(None).files["user.safetensors"]] == editions[-1]


def test_the_next_release_waits_for_the_one_before_to_be_served(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By asking the server, with the key; one that does not come is an error."""
    current, asked = ["first"], list[bytes]()

    def answer(_number: int, request: bytes) -> bytes:
        asked.append(request)
        return http(200, json.dumps({"id": current[0]}).encode())

    monkeypatch.setattr(publishing, "SERVED_SECONDS", 0.3)
    with listening(answer) as port:
        served = publishing.awaiting(f"http://127.0.0.1:{port}", {"Authorization": "Bearer k"})
        release = own.publish(1)
        with pytest.raises(StoreError, match=r"release 2 served within 0 s, found another\. Look at what the server printed"):
            served(release)
        current[0] = release.id
        served(release)
    assert all(b"authorization: bearer k" in request.lower() for request in asked)
    waited: list[int] = []
    list(adopt(own, 2, 1, 0.0, lambda release: waited.append(release.sequence)))
    assert waited == [3, 4, 5]


def test_an_index_is_rebuilt_again_and_again(world: World) -> None:
    """Each time is told."""
    rebuilding = rebuild(world)
    assert all(float(str(next(rebuilding)["seconds"])) > 0 for _ in range(2))
