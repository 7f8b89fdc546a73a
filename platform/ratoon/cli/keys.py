"""`ratoon keys`: who may ask the API for what."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, err, show, table
from ratoon.domain.duration import seconds
from ratoon.domain.errors import UsageError

if TYPE_CHECKING:
    from ratoon.serving.keys import Key  # with the web framework behind it, which no other command waits for

app = typer.Typer(
    help="API keys. Until there is one, a server asks for none and listens on loopback alone.", no_args_is_help=True
)

Roles = Literal["read", "write", "operate"]


@app.command("create")
def create(
    role: Annotated[Roles, typer.Option(help="`read`: retrieve and look; `write`: events and items too; `operate`: everything.")],
    name: Annotated[str, typer.Option(help="Whose it is, or what for.")] = "",
    rate: Annotated[str | None, typer.Option(help="How often it may ask, as 100/second; else the server's default.")] = None,
    expires: Annotated[str | None, typer.Option(help="After which it is good for nothing, as `30 d`; else never.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: only its hash is kept. Servers know it within a second."""
    from ratoon.serving.keys import KeyFile

    home, now = open_house().home, datetime.now(UTC)
    key, text = KeyFile(home).create(role, now, name=name, rate=rate, expires=_until(expires, now))
    _write_down("keys create", now, key)  # before it is shown: a key that nobody wrote down opens nothing
    if as_json:
        show({"key": text, **_described(key, now)}, as_json)
        return
    sys.stdout.write(text + "\n")  # alone, so that a script can take it
    advice = "Keep it now; it is not shown again. Callers send it as `Authorization: Bearer ...` or `X-API-Key: ...`."
    err.print(advice, highlight=False, soft_wrap=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every key that was made, without its secret."""
    from ratoon.serving.keys import KeyFile

    now = datetime.now(UTC)
    rows = [_described(key, now) for key in KeyFile(open_house().home).all()]
    show(rows, as_json, table(rows) if rows else "no keys: a server asks for none")


@app.command("revoke")
def revoke(id: Annotated[str, typer.Argument(help="The id that `list` shows.")], as_json: AsJson = False) -> None:
    """Make a key good for nothing. Servers know within a second."""
    from ratoon.serving.keys import KeyFile

    now = datetime.now(UTC)
    key = KeyFile(open_house().home).revoke(id, now)
    if key.revoked == now:
        _write_down("keys revoke", now, key)
    show(_described(key, now), as_json, f"key {key.id} is good for nothing since {key.revoked:%Y-%m-%d %H:%M:%S}")


def _write_down(action: str, now: datetime, key: "Key") -> None:
    from ratoon.serving.keys import Act, Audit

    on = {"id": key.id, "name": key.name, "role": key.role}
    Audit(open_house().home).record(Act(now, "", "cli", action, on=on))


def _described(key: "Key", now: datetime) -> dict[str, object]:
    shown = asdict(key)
    del shown["digest"]
    return {**shown, "state": key.state(now)}


def _until(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    try:
        span = seconds(text)
        if span:
            return now + timedelta(seconds=span)
    except OverflowError:
        pass  # beyond the calendar: told like every other span that cannot be
    fix = "Leave it out for a key that does not expire."
    raise UsageError("--expires", expected="a span such as `30 d`, longer than nothing", found=repr(text), fix=fix)
