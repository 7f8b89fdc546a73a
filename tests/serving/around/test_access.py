"""Who may ask."""

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ratoon.serving.around.access import Access
from ratoon.serving.keys import ANONYMOUS, Audit, Caller, KeyFile, KeyRing, Limit, Rates, Role

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
HOST = "http://shop.example:8080"
ACTIVATE = "/v1/releases/abc/activate"


class Server:
    """Keys of each role in a home, and a small API behind `Access`; `ask` calls it in this process."""

    def __init__(self, home: Path, default: Limit | None = None) -> None:
        self.home, self.seconds, self.callers = home, 0.0, list[Caller]()
        self.file, self.audit = KeyFile(home), Audit(home)
        self.keys: dict[str, str] = {}
        ring = KeyRing(home, lambda: self.seconds, lambda: NOW)
        rates = Rates(lambda: self.seconds)
        self.app = _numbered(Access(self._api(), ring, self.audit, rates, lambda: NOW, default))

    def make(self, name: str, role: Role, **more: Any) -> str:
        key, self.keys[name] = self.file.create(role, NOW, name=name, **more)
        self.seconds += 1.0  # so that the server looks
        return key.id

    def _api(self) -> FastAPI:
        api = FastAPI()

        @api.api_route("/v1/retrieve", methods=["GET", "POST"])
        @api.api_route("/healthz", methods=["GET"])
        @api.api_route("/readyz", methods=["GET"])
        @api.api_route("/v1/items/{item}", methods=["PATCH", "DELETE", "GET"])
        async def seen(request: Request) -> str:
            self.callers.append(getattr(request.state, "caller", None))  # type: ignore[arg-type]  # None where nobody is asked
            return "yes"

        @api.post("/v1/releases/{release}/activate", status_code=202)
        async def activate(release: str) -> str:
            return release

        @api.post("/v1/refresh")
        async def broken() -> str:
            raise ZeroDivisionError

        return api

    def ask(self, method: str, path: str, key: str | None = None, **headers: str) -> httpx.Response:
        if key is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
                return await http.request(method, path, headers=named)

        return asyncio.run(ask())

    def audited(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.audit.path.read_text().splitlines()] if self.audit.path.exists() else []


def _numbered(app: ASGIApp) -> ASGIApp:
    """Gives requests the id that problems and audit lines tell."""

    async def numbered(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["request_id"] = "r-1"
        await app(scope, receive, send)

    return numbered


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


@pytest.mark.parametrize(
    ("role", "allowed"), [("read", "GET POST"), ("write", "GET POST PATCH"), ("operate", "GET POST PATCH ACTIVATE")]
)
def test_a_role_does_what_it_says(server: Server, role: Role, allowed: str) -> None:
    """Each role opens its own paths and those of the roles below; the rest is 403, naming the role needed and the one held."""
    id = server.make("mine", role)
    asked = {
        "GET": ("GET", "/v1/items/7", "read"),
        "POST": ("POST", "/v1/retrieve", "read"),
        "PATCH": ("PATCH", "/v1/items/7", "write"),
        "ACTIVATE": ("POST", ACTIVATE, "operate"),
    }
    for name, (method, path, needed) in asked.items():
        answer = server.ask(method, path, "mine")
        assert answer.is_success == (name in allowed.split())
        if not answer.is_success:
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (403, "forbidden")
            assert problem["detail"] == f"This needs a key with the role `{needed}`; this one has `{role}`."
            assert answer.headers["content-type"] == "application/problem+json"
    assert set(server.callers) == {Caller(id, "mine", role)}


def test_every_bad_key_is_refused_alike(server: Server) -> None:
    """A key that is missing, malformed, unknown, wrong, expired or revoked gets one and the same 401, saying how to show one."""
    server.make("good", "read")
    server.file.revoke(server.make("revoked", "operate"), NOW)
    server.make("expired", "operate", expires=NOW - timedelta(seconds=1))
    good = server.keys["good"]
    wrong = good[:-1] + ("1" if good[-1] == "0" else "0")
    bad: list[dict[str, str]] = [{"Authorization": f"Bearer {key}"} for key in ("", "x", f"rtn_{'0' * 12}_{'0' * 64}", wrong)]
    bad += [{"Authorization": f"Bearer {server.keys[name]}"} for name in ("revoked", "expired")]
    bad += [{}, {"Authorization": f"Basic {good}"}, {"Authorization": good}, {"X_API_Key": wrong}, {"Cookie": f"other={good}"}]
    answers = [server.ask("GET", "/v1/items/7", **headers) for headers in bad]
    assert server.ask("GET", "/v1/items/7", "good").is_success
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    (body,) = {answer.text for answer in answers}
    assert json.loads(body)["code"] == "unauthorized"
    assert "X-API-Key" in body
    assert len(server.callers) == 1


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Authorization": "bEARER {}"}, 200),
        ("GET", {"X_API_Key": "{}"}, 200),
        ("GET", {"Authorization": "Basic e30=", "X_API_Key": "{}"}, 200),
        ("GET", {"Cookie": "a=b; ratoon_key={}; c=d"}, 200),
        ("GET", {"Cookie": "ratoon_key={}", "Origin": "https://evil.example"}, 200),
        ("POST", {"Cookie": "ratoon_key={}"}, 401),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": HOST}, 200),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": HOST.replace("http", "https")}, 200),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": HOST, "Sec_Fetch_Site": "same-origin"}, 200),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": HOST, "Sec_Fetch_Site": "cross-site"}, 401),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": "http://shop.example"}, 401),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": "https://evil.example"}, 401),
        ("POST", {"Cookie": "ratoon_key={}", "Origin": "null"}, 401),
        ("PATCH", {"Cookie": "ratoon_key={}", "Origin": HOST}, 401),
        ("DELETE", {"Cookie": "ratoon_key={}", "Origin": HOST}, 401),
    ],
)
def test_where_a_key_may_be(server: Server, method: str, headers: dict[str, str], status: int) -> None:
    """A key counts in either header; in the cookie for reading, and for a POST that says it comes from this very origin."""
    server.make("mine", "operate")
    path = "/v1/retrieve" if method in ("GET", "POST") else "/v1/items/7"
    answer = server.ask(method, path, **{name: value.format(server.keys["mine"]) for name, value in headers.items()})
    assert answer.status_code == status


