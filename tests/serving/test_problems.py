"""Errors as the caller sees them."""

import pytest

from ratoon.domain.errors import Conflict, DataError, GateRefused, RatoonError, StoreError, UsageError
from ratoon.serving import create_app
from ratoon.serving.problems import Problem
from tests.fakes.serving_world import Ask, World, asking

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("GET", "/nowhere", "", 404, "not_found"),
        ("PUT", "/v1/retrieve", "{}", 405, "method_not_allowed"),
        ("POST", "/v1/retrieve", "{", 400, "malformed_body"),
        ("POST", "/v1/retrieve", "[" * 100_000, 400, "malformed_body"),
        ("POST", "/v1/retrieve", b"\xff\xfe", 400, "malformed_body"),
        ("POST", "/v1/retrieve", "", 400, "malformed_body"),
        ("POST", "/v1/retrieve", "{}", 422, "invalid"),
        ("POST", "/v1/retrieve", '{"user_id": "\\ud800"}', 400, "malformed_body"),
        ("POST", "/v1/events", '{"user_id": "u", "item_id": "i", "value": NaN}', 422, "invalid"),
        ("POST", "/v1/events", '{"user_id": "u", "item_id": "i", "features": {"a": NaN}}', 409, "unfit"),
        ("POST", "/v1/events", '{"user_id": "u", "item_id": "i", "features": {"a": "\\ud800"}}', 400, "malformed_body"),
        ("POST", "/v1/items", '{"item_id": "i", "features": {"\\ud800": 1}}', 400, "malformed_body"),
        ("GET", "/v1/releases/current?surface=", "", 422, "invalid"),
    ],
)
def test_every_error_is_a_problem(ask: Ask, method: str, path: str, content: str | bytes, status: int, code: str) -> None:
    """Whatever is wrong with a request, the answer is a problem document that fits its model and names the request."""
    answer = ask(method, path, content=content, headers=JSON | {"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    found = Problem.model_validate(answer.json())
    assert (found.status, found.code, found.request_id, found.type) == (status, code, "mine", f"/problems/{code}")
    assert found.instance == path.partition("?")[0]
    assert bool(found.errors) == (code in ("invalid", "unfit"))


def test_methods_that_are_allowed_are_named(ask: Ask) -> None:
    """A 405 carries the Allow header."""
    assert ask("PUT", "/v1/retrieve", json={}).headers["Allow"] == "POST"


def test_a_body_of_another_type_is_named(ask: Ask) -> None:
    """JSON sent as a form, as curl does by default, is a 415 that says which header to send."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask("POST", "/v1/retrieve", content='{"user_id": "u"}', headers=form)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in answer.json()["detail"]


def test_several_wrong_fields_are_all_named(ask: Ask) -> None:
    """Each wrong field of a body is listed with a pointer; a wrong query parameter is named in the text."""
    body = {"k": 0, "exclude_ids": ["a", ""], "exclude_seen": "yes", "a/b~c": 1}
    errors = ask("POST", "/v1/retrieve", json=body).json()["errors"]
    pointers = {wrong["pointer"] for wrong in errors}
    assert pointers == {"#/k", "#/exclude_ids/1", "#/exclude_seen", "#/a~1b~0c"}
    (wrong,) = ask("GET", "/v1/releases/current?surface=").json()["errors"]
    assert (wrong["pointer"], "query parameter surface: " in wrong["detail"]) == ("", True)


@pytest.mark.parametrize(
    ("kind", "status", "code", "told"),
    [
        (UsageError, 400, "usage", True),
        (DataError, 422, "invalid", True),
        (Conflict, 409, "conflict", True),
        (StoreError, 503, "unavailable", False),
        (GateRefused, 503, "unavailable", False),
    ],
)
def test_our_errors_have_their_status(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: type[RatoonError], status: int, code: str, told: bool
) -> None:
    """Each error of the tree has one status; what the caller can act on is told, what is ours is not."""

    def broken(*_: object) -> None:
        raise kind("secret", expected="this", found="that", fix="Do.")

    monkeypatch.setattr(world.log, "seen", broken)
    with asking(create_app(world.rooms)) as ask:
        answer = ask("POST", "/v1/retrieve", json={"user_id": "u"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (answer.json()["detail"] == "Expected this, found that. Do.") is told
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) is (status == 503)
