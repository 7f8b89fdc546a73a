"""`ratoon bench upkeep`: what each operation on a release saves and costs, relative to the release as it was."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.bench.refreshes.home import Tell
from ratoon.bench.row import Row, not_run
from ratoon.bench.upkeep import augment, compression, distil, fusing, transfer, vectors
from ratoon.bench.upkeep.scene import Scene, scene
from ratoon.domain.errors import UsageError

RESULTS = Path(__file__).parents[1] / "results" / "upkeep.json"

SETS = ("movietweetings-100k", "movielens-100k", "diginetica")
"""What the bars are for."""

Figures = Mapping[str, Sequence[Mapping[str, float]]]
"""Set -> what was found there, by seed."""


@dataclass(frozen=True, slots=True)
class Group:
    """One operation's part of the table.

    Attributes:
        measure: what is found of one set and seed, by name.
        rows: the lines that those make; sets that were not there are missing.
        sets: which sets are asked.
    """

    measure: Callable[[Scene], Mapping[str, float]]
    rows: Callable[[Figures], list[Row]]
    sets: tuple[str, ...] = SETS


GROUPS: dict[str, Group] = {
    "augment": Group(augment.measure, augment.rows),
    "compression": Group(compression.measure, compression.rows),
    "distil": Group(distil.measure, distil.rows),
    "fuse": Group(fusing.measure, fusing.rows),
    "transfer": Group(transfer.measure, transfer.rows),
    "vectors": Group(vectors.measure, vectors.rows),
}
"""Name -> its part, in the table's order."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        sets: names of folders; all of SETS by default.
        only: names of groups; all by default.
        seeds: of each set, from 0.
        scale: a share of each set's users; the bars are for 1.
    """

    sets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seeds: int = 3
    scale: float = 1.0


def measure(folder: Path, feature_repo: Path, size: Size, stamp: dict[str, str], tell: Tell) -> dict[str, dict[str, Any]]:
    """The table: group -> stamp and rows. What is measured at full size on every set is kept.

    Args:
        folder: what holds the sets, each in a folder of its name.

    Raises:
        UsageError: there is no such group.
    """
    groups = {name: GROUPS[name] for name in size.only or GROUPS if name in GROUPS}
    if unknown := [name for name in size.only if name not in GROUPS]:
        raise UsageError("--only", expected=f"some of {', '.join(GROUPS)}", found=", ".join(unknown), fix="Name those.")
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {name: {} for name in groups}
    absent = [name for name in size.sets or SETS if not (folder / name).is_dir()]
    for name in size.sets or SETS:
        for seed in range(size.seeds if name not in absent else 0):
            with (
                tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch,
                scene(Path(scratch), feature_repo, folder, name, seed, size.scale, tell) as there,
            ):
                for called, group in groups.items():
                    if name in group.sets:
                        tell(f"{name}, seed {seed}: {called}", 0.0)
                        found[called].setdefault(name, []).append(group.measure(there))
    missing = [asdict(not_run(f"{name}: every operation", "", f"{folder} has no folder {name}")) for name in absent]
    told = {
        called: {**stamp, "seeds": size.seeds, "rows": [asdict(row) for row in group.rows(found[called])] + missing}
        for called, group in groups.items()
    }
    if size.scale == 1 and not absent and not size.sets:
        durable.write(RESULTS, json.dumps({**kept(), **told}, indent=1).encode() + b"\n")
    return told


def kept() -> dict[str, dict[str, Any]]:
    """Group -> stamp and rows, as they were last measured at full size on every set."""
    stored: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return stored
