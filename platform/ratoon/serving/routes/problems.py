"""What each problem means, and what to do about it: where the `type` of an error answer leads."""

from html import escape
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Header, Path
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field

from ratoon.serving.bodies.fields import Id
from ratoon.serving.problems import Unknown, documented


class Meaning(NamedTuple):
    """One row of the table."""

    status: int
    meaning: str
    todo: str


MEANINGS: dict[str, Meaning] = {
    "malformed_body": Meaning(400, "The body is not JSON in UTF-8.", "Send one JSON object, whole, without lone surrogates."),
    "usage": Meaning(
        400, "What was asked for cannot be done as things are.", "Read `detail`: it says what would have been right."
    ),
    "unauthorized": Meaning(
        401,
        "The request shows no key, or none that is good now.",
        "Send `Authorization: Bearer rtn_...` or `X-API-Key: rtn_...`; `ratoon keys create` makes a key.",
    ),
    "forbidden": Meaning(403, "The key's role does not reach as far as this.", "Use a key with the role that `detail` names."),
    "not_found": Meaning(404, "Nothing is there by that name.", "Check the path and the id; ids in paths are percent-encoded."),
    "unknown_surface": Meaning(
        404, "No product surface of that name is configured.", "Name one that `detail` lists, or none: then it is `default`."
    ),
    "method_not_allowed": Meaning(405, "The path is there, and has no such method.", "Use one that the `Allow` header lists."),
    "conflict": Meaning(409, "Somebody else was there first.", "Look at what is there now, then ask again if it still matters."),
    "unfit": Meaning(
        409,
        "The request is well formed and does not fit what is served or defined: a column nobody can filter by, a feature that no "
        "view has, a time ahead of the clock.",
        "`errors` points at each field. Change it, or the definitions; sending the same again gives the same.",
    ),
    "other_release": Meaning(
        409,
        "The request wants another release than the one that is served.",
        "Leave `release` out, or look at `/v1/releases/current` and ask for that one.",
    ),
    "idempotency_key_reused": Meaning(
        409, "An `Idempotency-Key` came again with another body.", "Use a new key for a new request; send a repeat unchanged."
    ),
    "body_too_large": Meaning(413, "The body has more bytes than a request may have.", "Send several smaller requests."),
    "unsupported_media_type": Meaning(415, "The body does not say that it is JSON.", "Send `Content-Type: application/json`."),
    "invalid": Meaning(
        422, "The request is not what the OpenAPI document asks for.", "`errors` points at each field and says what it may be."
    ),
    "rate_limited": Meaning(429, "The key has asked as often as it may.", "Wait for as many seconds as `Retry-After` says."),
    "http_error": Meaning(400, "The request could not be read as HTTP asks for it.", "Read `detail`; `status` says which kind."),
    "internal": Meaning(
        500, "Something unexpected happened here.", "Report it with the `request_id`: the server's log has the rest under it."
    ),
    "not_ready": Meaning(
        503, "There is no release to answer from yet, or the process is about to stop.", "Ask again after `Retry-After` seconds."
    ),
    "unavailable": Meaning(503, "The service's storage cannot be used right now; nothing was changed.", "Ask again, as it says."),
    "overloaded": Meaning(
        503, "More is asked than can be answered in time.", "Ask again after `Retry-After` seconds, and less often meanwhile."
    ),
    "too_late": Meaning(
        504, "The time that `timeout_ms` allows was over before there was an answer.", "Ask again, or allow more time."
    ),
}
"""Code -> what it means. Codes are for programs, and stay; what they mean is said here and nowhere else."""


class ProblemPage(BaseModel):
    """What one code means."""

    code: str
    status: int = Field(description="With which it usually comes.")
    meaning: str
    todo: str = Field(description="What a caller can do.")


class Problems:
    """`GET /problems/{code}`."""

    def router(self) -> APIRouter:
        """The route."""
        routes = APIRouter()
        page = documented(404, 422) | {200: {"model": ProblemPage, "content": {"text/html": {"schema": {"type": "string"}}}}}
        routes.add_api_route("/problems/{code:any}", self.get, summary="What a problem means", responses=page)
        return routes

    async def get(
        self,
        code: Annotated[Id, Path(description="As a problem's `code` has it.")],
        accept: Annotated[str, Header(description="A page where `text/html` is among it, else JSON.")] = "",
    ) -> Response:
        """Say what a problem means and what to do about it."""
        known = MEANINGS.get(code)
        if known is None:
            raise Unknown("code", expected=f"one of {', '.join(MEANINGS)}", found=repr(code), fix="Look at `code` again.")
        if "text/html" in accept.lower():
            return HTMLResponse(_page(code, known))
        said = ProblemPage(code=code, status=known.status, meaning=known.meaning, todo=known.todo)
        return Response(said.model_dump_json(), media_type="application/json")


_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}"


def _page(code: str, known: Meaning) -> str:
    others = " · ".join(f'<a href="/problems/{other}">{other}</a>' for other in MEANINGS if other != code)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(code)}</title><style>:root{{color-scheme:light dark}}{_STYLE}</style></head><body>"
        f"<h1><code>{escape(code)}</code></h1><p>Status {known.status}. {escape(known.meaning)}</p>"
        f"<h2>What to do</h2><p>{escape(known.todo)}</p><p><small>{others}</small></p></body></html>\n"
    )
