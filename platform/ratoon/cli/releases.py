"""`ratoon releases`, `rollback` and `resume`: what was published, and how to go back."""

from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, show, table
from ratoon.domain.errors import UsageError
from ratoon.domain.release import Release
from ratoon.domain.report import Run
from ratoon.registry import FileRegistry, Refusal


def releases(
    surface: SurfaceName = "default",
    forget: Annotated[str | None, typer.Option(help="Delete this release (its id, or its beginning) and all before it.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="List what the gate refused instead, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """The releases of a surface, newest first."""
    registry = open_house().registry(surface)
    if refused:
        if forget:
            raise UsageError("--refused", expected="no --forget", found=repr(forget), fix="Ask for one thing at a time.")
        said = _refused(registry)
        show(said, as_json, table(said) if said else f"{surface}: nothing was refused")
        return
    if forget:
        registry.forget(forget)
    rows = [_summary(release) | {"bytes": registry.occupied(release)} for release in registry.releases()]
    show(rows, as_json, table(rows))


def rollback(
    surface: SurfaceName = "default",
    to: Annotated[str | None, typer.Option(help="Release id, or its beginning; the one before the current by default.")] = None,
    reason: Annotated[str, typer.Option(help="Why; shown by `ratoon status`.")] = "rolled back by hand",
    as_json: AsJson = False,
) -> None:
    """Publish an earlier release's content again and hold refreshing until `ratoon resume`."""
    release = open_house().registry(surface).rollback(to, reason)
    show(_summary(release), as_json, f"release {release.sequence} ({release.id[:12]}) is served; refreshing is on hold")


def resume(
    surface: SurfaceName = "default",
    leave_out: Annotated[list[str] | None, typer.Option(help="Offsets FIRST:LAST never to learn from; repeatable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let refreshes run again, optionally without some events."""
    house = open_house()
    registry = house.registry(surface)
    registry.resume(tuple(_range(text, house.log.end()) for text in leave_out or ()))
    show({"left_out": registry.left_out()}, as_json, "refreshing goes on")


def _refused(registry: FileRegistry) -> list[dict[str, object]]:
    """Every refused window, newest first, with the run that has the figures while it is kept."""
    kept = ((run.report.window, run) for run in registry.runs.all() if run.report.outcome == "refused")
    runs = {(window.start, window.end): run for window, run in kept if window is not None}
    return [_told(one, runs.get((one.window.start, one.window.end))) for one in reversed(registry.refused())]


def _told(one: Refusal, run: Run | None) -> dict[str, object]:
    return {
        "first": one.window.start + 1,
        "last": one.window.end,
        "watermark": one.window.as_of,
        "run": run.number if run else None,
        "finished": run.finished if run else None,
        "scope": run.report.plan.scope if run else None,
        "reasons": list(one.reasons),
    }


def _range(text: str, end: int) -> tuple[int, int]:
    first, _, last = text.partition(":")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) <= int(last)):
        raise UsageError(
            "--leave-out",
            expected="FIRST:LAST, two log offsets in order",
            found=repr(text),
            fix="`ratoon releases --refused` lists windows.",
        )
    if int(last) > end:  # what is left out is never learnt from, so that nothing may be that has not come yet
        raise UsageError(
            "--leave-out",
            expected=f"offsets up to the log's end, {end}",
            found=repr(text),
            fix="`ratoon releases --refused` lists windows.",
        )
    return int(first), int(last)


def _summary(release: Release) -> dict[str, object]:
    return {
        "sequence": release.sequence,
        "id": release.id,
        "scope": release.scope,
        "parent": release.parent,
        "watermark": release.window.as_of,
        "events": release.window.end,
        "items_written": len(release.written_items),
    }
