"""Who should see what, to wait for in an event loop.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Unpack

from ratoon.client.call import Call, Json, OnSurface, said, segment
from ratoon.client.generated.bodies import Filter, RetrieveRequest, SessionEvent
from ratoon.client.generated.retrieving.answers import BatchAnswer, RetrieveAnswer
from ratoon.client.sending import AsyncSending


class AsyncRetrieving(AsyncSending):
    """Who should see what."""

    async def retrieve(
        self,
        *,
        user_id: str | None = None,
        user_features: Mapping[str, Json] | None = None,
        item_ids: Sequence[str] | None = None,
        vector: Sequence[float] | None = None,
        k: int | None = None,
        filter: Filter | None = None,
        exclude_ids: Sequence[str] | None = None,
        exclude_seen: bool | None = None,
        source: Literal["popular"] | None = None,
        context: Mapping[str, Json] | None = None,
        events: Sequence[SessionEvent] | None = None,
        include: Sequence[Literal["features", "vectors", "explain"]] | None = None,
        release: str | None = None,
        format: Literal["rows", "columns"] | None = None,
        timeout_ms: int | None = None,
        **options: Unpack[OnSurface],
    ) -> RetrieveAnswer:
        """Candidates for a user.

        Give up to k candidates, best first, for the user's features as they are now.

        Args:
            user_id: An unknown user gets an answer too, see `source`.
            user_features: Inputs of the user tower, by feature name, instead of a stored user's.
            item_ids: Candidates shall be like these; they are not among them.
            vector: A vector of the release's own user tower.
            k: How many candidates, 1 to 1000; 50 unless the surface is set otherwise.
            filter: What must be true of every candidate, over columns with the role `filter`.
            exclude_ids: Items that must not be in the answer.
            exclude_seen: Leave out items the user has interacted with; by default as the surface's policy says.
            source: `popular`: answer by live popularity, whoever asks.
            context: Inputs of the user tower that hold for this request alone, such as a device or a place.
            events: What the user has just done, oldest first: it counts for this answer and is not stored.
            include: `features`: the inputs the vector was made of; `vectors`: what was asked with, and each
                candidate's; `explain`: what each score is made of, and how the search went.
            release: Answer from this release (its id, or its beginning) or not at all.
            format: `columns`: lists of ids and scores instead of candidates.
            timeout_ms: After which an answer is of no use any more.

        Raises:
            Conflict, Invalid, NotFound, TooLate, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(
            Call(
                "POST",
                "/v1/retrieve",
                RetrieveAnswer.read,
                True,
                body=said(
                    user_id=user_id,
                    user_features=user_features,
                    item_ids=item_ids,
                    vector=vector,
                    k=k,
                    filter=filter,
                    exclude_ids=exclude_ids,
                    exclude_seen=exclude_seen,
                    source=source,
                    context=context,
                    events=events,
                    include=include,
                    release=release,
                    format=format,
                    timeout_ms=timeout_ms,
                ),
            ),
            options,
        )

    async def retrieve_batch(self, requests: Sequence[RetrieveRequest], **options: Unpack[OnSurface]) -> BatchAnswer:
        """Several questions at once.

        Answer several questions in order, all of a surface from one release; what one asks in vain is told in its
        place.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(Call("POST", "/v1/retrieve/batch", BatchAnswer.read, True, body=said(requests=requests)), options)

    async def similar(self, item_id: str, *, k: int | None = None, **options: Unpack[OnSurface]) -> RetrieveAnswer:
        """More like an item.

        Give items whose vectors point where this one's does, whatever is popular.

        Every path that ends in `/similar` asks this. So an item whose own id ends in `/similar` is retrieved like any
        other, and changed by `POST /v1/items` and removed by `POST /v1/events` (`kind: remove`); no path of its own
        leads to it.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(
            Call("GET", f"/v1/items/{segment(item_id)}/similar", RetrieveAnswer.read, True, query=said(k=k)), options
        )
