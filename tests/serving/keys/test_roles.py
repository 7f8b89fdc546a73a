"""Which role a request needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.serving.keys.roles import WRITING, Role, action, needed

ACTIVATE = "/v1/releases/abc/activate"


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/", "read"),
        ("HEAD", "/docs", "read"),
        ("GET", "/metrics", "read"),
        ("GET", "/openapi.json", "read"),
        ("GET", "/v1/releases/current", "read"),
        ("POST", "/v1/retrieve", "read"),
        ("POST", "/v1/surfaces/home/retrieve", "read"),
        ("POST", "/v1/retrieve/batch", "read"),
        ("POST", "/v1/events", "write"),
        ("POST", "/v1/surfaces/home/events", "write"),
        ("POST", "/v1/items", "write"),
        ("PATCH", "/v1/items/7", "write"),
        ("DELETE", "/v1/items/a/b\n/retrieve", "write"),
        ("POST", ACTIVATE, "operate"),
        ("POST", "/v1/surfaces/home/refresh", "operate"),
        ("POST", "/v1/trial/promote", "operate"),
        ("POST", "/v1/surfaces/home/trial/end", "operate"),
        ("PUT", "/v1/items/7", "operate"),
        ("GETS", "/v1/items/7", "operate"),
        ("POST", "/v1/surfaces/a/b/retrieve", "operate"),
        ("POST", "/v1/retrieve/", "operate"),
        ("POST", "/V1/retrieve", "operate"),
        ("POST", "/v1/releases/x/activate/retrieve", "operate"),
        ("POST", "/anything", "operate"),
    ],
)
def test_the_role_that_is_needed(method: str, path: str, role: Role) -> None:
    """Looking needs `read`, what changes events and items `write`, and everything else that changes something `operate`."""
    assert needed(method, path) == role


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz/{}.%\n v1", max_size=40), st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]))
def test_what_is_unknown_needs_most(rest: str, method: str) -> None:
    """A writing request needs less than `operate` only on the paths of the table, with or without a surface."""
    path = "/v1/" + rest
    if needed(method, path) == "operate":
        return
    below = path.removeprefix("/v1")
    if below.startswith("/surfaces/"):
        below = "/" + below.removeprefix("/surfaces/").partition("/")[2]
    assert any(
        method == known and (below == template or ("{id}" in template and below.startswith(template.partition("{")[0])))
        for known, template, role in WRITING
        if role != "operate"
    )


def test_an_action_names_no_ids() -> None:
    """What is written down of a request that came to no route is its template, or that it has none."""
    assert action("POST", ACTIVATE) == "POST /v1/releases/{id}/activate"
    assert action("POST", "/v1/surfaces/home/refresh") == "POST /v1/surfaces/{surface}/refresh"
    assert action("POST", "/v1/rtn_secret") == "POST unmatched"
    assert action("<SCRIPT>", "/v1/x") == "other unmatched"
