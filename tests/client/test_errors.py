"""Errors as values."""

import pickle

import pytest

from ratoon.client.errors import NotFound, Problem, Unreachable, Unreadable, outcome, problem, retry_after

GONE = b'{"type": "/problems/not_found", "code": "not_found", "status": 404, "detail": "No.", "request_id": "r", "errors": []}'


@pytest.mark.parametrize(
    "error",
    [
        problem(404, GONE, {"retry-after": "1"}, "/v1/items/a", "r"),
        Unreachable("GET /healthz", "nobody", "r", False),
        Unreadable("GET /healthz", "HTML", "r"),
    ],
)
def test_errors_travel_between_processes(error: Exception) -> None:
    """An error that was pickled says the same."""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:09 GMT", "date": "Sun, 01 Mar 2026 12:00:00 GMT"}, 9.0),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT", "date": "Sun, 01 Mar 2026 12:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:09 GMT"}, None),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:09 GMT", "date": "Sun, 01 Mar 2026 12:00:00 -0000"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Both forms of the header are read, a date against the answer's own clock; what is neither is nothing."""
    assert retry_after(headers) == seconds


def test_outcomes() -> None:
    """Of several answers a problem is its error, and anything else is read."""
    told = outcome({"status": 404, "code": "not_found"}, lambda _: "read")
    assert isinstance(told, NotFound)
    assert isinstance(told, Problem)
    assert outcome({"request_id": "r"}, lambda _: "read") == "read"
