"""The typed HTTP client, for threads and for event loops.

    from ratoon.client import Client
    with Client("http://127.0.0.1:8080") as ratoon:
        answer = ratoon.retrieve(user_id="196", k=10)
        print([one.item["title"] for one in answer.candidates])

It imports nothing else of Ratoon. What is in `generated` is made from the server's OpenAPI document.
"""

from ratoon.client.call import OnSurface, Options
from ratoon.client.errors import (
    ClientError,
    Conflict,
    Details,
    FieldProblem,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    ServerFailed,
    TooLate,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    Unreadable,
)
from ratoon.client.filters import Column, Condition, where
from ratoon.client.generated.bodies import EventBody, Filter, ItemRequest, RetrieveRequest, SessionEvent
from ratoon.client.generated.changing.answers import EventsAnswer, ItemAnswer, ItemState, RemovalAnswer, UserAnswer, UserView
from ratoon.client.generated.operating.answers import ReleaseAnswer, ReleasesAnswer, Seen, ServedAnswer, TrialAnswer
from ratoon.client.generated.retrieving.answers import BatchAnswer, Explained, RetrieveAnswer, RetrievedItem, Took
from ratoon.client.generated.running.answers import RunAnswer
from ratoon.client.http import AsyncClient, Client
from ratoon.client.retrying import Retries

__all__ = [
    "AsyncClient",
    "BatchAnswer",
    "Client",
    "ClientError",
    "Column",
    "Condition",
    "Conflict",
    "Details",
    "EventBody",
    "EventsAnswer",
    "Explained",
    "FieldProblem",
    "Filter",
    "Forbidden",
    "Invalid",
    "ItemAnswer",
    "ItemRequest",
    "ItemState",
    "NotFound",
    "OnSurface",
    "Options",
    "Problem",
    "ReleaseAnswer",
    "ReleasesAnswer",
    "RemovalAnswer",
    "Retries",
    "RetrieveAnswer",
    "RetrieveRequest",
    "RetrievedItem",
    "RunAnswer",
    "Seen",
    "ServedAnswer",
    "ServerFailed",
    "SessionEvent",
    "TooLate",
    "TooManyRequests",
    "Took",
    "TrialAnswer",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Unreadable",
    "UserAnswer",
    "UserView",
    "where",
]
