"""`ratoon quarantine`: what breaks the rules of feature_repo/, and the ways in and out."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import pyarrow as pa
import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, show, table
from ratoon.domain.errors import UsageError
from ratoon.wiring import House

app = typer.Typer(help="Events that break a rule of feature_repo/, kept out of features and learning.", no_args_is_help=True)

ViewName = Annotated[str | None, typer.Option(help="Only rules of this view.")]


@app.command("list")
def list_(view: ViewName = None, as_json: AsJson = False) -> None:
    """Everything that breaks a rule, or does not fit its type: what, where, why, since when."""
    house = open_house()
    rows = house.quarantine.listed(view)
    known = sorted({*(view.name for view in house.applied() or ()), *(str(row["view"]) for row in rows if row["view"])})
    if view is not None and view not in known:
        fix = "Name one of them; without --view everything is listed."
        raise UsageError("--view", expected=f"one of {', '.join(known) or 'none'}", found=repr(view), fix=fix)
    dated = [{**row, "when": datetime.fromisoformat(str(row["when"])) if row["when"] else None} for row in rows]
    show(rows, as_json, table(dated) if rows else "nothing in quarantine")


@app.command("release")
def release(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids that `list` shows; leave them out with --rule.")] = None,
    rule: Annotated[str | None, typer.Option(help="Everything caught by this rule: `rate`, or its whole text.")] = None,
    view: ViewName = None,
    as_json: AsJson = False,
) -> None:
    """Let events back in, as if they arrived now, past the rules that caught them; `ratoon ingest` takes them from there."""
    if not ids and rule is None:
        raise UsageError("release", expected="ids, or --rule", found="neither", fix="`ratoon quarantine list` shows both.")
    back = open_house().quarantine.release([_offset(text) for text in ids] if ids else None, rule=rule, view=view)
    show({"released": back}, as_json, f"{back} events are in the log again, as if they had just arrived")


@app.command("put")
def put(
    events: Annotated[str, typer.Argument(help="FIRST:LAST, two log offsets; both are put aside.")],
    reason: Annotated[str, typer.Option(help="Why; shown by `list`.")] = "put aside by hand",
    as_json: AsJson = False,
) -> None:
    """Put events aside that were not ingested yet, such as a batch that a rule blocks."""
    first, _, last = events.partition(":")
    if _offset(first) > _offset(last):
        raise UsageError("events", expected="FIRST:LAST in order", found=repr(events), fix=f"Write {last}:{first}.")
    aside = open_house().quarantine.put_aside(_offset(first), _offset(last), reason)
    show({"put_aside": aside}, as_json, f"{aside} events are in quarantine")


@app.command("refused")
def refused(
    replay: Annotated[
        bool, typer.Option("--replay", help="Append them now, each alone; those that still break a rule stay.")
    ] = False,
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers that are shown; all by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Events that were posted and refused: what, why, when. One that its sender sent again under another id counts twice."""
    house = open_house()
    if replay:
        back, still = house.refused.replay(_checked(house), numbers or None)
        text = f"{back} events are in the log, {still} still break a rule"
        show({"in_log": back, "refused": still}, as_json, text)
        return
    rows = [row for row in house.refused.listed() if not numbers or row["number"] in numbers]
    shown = [{name: row[name] for name in ("number", "when", "event_id", "reason")} for row in rows]
    show(rows, as_json, table(shown) if rows else "nothing was refused")


def _checked(house: House) -> Callable[[pa.Table], pa.Table]:
    """Appends as a server does: features that no view has are refused."""
    check = house.feature_check()

    def append(events: pa.Table) -> pa.Table:
        for text in events.column("features").to_pylist():
            if text is not None:
                check(json.loads(text))
        return house.log.append(events)

    return append


def _offset(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError("id", expected="a log offset from 1", found=repr(text), fix="`ratoon quarantine list` shows them.")
    return int(text)
