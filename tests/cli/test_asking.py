"""`ratoon retrieve`, called as a person does, before a real server."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import RatoonError, StoreError, UsageError
from ratoon.serving import create_app
from tests.client.servers import ANSWER, Answer, Scripted, listening, problem
from tests.fakes.serving_world import World


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (config.CONFIG, "RATOON_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    world = World.at(tmp_path)
    world.registry.release(1)
    with closing(world.log), listening(create_app(world.rooms)) as address:
        yield address


def retrieve(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["retrieve", *arguments])


def failed(*arguments: str) -> RatoonError:
    error = retrieve(*arguments).exception
    assert isinstance(error, RatoonError)
    return error


def test_a_table_for_people(url: str) -> None:
    """Ranks, ids, titles, scores and sources are listed, and below them what answered."""
    lines = retrieve("known", "--k", "2", "--url", url).stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["rank", "item", "title", "score", "source"],
        ["1", "r1-i0", "Title", "r1-i0", "0.0", "index"],
    ]
    assert lines[-1].startswith("cold, release 1 (000000000000), ")


def test_the_answer_as_it_came() -> None:
    """`--json` prints what the server said, fields that this client does not know included."""
    with listening(Scripted([Answer(body=ANSWER)])) as url:
        assert json.loads(retrieve("196", "--json", "--url", url).stdout) == ANSWER


def test_what_is_asked(tmp_path: Path) -> None:
    """Items, filter, surface and key go where the API wants them; a table without titles has no column for them."""
    (tmp_path / "key").write_text("rtn_secret\n")
    told = ANSWER | {"candidates": [ANSWER["candidates"][0] | {"item": {}}]}  # type: ignore[index]
    server = Scripted([Answer(body=told), Answer(body=ANSWER | {"candidates": []})])
    only = '{"column": "year", "ge": 1990}'
    with listening(server) as url:
        said = retrieve("--item", "a", "--item", "b", "--filter", only, "--surface", "ads", "--key-file", "key", "--url", url)
        assert said.stdout.splitlines()[0].split() == ["rank", "item", "score", "source"]
        assert retrieve("196", "--url", url).stdout.startswith("no candidates\n")
    first, second = server.asked
    assert json.loads(first.body) == {"item_ids": ["a", "b"], "filter": {"column": "year", "ge": 1990}}
    assert first.path == "/v1/surfaces/ads/retrieve"
    assert first.headers["authorization"] == "Bearer rtn_secret"
    assert json.loads(second.body) == {"user_id": "196"}
    assert "authorization" not in second.headers


def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """RATOON_KEY is the key where no file is named."""
    monkeypatch.setenv("RATOON_KEY", "rtn_other")
    server = Scripted([Answer(body=ANSWER)])
    with listening(server) as url:
        assert retrieve("196", "--url", url).exit_code == 0
    assert server.asked[0].headers["authorization"] == "Bearer rtn_other"


def test_the_configured_server(tmp_path: Path) -> None:
    """Without --url the server is asked that ratoon.toml describes, on loopback where that listens everywhere."""
    with listening(Scripted([Answer(body=ANSWER)])) as url:
        port = url.rpartition(":")[2]
        (tmp_path / "ratoon.toml").write_text(f'[serving]\nhost = "0.0.0.0"\nport = {port}\n')
        assert retrieve("196").exit_code == 0
    (tmp_path / "ratoon.toml").write_text(f'[serving]\nhost = "::1"\nport = {port}\n')
    assert isinstance(failed("196"), StoreError)


def test_usage(tmp_path: Path) -> None:
    """What cannot be asked is a usage error that says what to do."""
    (tmp_path / "empty").touch()
    for arguments, said in {
        (): "USER or --item: expected one of them, found neither. Say whom",
        ("196", "--item", "a"): "USER or --item: expected one of them, found both",
        ("196", "--filter", "year > 1990"): "--filter: expected JSON, found Expecting value: line 1",
        ("196", "--key-file", "absent"): "--key-file: expected a file with a key, found [Errno 2]",
        ("196", "--key-file", "empty"): "--key-file: expected a file with a key, found an empty one",
        ("196", "--url", "localhost"): "--url or the key: expected one that can be, found expected an address like",
    }.items():
        error = failed(*arguments)
        assert isinstance(error, UsageError)
        assert said in str(error)


def test_a_filter_that_does_not_fit(url: str) -> None:
    """A filter over an unknown column, and one that is none, are usage errors with the server's words."""
    for only, where in {'{"column": "nowhere", "eq": 1}': "#/filter/column", '{"colum": "year"}': "#/filter"}.items():
        error = failed("196", "--filter", only, "--url", url)
        assert isinstance(error, UsageError)
        assert str(error).startswith(f"{where}: expected what the server can answer, found 4")


def test_what_the_server_says() -> None:
    """A missing key is a usage error that says how to get one; a server's own trouble is not the caller's."""
    with listening(
        Scripted([problem(401, "unauthorized"), problem(403, "forbidden"), problem(500, "internal"), Answer(body=b"<")])
    ) as url:
        unknown, forbidden, broken, other = (failed("196", "--url", url) for _ in range(4))
    assert isinstance(unknown, UsageError)
    assert "the key: expected one that the server knows, found 401 unauthorized" in str(unknown)
    assert isinstance(forbidden, UsageError)
    assert isinstance(broken, StoreError)
    assert "the server: expected an answer, found 500 internal: What was wrong. (request the-server's). Its log" in str(broken)
    assert isinstance(other, StoreError)


def test_nobody_answers() -> None:
    """Without a server the error is one of infrastructure, and says how to start one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = failed("196", "--url", url)
    assert isinstance(error, StoreError)
    assert error.exit_code == 5
    assert "POST /v1/retrieve: ConnectError" in str(error)
    assert "`ratoon serve` starts one; --url names another." in str(error)
