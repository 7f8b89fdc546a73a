"""The routes of the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from ratoon.serving import create_app
from ratoon.serving.keys import Audit, KeyFile, KeyRing, Rates
from ratoon.serving.page import ASSETS
from ratoon.serving.rooms import Keys
from tests.fakes.serving_world import Ask, World, asking

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def guarded(folder: Path) -> Iterator[tuple[Ask, str]]:
    """A server that asks for keys, and a good one."""
    _, key = KeyFile(folder).create("read", NOW, name="a person")
    keys = Keys(KeyRing(folder, lambda: 0.0, lambda: NOW), Audit(folder), Rates(lambda: 0.0), lambda: NOW)
    world = World.at(folder, keys=keys)
    world.registry.release(1)
    with asking(create_app(world.rooms)) as ask:
        yield ask, key
    world.log.close()


def test_the_page_allows_nothing_from_elsewhere(ask: Ask) -> None:
    """Every answer with the page has the policy, and is not kept by anybody."""
    headers = ask("GET", "/").headers
    policy = dict(one.strip().split(" ", 1) for one in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert headers["Cache-Control"] == "no-store"


def test_assets_may_be_kept_for_ever(ask: Ask) -> None:
    """Style, script and icon come with their media types and may be kept; a name that is not theirs is not found."""
    for name, kind in {name: one.kind for name, one in ASSETS.items()}.items():
        answer = ask("GET", f"/assets/{name}")
        assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, kind, ASSETS[name].content)
        assert "immutable" in answer.headers["Cache-Control"]
    assert ask("GET", "/assets/page-000000000000.js").json()["code"] == "not_found"


def test_the_page_is_of_a_configured_surface(ask: Ask) -> None:
    """Another surface's page is not found."""
    assert ask("GET", "/?surface=default").status_code == 200
    assert ask("GET", "/?surface=nowhere").json()["code"] == "unknown_surface"


def test_the_box_finds_users_and_items(ask: Ask) -> None:
    """A search says whether the user is known, and gives items by title; an empty one is refused."""
    found = ask("GET", "/page/search", params={"text": "known"}).json()
    assert found == {"user": True, "items": []}
    found = ask("GET", "/page/search", params={"text": "I3"}).json()
    assert found == {"user": False, "items": [{"item_id": "r1-i3", "title": "Title r1-i3"}]}
    assert ask("GET", "/page/search", params={"text": ""}).status_code == 422


def test_without_a_key_the_page_holds_no_data(tmp_path: Path) -> None:
    """Where keys are asked for, a browser without one gets the form, the assets, and nothing else."""
    with guarded(tmp_path) as (ask, _):
        answer = ask("GET", "/")
        assert answer.status_code == 200
        assert 'action="/sign-in"' in answer.text
        assert f"{1:064x}"[:12] not in answer.text
        assert "default" not in answer.text
        assert ask("GET", f"/assets/{next(iter(ASSETS))}").status_code == 200
        assert ask("GET", "/page/search?text=x").status_code == ask("GET", "/metrics").status_code == 401


def test_a_good_key_signs_in_and_is_forgotten_again(tmp_path: Path) -> None:
    """The form's key becomes a cookie that scripts cannot read and other sites do not send; with it the page shows all."""
    with guarded(tmp_path) as (ask, key):
        answer = ask("POST", "/sign-in", content=f"key={quote(key)}", headers=FORM)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"ratoon_key={key};")
        assert {"HttpOnly", "Path=/", "SameSite=strict"} <= {one.strip() for one in cookie.split(";")}
        assert "Secure" not in cookie
        assert "Sign out" in ask("GET", "/", headers={"Cookie": f"ratoon_key={key}"}).text
        out = ask("POST", "/sign-out")
        assert out.status_code == 303
        assert 'ratoon_key="";' in out.headers["Set-Cookie"]
        assert "Max-Age=0" in out.headers["Set-Cookie"]


def test_under_tls_the_cookie_is_secure(tmp_path: Path) -> None:
    """A key that came over TLS never leaves without it."""
    with guarded(tmp_path) as (ask, key):
        answer = ask("POST", "https://ratoon.test/sign-in", content=f"key={quote(key)}", headers=FORM)
        assert "Secure" in answer.headers["Set-Cookie"]


def test_a_bad_key_is_told(tmp_path: Path) -> None:
    """A wrong key, none, and a form that is too large get the form again with 401 and no cookie."""
    with guarded(tmp_path) as (ask, key):
        for body in ("key=rtn_wrong", "", "key=%ff", f"key={key}&more={'x' * 5_000}"):
            answer = ask("POST", "/sign-in", content=body, headers=FORM)
            assert (answer.status_code, "Set-Cookie" in answer.headers) == (401, False)
            assert "This key is not good" in answer.text
