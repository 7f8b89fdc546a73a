"""What bodies are read as."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ratoon.serving.bodies.requests import EventBody, EventsBody, EventsRequest, RetrieveRequest
from tests.fakes.serving_world import Ask

EVENT = {"user_id": "u", "item_id": "i"}


def test_numbers_are_numbers() -> None:
    """A whole number may be written 50.0, as JSON knows one kind of number."""
    assert RetrieveRequest.model_validate({"user_id": "u", "k": 50.0}).k == 50


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"k": "50"}, "must be a number"),
        ({"k": True}, "must be a number"),
        ({"k": 1.5}, "valid integer"),
        ({"k": 0}, "greater than or equal to 1"),
        ({"k": 1001}, "less than or equal to 1000"),
        ({"user_id": 7}, "valid string"),
        ({"user_id": "u" * 257}, "at most 256 characters"),
        ({"exclude_seen": 1}, "valid boolean"),
        ({"exclude_ids": ["i"] * 1001}, "at most 1000 items"),
        ({"source": "tower"}, "Input should be 'popular'"),
        ({"exclude": ["i"]}, "Extra inputs are not permitted"),
        ({"item_ids": ["i"]}, "exactly one of item_ids, user_features, user_id, vector is asked, found item_ids and user_id"),
        ({"vector": [1.0]}, "found user_id and vector"),
        ({"user_features": None}, "must be left out instead of null"),
        ({"events": [{"item_id": ""}]}, "at least 1 character"),
        ({"events": [{"item_id": "i"}] * 101}, "at most 100 items"),
        ({"include": ["everything"]}, "'features', 'vectors' or 'explain'"),
        ({"format": "csv"}, "'rows' or 'columns'"),
        ({"timeout_ms": 0}, "greater than or equal to 1"),
        ({"timeout_ms": 60_001}, "less than or equal to 60000"),
    ],
)
def test_a_retrieval_is_read_strictly(changes: dict[str, Any], message: str) -> None:
    """Nothing is guessed: a value of another type, beyond its limits or under an unknown name is refused."""
    with pytest.raises(ValidationError, match=message):
        RetrieveRequest.model_validate({"user_id": "u"} | changes)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "exactly one of .* is asked, found none"),
        ({"user_id": None}, "must be left out instead of null"),
        ({"item_ids": []}, "at least 1 item"),
        ({"item_ids": ["i"] * 101}, "at most 100 items"),
        ({"vector": []}, "at least 1 item"),
        ({"vector": [True]}, "valid number"),
        ({"vector": ["1"]}, "valid number"),
        ({"vector": [float("nan")]}, "finite number"),
        ({"vector": [0.0] * 4_097}, "at most 4096 items"),
        ({"item_ids": ["i"], "context": {}}, "context goes with user_features or user_id, found item_ids"),
        ({"vector": [1.0], "events": []}, "events goes with user_features or user_id, found vector"),
    ],
)
def test_whom_it_is_for_is_said_once(body: dict[str, Any], message: str) -> None:
    """Exactly one of the four ways of asking, whole and finite; context and events go with a user alone."""
    with pytest.raises(ValidationError, match=message):
        RetrieveRequest.model_validate(body)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_timestamp": 1_700_000_000}, "must be a time like"),
        ({"event_timestamp": "1700000000"}, "must be a time like"),
        ({"event_timestamp": "2026-03-01"}, "must be a time like"),
        ({"event_timestamp": "2026-03-01T00:00:00"}, "should have timezone info"),
        ({"value": "4"}, "must be a number"),
        ({"value": False}, "must be a number"),
        ({"value": float("inf")}, "finite number"),
        ({"kind": "click"}, "'interaction', 'user', 'item' or 'remove'"),
        ({"features": ["a"]}, "valid dictionary"),
        ({"features": {"": 1}}, "at least 1 character"),
    ],
)
def test_an_event_is_read_strictly(changes: dict[str, Any], message: str) -> None:
    """Times are RFC 3339 with a zone, values finite numbers, features an object."""
    with pytest.raises(ValidationError, match=message):
        EventBody.model_validate(EVENT | changes)


def test_one_event_and_several_are_told_apart() -> None:
    """A body with `events` is a batch, any other is one event."""
    request: TypeAdapter[EventBody | EventsBody] = TypeAdapter(EventsRequest)
    assert isinstance(request.validate_python(EVENT), EventBody)
    assert isinstance(request.validate_python({"events": [EVENT]}), EventsBody)


def test_limits_are_documented(ask: Ask) -> None:
    """What the API would refuse can be read from its schema: the range of k, and what a time looks like."""
    schemas = ask("GET", "/openapi.json").json()["components"]["schemas"]
    count = schemas["RetrieveRequest"]["properties"]["k"]["anyOf"][0]
    assert schemas["RetrieveRequest"]["properties"]["item_ids"]["maxItems"] == 100
    moment = schemas["EventBody"]["properties"]["event_timestamp"]["anyOf"][0]
    assert (count["type"], count["minimum"], count["maximum"]) == ("integer", 1, 1000)
    assert (moment["type"], moment["format"]) == ("string", "date-time")
