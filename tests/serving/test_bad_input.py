"""Whatever is sent: a documented problem, and a server that goes on."""

import socket
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from ratoon.serving import create_app
from ratoon.serving.routes.problems import MEANINGS
from tests.fakes.serving_world import Ask, World, ids
from tests.serving.test_run import listening

JSON = {"Content-Type": "application/json"}
KNOWN = {"user_id": "known"}
YEAR = {"column": "title", "eq": "x"}
ODD = ["a/b", "/", "🎬", "a\nb", "a b", "%41", "..", "?#", "é", "x" * 256, "\u2028", "similar", "'; DROP TABLE events; --"]


def deep(levels: int) -> Any:
    part: Any = YEAR
    for _ in range(levels):
        part = {"not": part}
    return part


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("nonsense", 400, "malformed_body"),
        ('{"user_id": "known"', 400, "malformed_body"),
        ('{"user_id": "known"} {}', 400, "malformed_body"),
        ('{"user_id": "\\ud800"}', 400, "malformed_body"),
        (b'{"user_id": "\xff"}', 400, "malformed_body"),
        (b"\xef\xbb\xbf{}", 400, "malformed_body"),
        ("null", 422, "invalid"),
        ("[]", 422, "invalid"),
        ("7", 422, "invalid"),
        ('{"user_id": null}', 422, "invalid"),
        ('{"user_id": 7}', 422, "invalid"),
        ('{"user_id": ""}', 422, "invalid"),
        ('{"user_id": "' + "u" * 257 + '"}', 422, "invalid"),
        ('{"user_id": "u", "k": 0}', 422, "invalid"),
        ('{"user_id": "u", "k": -1}', 422, "invalid"),
        ('{"user_id": "u", "k": 1001}', 422, "invalid"),
        ('{"user_id": "u", "k": 1e400}', 422, "invalid"),
        ('{"user_id": "u", "k": NaN}', 422, "invalid"),
        ('{"user_id": "u", "k": "5"}', 422, "invalid"),
        ('{"user_id": "u", "k": ' + "9" * 5_000 + "}", 400, "malformed_body"),
        ('{"vector": [NaN, 1]}', 422, "invalid"),
        ('{"vector": [1e400, 1]}', 422, "invalid"),
        ('{"vector": [1e39, 1]}', 422, "invalid"),
        ('{"vector": [1, 2, 3]}', 409, "unfit"),
        ('{"user_id": "u", "vector": [1, 2]}', 422, "invalid"),
        ('{"user_features": {"mood": 1}}', 409, "unfit"),
        ('{"user_features": {"taste": "much"}}', 409, "unfit"),
        ('{"user_features": {"taste": true}}', 409, "unfit"),
        ('{"user_features": {"taste": [1]}}', 409, "unfit"),
        ('{"user_id": "u", "context": {"mood": 1}}', 409, "unfit"),
        ('{"item_ids": ["nowhere"]}', 404, "not_found"),
        ('{"user_id": "u", "filter": {"column": "year", "eq": 1}}', 409, "unfit"),
        ('{"user_id": "u", "filter": {"column": "title", "eq": 1}}', 409, "unfit"),
        ('{"user_id": "u", "filter": {"column": "title", "eq": null}}', 422, "invalid"),
        ('{"user_id": "u", "filter": {"column": "title", "in": []}}', 422, "invalid"),
        ('{"user_id": "u", "filter": []}', 422, "invalid"),
        ('{"user_id": "u", "filter": ' + "[" * 150 + "]" * 150 + "}", 422, "invalid"),
        ('{"user_id": "u", "filter": ' + "[" * 5_000 + "]" * 5_000 + "}", 400, "malformed_body"),
        ('{"user_id": "u", "surface": "elsewhere"}', 404, "unknown_surface"),
        ('{"user_id": "u", "__proto__": {}}', 422, "invalid"),
    ],
)
def test_a_question_that_is_wrong(ask: Ask, body: str | bytes, status: int, code: str) -> None:
    """Each kind of wrong body has its problem, which is explained, and the next question is answered."""
    answer = ask("POST", "/v1/retrieve", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert code in MEANINGS
    assert len(answer.content) < 20_000
    assert len(ids(ask("POST", "/v1/retrieve", json=KNOWN))) == 10


def test_filters_are_as_deep_as_allowed(ask: Ask) -> None:
    """Eight levels are read, nine are refused where the ninth is."""
    assert ask("POST", "/v1/retrieve", json=KNOWN | {"filter": deep(7)}).status_code == 200
    answer = ask("POST", "/v1/retrieve", json=KNOWN | {"filter": deep(8)})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/filter" + "/not" * 8)


@pytest.mark.parametrize("path", ["/v1/retrieve", "/v1/retrieve/batch", "/v1/events", "/v1/items", "/v1/refresh"])
@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_a_body_says_what_it_is(ask: Ask, path: str, kind: str | None) -> None:
    """A body that does not say that it is JSON is a 415 everywhere."""
    headers = {} if kind is None else {"Content-Type": kind}
    answer = ask("POST", path, content='{"user_id": "u"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/v1/retrieve", "/v1/retrieve/batch", "/v1/events", "/v1/items"])
def test_ten_megabytes_are_too_many(ask: Ask, path: str) -> None:
    """A body of 10 MB is refused everywhere."""
    answer = ask("POST", path, content=b"[" + b" " * 10_000_000 + b"]", headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("item", ODD)
def test_ids_may_hold_anything(ask: Ask, item: str) -> None:
    """Slashes, emoji, line breaks and long ids are ids: posted, found, told, removed."""
    assert ask("POST", "/v1/items", json={"item_id": item, "features": {"worth": 99}}).status_code == 202
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN | {"k": 1})) == [item]
    path = f"/v1/items/{quote(item, safe='')}".replace("/..", "/%2E%2E")
    if item != "..":  # a client may take dots away before it sends them
        assert ask("GET", path).json()["item_id"] == item
        assert ask("DELETE", path).json()["item_id"] == item
        assert ask("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Request-ID": "x" * 5_000}, 200),
        ({"X-Request-ID": "\t"}, 200),
        ({"traceparent": "nonsense"}, 200),
        ({"traceparent": "00-" + "f" * 32 + "-" + "0" * 16 + "-zz"}, 200),
        ({"Accept": "image/png"}, 200),
        ({"Content-Type": "application/json; charset=latin-1"}, 200),
        ({"Content-Length": "abc"}, 200),
        ({"Authorization": "Bearer " + "x" * 5_000}, 200),
    ],
)
def test_headers_do_no_harm(ask: Ask, headers: dict[str, str], status: int) -> None:
    """Headers that say nonsense are passed over."""
    answer = ask("POST", "/v1/retrieve", content='{"user_id": "known"}', headers=JSON | headers)
    assert answer.status_code == status


