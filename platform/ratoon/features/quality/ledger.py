"""What has been sifted and what was put aside: files under `features/quarantine/`, each whole or not there at all.

    sifted.json                   the log offset up to which events are judged, and what outliers are measured against
    events-<first>-<last>.jsonl   events of first < offset <= last that broke a rule, one JSON object a line
    hand-<n>.jsonl                events put aside by hand
    release-<n>.pending.jsonl     events that are released but perhaps not in the log again yet
    release-<n>.jsonl             events that are
    values/<view>-<first>-<last>.jsonl   values that ingestion left out because they do not fit their type
    rows-<view>.jsonl             rows of somebody else's files that break a rule now

A killed run leaves a file of events beyond `sifted.json`; the next one judges them again, and each event counts once.
"""

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.features.quality.rules import Action

BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that an event breaks, and how."""

    view: str
    rule: str
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One event with what is wrong with it.

    Attributes:
        when: the log's now when it was judged, ISO 8601.
    """

    offset: int
    event_id: str
    kind: str
    user_id: str | None
    item_id: str | None
    when: str
    faults: tuple[Fault, ...]

    @property
    def aside(self) -> bool:
        """Whether it is kept out of features and learning."""
        return any(fault.action == "quarantine" for fault in self.faults)


@dataclass(frozen=True, slots=True)
class Release:
    """An event that may come back: its copy in the log is exempt from the rules that it was released from."""

    offset: int
    event_id: str
    copy_id: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and scale (1.4826 times the median absolute deviation) of recent accepted values; 0 when too few are known."""

    median: float
    scale: float
    rows: int


@dataclass(frozen=True, slots=True)
class Sifted:
    """How far the log is judged, and each outlier rule's reference (rule key -> spread)."""

    offset: int = 0
    spreads: Mapping[str, Spread] = field(default_factory=dict)


class Ledger:
    """The folder `features/quarantine`. One process sifts at a time; any number read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Wait until no other process sifts or releases, and keep them out during the body."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def sifted(self) -> Sifted:
        """How far sifting has come."""
        path = self.folder / "sifted.json"
        if not path.exists():
            return Sifted()
        raw = json.loads(path.read_bytes())
        return Sifted(raw["offset"], {key: Spread(**spread) for key, spread in raw["spreads"].items()})

    def record(self, first: int, reached: Sifted, entries: Sequence[Entry]) -> None:
        """Write down what is wrong with events of first < offset <= `reached.offset`, then that they are judged."""
        if entries:
            self._write(f"events-{first:012d}-{reached.offset:012d}.jsonl", entries)
        durable.fault_point("quality.recorded")
        durable.write(self.folder / "sifted.json", json.dumps(asdict(reached), sort_keys=True).encode())

    def put_aside(self, entries: Sequence[Entry]) -> None:
        """Put events aside by hand."""
        self._write(f"hand-{len([*self.folder.glob('hand-*.jsonl')]):06d}.jsonl", entries)

    def report_rows(self, view: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Replace what is known to be wrong with the rows of a foreign view."""
        path = self.folder / f"rows-{view}.jsonl"
        if rows:
            durable.write(path, _lines(rows))
        else:
            path.unlink(missing_ok=True)

    def entries(self) -> dict[int, Entry]:
        """Every event with something wrong, by offset, what was released included."""
        found: dict[int, Entry] = {}
        for path in [*sorted(self.folder.glob("events-*.jsonl")), *sorted(self.folder.glob("hand-*.jsonl"))]:
            for raw in _read(path):
                entry = Entry(**raw | {"faults": tuple(Fault(**fault) for fault in raw["faults"])})
                known = found.get(entry.offset)
                faults = dict.fromkeys([*(known.faults if known else ()), *entry.faults])
                found[entry.offset] = replace(entry, faults=tuple(faults))
        return dict(sorted(found.items()))

    def aside(self) -> list[int]:
        """The offsets of every event that is kept out, in order."""
        return [offset for offset, one in self.entries().items() if one.aside]

    def rows(self) -> list[dict[str, Any]]:
        """The rows of foreign files that break a rule: view, file, row, rule, action, reason, when."""
        return [row for path in sorted(self.folder.glob("rows-*.jsonl")) for row in _read(path)]

    def values(self) -> list[dict[str, Any]]:
        """Values that ingestion left out because they do not fit their feature's type: view, event_id, field, expected, found."""
        paths = sorted((self.folder / "values").glob("*.jsonl"))
        return [{"view": path.stem.rsplit("-", 2)[0], **row} for path in paths for row in _read(path)]

    def releases(self) -> tuple[Release, ...]:
        """Every release, those included whose events are perhaps not in the log again yet."""
        return tuple(Release(**raw | {"rules": tuple(raw["rules"])}) for path in self._releases() for raw in _read(path))

    def pending(self) -> list[tuple[Path, tuple[Release, ...]]]:
        """The files of releases that are not known to have come through."""
        paths = sorted(self.folder.glob("release-*.pending.jsonl"))
        return [(path, tuple(Release(**raw | {"rules": tuple(raw["rules"])}) for raw in _read(path))) for path in paths]

    def release(self, releases: Sequence[Release]) -> None:
        """Write down what is to come back."""
        self._write(f"release-{len(self._releases()):06d}.pending.jsonl", releases)

    def came_through(self, path: Path) -> None:
        """A file of releases whose events are in the log again."""
        path.rename(path.with_name(path.name.replace(".pending", "")))
        durable.sync_folder(self.folder)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Changes whenever anything in the folder does."""
        files = sorted(path for path in self.folder.glob("*.json*") if path.is_file())
        return tuple((path.name, stat.st_mtime_ns, stat.st_size) for path in files for stat in [path.stat()])

    def _releases(self) -> list[Path]:
        return sorted(self.folder.glob("release-*.jsonl"))

    def _write(self, name: str, records: Sequence[Entry] | Sequence[Release]) -> None:
        durable.write(self.folder / name, _lines([asdict(record) for record in records]))


def entry(event: Mapping[str, object], now: datetime, faults: Iterable[Fault]) -> Entry:
    """What is wrong with one log event."""
    named = {name: event[name] for name in ("offset", "event_id", "kind", "user_id", "item_id")}
    return Entry(**named, when=now.isoformat(), faults=tuple(faults))  # type: ignore[arg-type]  # as LOG_SCHEMA has them


def _lines(records: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
