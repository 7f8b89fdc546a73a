"""`ratoon retrieve`: what a running server answers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratoon import config
from ratoon.cli.screen import AsJson, show, table
from ratoon.domain.errors import RatoonError, StoreError, UsageError

if TYPE_CHECKING:
    from ratoon.client import ClientError, RetrieveAnswer  # with httpx behind it, which no other command waits for

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen on, and where who listens there can be asked."""


def retrieve(
    user: Annotated[str, typer.Argument(help="Whom it is for; unknown users get an answer too.")] = "",
    items: Annotated[list[str] | None, typer.Option("--item", help="More like this item, instead; may be repeated.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="How many candidates; else as the surface is set.")] = None,
    only: Annotated[
        str, typer.Option("--filter", help='What must be true of each, as the API\'s JSON: {"column": "year", "ge": 1990}.')
    ] = "",
    url: Annotated[str, typer.Option(help="The server; by default the one that ratoon.toml describes.")] = "",
    key_file: Annotated[Path | None, typer.Option(help="A file with the API key.")] = None,
    surface: Annotated[str | None, typer.Option(help="The product surface that asks.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a running server who should see what. The API key comes from --key-file or the variable RATOON_KEY."""
    from ratoon.client import Client, ClientError, RetrieveAnswer

    body = _body(user, items or [], k, only)
    try:
        with Client(url or _configured(), key=_key(key_file) or config.key(), surface=surface) as ratoon:
            told = ratoon.request("POST", "/v1/retrieve", body, repeatable=True)
    except ClientError as error:
        raise _failed(error) from error
    except ValueError as wrong:
        raise UsageError("--url or the key", expected="one that can be", found=str(wrong), fix="Correct it.") from wrong
    show(told, as_json, *_lines(RetrieveAnswer.read(told)))


def _body(user: str, items: list[str], k: int | None, only: str) -> dict[str, Any]:
    if bool(user) == bool(items):
        found = "both" if user else "neither"
        raise UsageError("USER or --item", expected="one of them", found=found, fix="Say whom, or what it shall be like.")
    body: dict[str, Any] = {"user_id": user} if user else {"item_ids": items}
    if k is not None:
        body["k"] = k
    if only:
        try:
            body["filter"] = json.loads(only)
        except ValueError as wrong:
            fix = "Write it as the API does, in quotes of the shell."
            raise UsageError("--filter", expected="JSON", found=str(wrong), fix=fix) from wrong
    return body


def _configured() -> str:
    serving = config.load().serving
    host = ANYWHERE.get(serving.host, serving.host)
    return f"http://[{host}]:{serving.port}" if ":" in host else f"http://{host}:{serving.port}"


def _key(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        found, key = "an empty one", file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as wrong:
        found, key = str(wrong), ""
    if not key:
        raise UsageError("--key-file", expected="a file with a key", found=found, fix="Name another.")
    return key


def _failed(error: "ClientError") -> RatoonError:
    from ratoon.client import Problem, Unauthorized, Unreachable

    match error:
        case Unauthorized():
            fix = "Name a key with --key-file or RATOON_KEY; `ratoon keys create` makes one."
            return UsageError("the key", expected="one that the server knows", found=str(error), fix=fix)
        case Problem() if error.status < 500 and error.status != 429:
            where = error.errors[0].pointer if error.errors else ""
            fix = "Change the request."
            return UsageError(where or "the request", expected="what the server can answer", found=str(error), fix=fix)
        case Unreachable():
            fix = "`ratoon serve` starts one; --url names another."
            return StoreError("the server", expected="an answer", found=str(error), fix=fix)
        case _:
            return StoreError("the server", expected="an answer", found=str(error), fix="Its log says more.")


def _lines(answer: "RetrieveAnswer") -> list[object]:
    titled = any("title" in one.item for one in answer.candidates)
    rows = [
        {"rank": one.rank, "item": one.item_id}
        | ({"title": one.item.get("title")} if titled else {})
        | {"score": round(one.score, 4), "source": one.source}
        for one in answer.candidates
    ]
    said = f"{answer.source}, release {answer.sequence} ({answer.release[:12]}), {answer.took_ms.total:.1f} ms"
    return [table(rows) if rows else "no candidates", f"{said}, request {answer.request_id}"]
