"""Who should see what: the one route that is asked all the time, and those that ask the same in other words."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Annotated, Any, NamedTuple

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ratoon.adopt import Slot
from ratoon.domain import query
from ratoon.domain.errors import RatoonError
from ratoon.domain.event import Event
from ratoon.domain.filters import parsed
from ratoon.domain.inputs import inputs_of
from ratoon.domain.matching import columns_of
from ratoon.domain.predicate import FilterRefused, Predicate
from ratoon.retrieve import retrieve
from ratoon.serving import logs, rendering
from ratoon.serving.bodies.answers import BatchAnswer, RetrieveAnswer
from ratoon.serving.bodies.fields import Id
from ratoon.serving.bodies.requests import BatchRequest, RetrieveRequest
from ratoon.serving.exposures import exposed
from ratoon.serving.metrics import Metrics
from ratoon.serving.problems import Invalid, Misfit, OtherRelease, TooLate, answer, documented, is_json, unsupported
from ratoon.serving.rooms import Rooms, Surface
from ratoon.serving.routes.direct import Direct, body_of
from ratoon.serving.routes.surfaces import asked, named, placed_on, slot_of, surface_of
from ratoon.serving.trials import Answering, Given

ERRORS = documented(400, 404, 409, 413, 415, 422, 503, 504)
JSON = [(b"content-type", b"application/json")]
ITEM_ID = Annotated[Id, Path(description="The item.")]


class Retrieving:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms, metrics: Metrics) -> None:
        self._rooms, self._metrics = rooms, metrics
        self.hot = Direct(
            "/v1/retrieve",
            self.documented,
            direct=self,
            methods=["POST"],
            response_model=RetrieveAnswer,
            summary="Candidates for a user",
            responses=ERRORS,
        )

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter()
        routes.routes.append(self.hot)
        routes.add_api_route(
            "/v1/retrieve/batch",
            self.batch,
            methods=["POST"],
            response_model=BatchAnswer,
            summary="Several questions at once",
            responses=documented(400, 404, 413, 415, 422, 503),
        )
        routes.add_api_route(
            "/v1/items/{item_id:any}/similar",
            self.similar,
            response_model=RetrieveAnswer,
            summary="More like an item",
            responses=documented(400, 404, 409, 422, 503),
        )
        return routes

    async def documented(self, body: RetrieveRequest) -> RetrieveAnswer:
        """Give up to k candidates, best first, for the user's features as they are now."""
        raise NotImplementedError(body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `POST /v1/retrieve`: as `documented` says, without what that would cost."""
        try:
            if not is_json(scope):
                await unsupported(scope)(scope, receive, send)
                return
            body = RetrieveRequest.model_validate_json(await body_of(receive))
            pinned = self._pinned(named(scope, body.surface, Misfit))
            if body.filter is not None:
                await _prepared(_filter(body.filter), pinned.slot)
            if pinned.slot.index.waits:
                told = await run_in_threadpool(self._answered, body, pinned, scope["state"])
            else:
                told = self._answered(body, pinned, scope["state"])
        except (RatoonError, ValidationError, HTTPException) as error:
            await answer(scope, error)(scope, receive, send)
            return
        length = (b"content-length", str(len(told)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*JSON, length]})
        await send({"type": "http.response.body", "body": told})

    async def batch(self, body: BatchRequest, request: Request) -> Response:
        """Answer several questions in order, all of a surface from one release; what one asks in vain is told in its place."""
        placed_on(self._rooms, request.scope)
        filters = [
            None if one.filter is None else _filter(one.filter, f"requests/{place}/") for place, one in enumerate(body.requests)
        ]
        results, pinned = list[bytes](), dict[str, Pinned]()
        for place, (one, only) in enumerate(zip(body.requests, filters, strict=True)):
            own = f"{request.scope['state']['request_id']}.{place}"
            state = {**request.scope["state"], "began": perf_counter(), "request_id": own}
            try:
                name = named(request.scope, one.surface, Misfit)
                pinned[name] = pinned.get(name) or self._pinned(name)
                if only is not None:
                    await _prepared(only, pinned[name].slot)
                results.append(self._answered(one, pinned[name], state))
            except RatoonError as error:
                results.append(bytes(answer(request.scope, error).body))
            await asyncio.sleep(0)  # others are answered in between
        return Response(b'{"results":[' + b",".join(results) + b"]}", media_type="application/json")

    async def similar(
        self,
        request: Request,
        item_id: ITEM_ID,
        surface: Annotated[str, Depends(asked)],
        k: Annotated[int | None, Query(ge=1, le=1_000)] = None,
    ) -> Response:
        """Give items whose vectors point where this one's does, whatever is popular.

        Every path that ends in `/similar` asks this. So an item whose own id ends in `/similar` is retrieved like any other, and
        changed by `POST /v1/items` and removed by `POST /v1/events` (`kind: remove`); no path of its own leads to it.
        """
        body = RetrieveRequest(item_ids=[item_id], k=k)
        return Response(self._answered(body, self._pinned(surface), request.scope["state"]), media_type="application/json")

    def _pinned(self, name: str) -> "Pinned":
        surface = surface_of(self._rooms, name)
        return Pinned(name, surface, slot_of(name, surface))

    def _answered(self, body: RetrieveRequest, pinned: "Pinned", state: dict[str, Any]) -> bytes:
        """One answer as JSON."""
        name, surface, slot = pinned
        if body.release is not None or (surface.trial.tried is None and surface.guard is None):  # most requests look at no more
            told, found, exposure, took = self._given(body, pinned, state, slot)
        else:
            answering: Answering = partial(self._given, body, pinned, state)
            if surface.guard is not None:
                answering = partial(surface.guard.answered, answering, body.user_id, state["request_id"])
            told, found, exposure, took = surface.trial.answered(slot, body.user_id, state["request_id"], answering)
        if self._rooms.exposures is not None:
            self._rooms.exposures.add(exposure)
        self._metrics.retrieved(name, found.source, found.sequence, took)
        state["stages"] = took  # for whoever traces the request
        logs.note(surface=name)
        return told

    def _given(
        self, body: RetrieveRequest, pinned: "Pinned", state: Mapping[str, Any], slot: Slot, unseen: bool = False
    ) -> Given:
        """One answer by a slot, the one that is pinned or one on trial; `unseen` if nobody waits for it any more."""
        name, surface, _ = pinned
        _refuse_other(slot, body.release)
        laps = _Laps(perf_counter(), None) if unseen else _Laps(state["began"], body.timeout_ms)
        wanted = self._query(body, surface, slot)
        chance = surface.chance if wanted.user_id is not None else None
        k = wanted.k + (chance.exploration.pool if chance else 0)
        found = retrieve(replace(wanted, k=k) if chance else wanted, slot, self._rooms.online, surface.log, laps.lap)
        found, exposure = exposed(found, wanted.k, state["request_id"], self._rooms.clock(), name, wanted.user_id, chance)
        return self._told(body, found, slot, state["request_id"], laps), found, exposure, laps.took

    def _query(self, body: RetrieveRequest, surface: Surface, slot: Slot) -> query.Query:
        inputs = slot.schema.user
        return query.Query(
            k=surface.policy.k if body.k is None else body.k,
            user_id=body.user_id,
            features=None if body.user_features is None else inputs_of(body.user_features, inputs, "user_features"),
            like=body.item_ids or (),
            vector=None if body.vector is None else np.array(body.vector, np.float32),
            exclude=frozenset(body.exclude_ids),
            exclude_seen=surface.policy.exclude_seen if body.exclude_seen is None else body.exclude_seen,
            popular=body.source == "popular",
            filter=None if body.filter is None else _filter(body.filter),
            context=inputs_of(body.context, inputs, "context") if body.context else {},
            session=self._session(body) if body.events else (),
        )

    def _session(self, body: RetrieveRequest) -> list[Event]:
        now = self._rooms.clock()
        return [
            Event(self._rooms.new_id(), "interaction", one.event_timestamp or now, body.user_id, one.item_id, one.type, one.value)
            for one in body.events or ()
        ]

    def _told(self, body: RetrieveRequest, found: query.Answer, slot: Slot, request_id: str, laps: "_Laps") -> bytes:
        said: dict[str, object] = {"request_id": request_id}
        if body.user_id is not None:
            said["user_id"] = body.user_id
        said |= {
            "source": found.source,
            "release": found.release,
            "sequence": found.sequence,
            "watermark": found.watermark,
            "staleness_s": (self._rooms.clock() - found.watermark).total_seconds(),
            "adopting": found.adopting,
        }
        if not slot.release.sequence:
            said["trial"] = True
        if "features" in body.include:
            said["features"] = {name: _plain(value) for name, value in (found.values or {}).items()}
        if "vectors" in body.include and found.vector is not None:
            said["vector"] = found.vector[0].tolist()
        asked = [one for one in body.include if one != "features"]
        if body.format == "columns":
            said |= {"item_ids": [item for item, _ in found.found], "scores": [score for _, score in found.found]}
            listed = b""
        else:
            listed = b',"candidates":' + rendering.rows(found, slot, asked)
        laps.lap("render")
        said["took_ms"] = laps.done()
        return rendering.encoded(said)[:-1] + listed + b"}"


class Pinned(NamedTuple):
    """A surface, and what it serves at the moment that a request is looked at: whatever is published meanwhile."""

    name: str
    surface: Surface
    slot: Slot


class _Laps:
    """When a request's stages ended; TooLate once its time is over."""

    def __init__(self, began: float, timeout_ms: int | None) -> None:
        self._began, self._last = began, perf_counter()  # in between the request has waited for its turn
        self._until = None if timeout_ms is None else began + timeout_ms / 1_000
        self.took: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.took[stage] = round(1_000 * (now - self._last), 3)
        self._last = now
        if self._until is not None and now > self._until:
            raise TooLate(
                "timeout_ms",
                expected="an answer in time",
                found=f"{1_000 * (now - self._began):.1f} ms gone after `{stage}`",
                fix="Ask again, or allow more time.",
            )

    def done(self) -> dict[str, float]:
        self.took["total"] = round(1_000 * (perf_counter() - self._began), 3)
        return self.took


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


async def _prepared(only: Predicate, slot: Slot) -> None:
    """Wait for what a new filter matches, and let others be answered meanwhile."""
    if columns_of(only) <= set(slot.schema.filters) and not slot.index.ready(only):
        await run_in_threadpool(slot.index.prepare, only)


def _filter(raw: object, within: str = "") -> Predicate:
    try:
        return parsed(raw)
    except FilterRefused as wrong:
        raise Invalid(wrong, f"#/{within}{wrong.field}") from wrong


def _refuse_other(slot: Slot, wanted: str | None) -> None:
    if wanted is not None and not slot.release.id.startswith(wanted):
        raise OtherRelease(
            "release",
            expected=f"release {wanted!r}",
            found=f"{slot.release.id[:12]} is served",
            fix="Leave `release` out, or ask `/v1/releases` which there are.",
        )
