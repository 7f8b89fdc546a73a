"""What a job can do: one table, name -> how it runs and what its result says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratoon.config import Job


@dataclass(frozen=True, slots=True)
class Result:
    """What a run said of itself, from the JSON that its command printed.

    Attributes:
        verdict: one word, such as `published`, `skipped`, `refused` or `ok`.
        reason: why, in words.
        release: the id of the release it made or left current; empty if it has to do with none.
        rows: how many rows it handled.
        window: the log's offsets it covered, first exclusive; None if it has none.
        bytes: of what it made.
        figures: what else is kept of it.
    """

    verdict: str = "ok"
    reason: str = ""
    release: str = ""
    rows: int = 0
    window: tuple[int, int] | None = None
    bytes: int = 0
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """How one operation is run.

    Attributes:
        arguments: of `ratoon`, without --json; `{surface}`, `{folder}` and `{operation}` are filled in, and the job's options
            and its trial follow.
        lane: runs of one lane never overlap, whatever job they belong to; `{surface}` is filled in.
        read: what its JSON says.
    """

    arguments: tuple[str, ...]
    lane: str
    read: Callable[[Any], Result]

    def command(self, job: Job) -> list[str]:
        """The arguments of `ratoon` for a job."""
        given = {"surface": job.surface, "folder": job.folder, "operation": job.operation}
        words = [word.format(**given) for word in self.arguments]
        trial = ["--trial", job.trial] if job.trial else []
        return [*words, *(_option(name, value) for name, value in job.options.items()), *trial, "--json"]

    def lane_of(self, job: Job) -> str:
        """The lane that a job runs in."""
        return self.lane.format(surface=job.surface)


def _option(name: str, value: bool | int | float | str) -> str:
    flag = name.replace("_", "-")
    return f"--{'' if value else 'no-'}{flag}" if isinstance(value, bool) else f"--{flag}={value}"


def _refreshed(said: Any) -> Result:
    verdict, window = said["verdict"], said["window"]
    reasons = [said["plan"]["reason"], *(verdict["reasons"] if verdict else ())]
    return Result(
        said["outcome"],
        "; ".join(reasons),
        said["release"],
        sum(stage["rows"] for stage in said["stages"] if stage["name"] == "join"),
        (window["start"], window["end"]) if window else None,
        figures={"sequence": said["sequence"]},
    )


def _materialized(said: Any) -> Result:
    rows = sum(span["rows"] for span in said)
    return Result("ok" if rows else "skipped", f"{len(said)} views had new rows", rows=rows)


def _drifted(said: Any) -> Result:
    if not said:
        return Result("skipped", "nothing to compare: no release, or no interactions since it")
    worst = max(said, key=lambda one: one["beyond_chance"])
    reason = f"{worst['feature']}: PSI {worst['beyond_chance']:.3f} beyond chance"
    return Result("ok", reason, rows=len(said), figures={"drift": worst["beyond_chance"]})


def _compared(said: Any) -> Result:
    differ = len(said["differences"])
    return Result("blocked" if differ else "ok", f"{said['values']} values compared, {differ} differ", rows=said["values"])


def _cleared(said: Any) -> Result:
    cleared = said["cleared"]
    gone = sum(one["size"] for one in cleared)
    told = [f"{len(cleared)} things are gone, {gone} bytes", *(f"left alone: {one}" for one in said["skipped"])]
    return Result("ok" if cleared else "skipped", "; ".join(told), rows=len(cleared), figures={"bytes": gone})


def _copied(said: Any) -> Result:
    number, size = said["number"], said["bytes"]
    told = [
        f"backup {number}, {size} bytes, the log up to offset {said['position']}",
        *(f"without {one}" for one in said["without"]),
    ]
    return Result("ok", "; ".join(told), rows=said["files"], bytes=size, figures={"number": number})


OPERATIONS: Mapping[str, Operation] = {
    "materialize": Operation(("materialize",), "online store", _materialized),
    "refresh": Operation(("refresh", "--surface", "{surface}"), "releases of {surface}", _refreshed),
    "full": Operation(("refresh", "--surface", "{surface}", "--scope", "full"), "releases of {surface}", _refreshed),
    "index": Operation(("refresh", "--surface", "{surface}", "--scope", "index"), "releases of {surface}", _refreshed),
    "upkeep": Operation(("upkeep", "{operation}", "--surface", "{surface}"), "releases of {surface}", _refreshed),
    "drift": Operation(("drift", "--surface", "{surface}"), "drift of {surface}", _drifted),
    "parity": Operation(("parity",), "parity", _compared),
    "gc": Operation(("gc",), "upkeep", _cleared),
    "backup": Operation(("backup", "{folder}"), "upkeep", _copied),
}
"""Everything that can stand under `do`. A new one takes a line here and its name in `config.Operation`."""