def test_without_keys_nothing_is_asked(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Before the first key everybody may do everything, as nobody in particular, which is logged once; after it no more."""
    for _ in range(2):
        assert server.ask("DELETE", "/v1/items/7").is_success
    assert server.ask("POST", ACTIVATE).status_code == 202
    assert server.callers == [ANONYMOUS] * 2
    (told,) = [record for record in caplog.records if record.name == "ratoon.serving"]
    assert told.getMessage().startswith("there are no API keys: whoever reaches this server may do everything")
    (line,) = server.audited()
    assert (line["key"], line["name"]) == ("", "anonymous")
    server.make("first", "read")
    assert server.ask("DELETE", "/v1/items/7").status_code == 401


def test_health_is_always_told(server: Server) -> None:
    """With keys and a limit, `/healthz` and `/readyz` answer anybody as often as they ask; nothing near them does."""
    server.make("mine", "read", rate="1/day")
    for _ in range(3):
        assert server.ask("GET", "/healthz").status_code == server.ask("GET", "/readyz", "mine").status_code == 200
    assert server.ask("GET", "/healthz/").status_code == server.ask("GET", "/metrics").status_code == 401


def test_a_revocation_needs_no_restart(server: Server) -> None:
    """A key that is revoked while the server runs is refused a second later."""
    id = server.make("mine", "read")
    assert server.ask("GET", "/v1/items/7", "mine").is_success
    server.file.revoke(id, NOW)
    server.seconds += 1.0
    assert server.ask("GET", "/v1/items/7", "mine").status_code == 401


def test_a_rate_is_kept(server: Server) -> None:
    """A limited key is told on each answer what is left, then 429 with the seconds to wait, after which it is answered again."""
    server.make("mine", "read", rate="2/10 seconds")
    server.make("free", "read")
    answers = [server.ask("GET", path, "mine") for path in ("/v1/items/7", "/nowhere", "/v1/items/7")]
    assert [answer.status_code for answer in answers] == [200, 404, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["RateLimit-Limit"] for answer in answers} == {"2"}
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited"
    assert refused.json()["detail"] == "This key may ask 2 times in 10 s; ask again in 9 s."
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"] == "9"
    assert "RateLimit-Limit" not in server.ask("GET", "/v1/items/7", "free").headers
    server.seconds += 9.0
    assert server.ask("GET", "/v1/items/7", "mine").is_success


def test_a_key_without_a_rate_has_the_servers(tmp_path: Path) -> None:
    """The default rate limits keys that have none, and only those; strangers do not use it up."""
    server = Server(tmp_path, default=Limit(1, 60))
    server.make("plain", "read")
    server.make("own", "read", rate="3/minute")
    assert server.ask("GET", "/v1/items/7").status_code == 401
    assert [server.ask("GET", "/v1/items/7", "plain").status_code for _ in range(2)] == [200, 429]
    assert [server.ask("GET", "/v1/items/7", "own").status_code for _ in range(4)] == [200, 200, 200, 429]


def test_operating_calls_are_written_down(server: Server) -> None:
    """Each call that needs `operate` leaves a line, with its status, whether it was answered, refused or broke; others none."""
    ops, low = server.make("ops", "operate", rate="2/minute"), server.make("low", "write")
    server.ask("POST", ACTIVATE, "ops")
    with pytest.raises(ZeroDivisionError):
        server.ask("POST", "/v1/refresh", "ops")
    server.ask("POST", ACTIVATE, "ops")
    server.ask("POST", ACTIVATE, "low")
    server.ask("POST", f"/nowhere/{server.keys['low']}", "low")
    server.ask("POST", ACTIVATE)
    server.ask("DELETE", "/v1/items/7", "low")
    server.ask("GET", "/v1/items/7", "low")
    lines = server.audited()
    assert [(line["key"], line["name"], line["action"], line["status"]) for line in lines] == [
        (ops, "ops", "POST /v1/releases/{release}/activate", 202),
        (ops, "ops", "POST /v1/refresh", 500),
        (ops, "ops", "POST /v1/releases/{id}/activate", 429),
        (low, "low", "POST /v1/releases/{id}/activate", 403),
        (low, "low", "POST unmatched", 403),
        ("", "anonymous", "POST /v1/releases/{id}/activate", 401),
    ]
    assert {(line["time"], line["request_id"]) for line in lines} == {("2026-05-06T07:08:09+00:00", "r-1")}
    assert [line["on"] for line in lines[:2]] == [{"release": "abc"}, {}]


def test_strangers_cannot_fill_the_disk(server: Server) -> None:
    """Of a flood of refusals without a key ten a second are written down, and how many were not is told with the next."""
    server.make("ops", "operate")
    for _ in range(25):
        assert server.ask("POST", ACTIVATE).status_code == 401
    assert len(server.audited()) == 10
    server.seconds += 2.0
    server.ask("POST", ACTIVATE)
    assert [line["on"] for line in server.audited()[9:]] == [{}, {"refusals_not_written": "15"}]


def test_an_answer_stands_without_its_line(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Where the audit file cannot be written the call is answered all the same, and the log has what the file lacks."""
    server.make("ops", "operate")
    server.audit.path.mkdir()
    assert server.ask("POST", ACTIVATE, "ops").status_code == 202
    assert "POST /v1/releases/{release}/activate was answered with 202 and not written down" in caplog.text
    assert "Is a directory" in caplog.text


def test_what_is_no_request_passes(tmp_path: Path) -> None:
    """The server's start and stop reach the application untouched, keys or not."""
    server, seen = Server(tmp_path), list[str]()
    server.make("mine", "read")

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    ring = KeyRing(tmp_path, lambda: 0.0, lambda: NOW)
    asyncio.run(Access(app, ring, server.audit, Rates(lambda: 0.0), lambda: NOW)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]


def test_no_secret_is_written_anywhere(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Under a server that logs all it can, neither a good nor a bad key leaves its secret in a log or in a file of the home."""
    server.make("ops", "operate", rate="100/second")
    server.file.revoke(server.make("revoked", "operate"), NOW)
    good, revoked = server.keys["ops"], server.keys["revoked"]
    wrong = good[:20] + "0" * 61
    with caplog.at_level(logging.DEBUG), _running(server.app) as url:
        for key in (good, wrong, revoked):
            for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}, {"Cookie": f"ratoon_key={key}"}):
                for method, path in (("GET", "/v1/retrieve"), ("POST", ACTIVATE), ("POST", "/v1/refresh"), ("POST", "/nowhere")):
                    httpx.request(method, url + path, headers=headers)
        server.file.path.write_text(f'{{"{good}": 1}}')
        server.seconds += 1.0
        assert httpx.get(url + "/v1/retrieve", headers={"X-API-Key": good}).is_success
    assert "the keys that were read last stay in force" in caplog.text
    server.file.path.unlink()
    written = caplog.text + "".join(path.read_text() for path in server.home.iterdir())
    assert "anonymous" in written
    assert "ZeroDivisionError" in written
    for key in (good, wrong, revoked):
        assert key.rpartition("_")[2][:16] not in written


@contextmanager
def _running(app: ASGIApp) -> Iterator[str]:
    """`app` under a real server in a thread, logging all it can; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="trace", log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
