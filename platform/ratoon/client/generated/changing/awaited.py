"""What happened, and what is known of items and users, to wait for in an event loop.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Unpack

from ratoon.client.call import Call, Json, OnSurface, made_id, said, segment
from ratoon.client.generated.bodies import EventBody, ItemRequest
from ratoon.client.generated.changing.answers import EventsAnswer, ItemAnswer, ItemState, RemovalAnswer, UserAnswer
from ratoon.client.sending import AsyncSending


class AsyncChanging(AsyncSending):
    """What happened, and what is known of items and users."""

    async def events(
        self, events: EventBody | Sequence[EventBody], *, idempotency_key: str | None = None, **options: Unpack[OnSurface]
    ) -> EventsAnswer:
        """Report what happened.

        Take one event or up to 5,000, all or none; answered once they are on disk.

        The users' features are brought up to date before the answer, so that the next retrieval knows what happened.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(
            Call(
                "POST",
                "/v1/events",
                EventsAnswer.read,
                True,
                body=events if isinstance(events, Mapping) else {"events": list(events)},
                idempotency_key=idempotency_key or made_id(),
            ),
            options,
        )

    async def add_item(
        self,
        item_id: str,
        *,
        features: Mapping[str, Json] | None = None,
        event_timestamp: datetime | str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[OnSurface],
    ) -> ItemAnswer:
        """Add or change items.

        Add one item or up to 5,000, or change their features, all or none.

        New ones are retrievable by their features from now on.

        Args:
            features: Feature name to value, at most 64 kB as JSON.
            event_timestamp: Since when this is so; now if absent.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(
            Call(
                "POST",
                "/v1/items",
                ItemAnswer.read,
                True,
                body=said(item_id=item_id, features=features, event_timestamp=event_timestamp),
                idempotency_key=idempotency_key or made_id(),
            ),
            options,
        )

    async def add_items(
        self, items: ItemRequest | Sequence[ItemRequest], *, idempotency_key: str | None = None, **options: Unpack[OnSurface]
    ) -> ItemAnswer:
        """Add or change items.

        Add one item or up to 5,000, or change their features, all or none.

        New ones are retrievable by their features from now on.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(
            Call(
                "POST",
                "/v1/items",
                ItemAnswer.read,
                True,
                body=items if isinstance(items, Mapping) else {"items": list(items)},
                idempotency_key=idempotency_key or made_id(),
            ),
            options,
        )

    async def change_item(
        self,
        item_id: str,
        features: Mapping[str, Json],
        *,
        event_timestamp: datetime | str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[OnSurface],
    ) -> ItemAnswer:
        """Change an item.

        Change what is said of an item that is served; features that are not named stay.

        Args:
            features: Feature name to value, at most 64 kB as JSON; what is not named stays.
            event_timestamp: Since when this is so; now if absent.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(
            Call(
                "PATCH",
                f"/v1/items/{segment(item_id)}",
                ItemAnswer.read,
                True,
                body=said(features=features, event_timestamp=event_timestamp),
                idempotency_key=idempotency_key or made_id(),
            ),
            options,
        )

    async def remove_item(self, item_id: str, **options: Unpack[OnSurface]) -> RemovalAnswer:
        """Remove an item.

        Remove an item: it is in no answer from now on, until it is posted again.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(Call("DELETE", f"/v1/items/{segment(item_id)}", RemovalAnswer.read, True), options)

    async def item(self, item_id: str, **options: Unpack[OnSurface]) -> ItemState:
        """An item as it is served.

        Say what a surface shows of an item.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(Call("GET", f"/v1/items/{segment(item_id)}", ItemState.read, True), options)

    async def user(self, user_id: str, **options: Unpack[OnSurface]) -> UserAnswer:
        """A user's online features and their age.

        Give a user's features as the next answer will use them, and how old they are.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(Call("GET", f"/v1/users/{segment(user_id)}", UserAnswer.read, True), options)