def _said(url: str, sent: bytes, *, cut: bool = True) -> bytes:
    """What a server answers to these bytes, after which nothing more comes."""
    place = urlsplit(url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=30) as wire:
        wire.sendall(sent)
        if cut:
            wire.shutdown(socket.SHUT_WR)
        parts = []
        while part := wire.recv(65_536):
            parts.append(part)
    return b"".join(parts)


HEAD = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("path", [b"/v1/retrieve", b"/v1/events", b"/v1/items", b"/v1/retrieve/batch"])
def test_half_a_body_stores_nothing(world: World, path: bytes) -> None:
    """A client that stops in the middle of its body is not answered as if it had said all; others are answered on."""
    half = b'{"user_id": "u", "item_id": "i"}'
    with listening(create_app(world.rooms)) as url:
        for length in (b"Content-Length: 100\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(half)):
            assert b" 200 " not in _said(url, HEAD % path + length + half)
            assert b" 202 " not in _said(url, HEAD % path + length + half)
        whole = b"Content-Length: 19\r\nConnection: close\r\n\r\n" + b'{"user_id":"known"}'
        assert b" 200 OK" in _said(url, HEAD % b"/v1/retrieve" + whole, cut=False)
    assert world.log.end() == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        HEAD % b"/v1/events" + b"Content-Length: -1\r\n\r\n",
        HEAD % b"/v1/events" + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        HEAD % b"/v1/events" + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ],
)
def test_what_is_not_http_is_refused(world: World, sent: bytes) -> None:
    """Bytes that are no request do nothing, and the next caller is answered."""
    with listening(create_app(world.rooms)) as url:
        assert b" 202 " not in _said(url, sent)
        assert b" 200 OK" in _said(url, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", cut=False)
    assert world.log.end() == 0
