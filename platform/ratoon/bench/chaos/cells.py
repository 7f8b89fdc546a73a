"""The cells of the matrix as data: which harm is done at which stage, at which of the points that an undisturbed run passes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ratoon.bench.chaos.works import STAGES, WORKS, stages

FAULTS = (
    *("kill -9", "ENOSPC", "EIO", "truncated file", "flipped bit", "clock back 1 h", "duplicate event", "late event"),
    *("out of order", "NaN/inf", "schema change", "empty delta", "huge delta", "poisoned burst", "online store down"),
    *("online store slow", "registry locked", "two workers", "SIGTERM", "OOM"),
)
WAYS = {"kill -9": "kill", "ENOSPC": "enospc", "EIO": "eio", "SIGTERM": "term", "OOM": "oom"}
"""Faults that strike at a fault point, and how `ratoon.durable` calls them."""

MEANWHILE = (
    *("clock back 1 h", "duplicate event", "late event", "out of order", "NaN/inf", "schema change", "poisoned burst"),
    "two workers",
)
"""Faults that come while a stage is at work: it is stopped at a point, they happen, it goes on."""

MOST = 4
"""Of the passes of one fault point: the first two, the middle one and the last are failed."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One injected fault.

    Attributes:
        point, nth: the fault point, and which of its passes; empty and 0 where the fault is there before.
        file: what is damaged.
    """

    stage: str
    fault: str
    work: str
    point: str = ""
    nth: int = 0
    file: str = ""

    @property
    def name(self) -> str:
        """A name that no other cell has."""
        where = f" at {self.point}:{self.nth}" if self.point else f" of {self.file}" if self.file else ""
        return f"{self.stage}, {self.fault}{where}"


Site = tuple[str, int]


def cells(passed: Mapping[str, Sequence[str]]) -> list[Cell]:
    """All cells, given the fault points that each work passes when nobody disturbs it."""
    sites = {stage: list[tuple[str, Site]]() for stage in STAGES}
    for work in WORKS.values():
        points = passed[work.name]
        for at, (point, stage) in enumerate(zip(points, stages(work, points), strict=True)):
            sites.setdefault(stage, []).append((work.name, (point, points[: at + 1].count(point))))
    # What a refresh finds done already is a stage of its own, with a work of its own.
    own = {stage: [one for one in sites[stage] if one[0] == stage] or sites[stage] for stage in STAGES}
    found = [*_struck(own), *_meanwhile(own), *_before(), *_damaged()]
    return sorted(dict.fromkeys(found), key=lambda cell: (STAGES.index(cell.stage), FAULTS.index(cell.fault)))


def _struck(sites: Mapping[str, list[tuple[str, Site]]]) -> Iterator[Cell]:
    """Killed at every point, and failed in every other way at the first and the last."""
    for stage, there in sites.items():
        by_point = dict[tuple[str, str], list[int]]()
        for work, (point, nth) in there:
            by_point.setdefault((work, point), []).append(nth)
        chosen = [(work, (point, nth)) for (work, point), all_of in by_point.items() for nth in _some(all_of)]
        for work, (point, nth) in chosen:
            yield Cell(stage, "kill -9", work, point, nth)
        for fault in WAYS:
            if fault != "kill -9":
                for work, (point, nth) in dict.fromkeys((there[0], there[-1])) if there else ():
                    yield Cell(stage, fault, work, point, nth)


def _some(passes: Sequence[int]) -> list[int]:
    if len(passes) <= MOST:
        return list(passes)
    return [*passes[:2], passes[len(passes) // 2], passes[-1]]


def _meanwhile(sites: Mapping[str, list[tuple[str, Site]]]) -> Iterator[Cell]:
    for stage, there in sites.items():
        if not there:
            continue
        # After the first commit, or nobody else could write to the log while the stage stands still.
        work, (point, nth) = next((one for one in there if one[1][0] == "events.after_commit"), there[0])
        for fault in MEANWHILE:
            if stage not in ("ingest", "adopt"):  # nothing else comes while history is loaded; adopting writes nothing
                yield Cell(stage, fault, work, point, nth)
        if stage in ("publish", "gc", "backup"):
            yield Cell(stage, "registry locked", work)
    yield Cell("delta read", "registry locked", "refresh")


def _before() -> Iterator[Cell]:
    for name in ("append", "offline write", "materialise", "refresh", "gc", "backup"):
        yield Cell("delta read" if name == "refresh" else name, "empty delta", name)
    for name in ("append", "push online", "offline write", "materialise", "refresh", "backup"):
        yield Cell("delta read" if name == "refresh" else name, "huge delta", name)
    for name in ("push online", "materialise"):
        yield Cell(name, "online store down", name)
        yield Cell(name, "online store slow", name)
    for fault in ("duplicate event", "NaN/inf", "schema change"):
        yield Cell("ingest", fault, "ingest")


FILES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "append": ("append", ("events.sqlite", "events.sqlite-end")),
    "push online": ("push online", ("features/online.db", "features/views.json", "features/online.json")),
    "offline write": ("offline write", ("events.sqlite", "features/user_activity/part-*.parquet", "features/views.json")),
    "materialise": ("materialise", ("features/item_profile/part-*.parquet", "features/registry.db", "features/online.db")),
    "delta read": ("refresh", ("releases/default/CURRENT", "features/user_activity/part-*.parquet", "events.sqlite")),
    "train": ("refresh", ("releases/default/[0-9]*/user.safetensors", "releases/default/[0-9]*/model.json")),
    "gate": ("refresh", ("releases/default/[0-9]*/quality.json", "releases/default/[0-9]*/profile.json.zst")),
    "index apply": ("refresh", ("releases/default/[0-9]*/index.safetensors", "releases/default/[0-9]*/items.parquet")),
    "adopt": ("adopt", ("releases/default/[0-9]*/manifest.json", "releases/default/[0-9]*/index.safetensors")),
    "gc": ("gc", ("releases/default/[0-9]*/manifest.json", "releases/default/[0-9]*/user.safetensors")),
    "backup": ("backup", ("events.sqlite", "releases/default/CURRENT")),
}
"""Stage -> its work, and files under `var/` that it reads: of several that a pattern means the last is damaged."""

LEFT = {
    "checkpoint": ("first", "training.pass", "releases/default/training/passes.checkpoint"),
    "snapshot": ("refresh", "registry.renamed", "releases/default/[0-9]*/index.safetensors"),
    "publish": ("refresh", "registry.renamed", "releases/default/[0-9]*/manifest.json"),
    "embed": ("refresh", "refresh.embedded", "releases/default/pinned.json"),
}
"""Stage -> its work, where that is killed first, and which of the files that it has left is damaged then."""


def _damaged() -> Iterator[Cell]:
    for fault in ("truncated file", "flipped bit"):
        for stage, (work, files) in FILES.items():
            for file in files:
                yield Cell(stage, fault, work, file=file)
        for stage, (work, point, file) in LEFT.items():
            yield Cell(stage, fault, work, point, 1, file)


_NOWHERE = {
    "online store down": "does not touch the online store",
    "online store slow": "does not touch the online store",
    "registry locked": "waits for no lock of the registry",
    "empty delta": "is not reached, or has no delta of its own",
    "huge delta": "is reached through the delta read, whose cell goes to the end",
    "truncated file": "reads no file that is there before it",
    "flipped bit": "reads no file that is there before it",
}


def left_out(played: Sequence[Cell], wanted: Sequence[str]) -> dict[str, str]:
    """`stage x fault` -> why there is no such cell."""
    there = {(cell.stage, cell.fault) for cell in played}
    return {
        f"{stage} x {fault}": _why(stage, fault)
        for stage in STAGES
        if stage in wanted
        for fault in FAULTS
        if (stage, fault) not in there
    }


def _why(stage: str, fault: str) -> str:
    if fault in _NOWHERE:
        return _NOWHERE[fault]
    if stage == "ingest":
        return "history comes in one transaction, before anything else can come; see append"
    return "adopting reads releases alone, and writes nothing that others read"
