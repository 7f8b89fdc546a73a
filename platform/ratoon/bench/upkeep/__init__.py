"""`ratoon bench upkeep`: what each operation on a release saves and costs, relative to the release as it was."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon.bench.refreshes.home import Tell
from ratoon.bench.row import Row, not_run
from ratoon.bench.upkeep import vectors
from ratoon.bench.upkeep.scene import Scene, scene
from ratoon.domain.errors import UsageError

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


def measure(folder: Path, feature_repo: Path, size: Size, stamp: dict[str, str], tell: Tell) -> dict[str, Any]:
    """The table.

    Args:
        folder: what holds the sets, each in a folder of its name.

    Raises:
        UsageError: there is no such group.
    """
    groups = {name: GROUPS[name] for name in size.only or GROUPS if name in GROUPS}
    if unknown := [name for name in size.only if name not in GROUPS]:
        raise UsageError("--only", expected=f"some of {', '.join(GROUPS)}", found=", ".join(unknown), fix="Name those.")
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {name: {} for name in groups}
    rows: list[Row] = []
    for name in size.sets or SETS:
        if not (folder / name).is_dir():
            rows.append(not_run(f"{name}: every operation", "", f"{folder} has no folder {name}"))
            continue
        for seed in range(size.seeds):
            with (
                tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch,
                scene(Path(scratch), feature_repo, folder, name, seed, size.scale, tell) as there,
            ):
                for called, group in groups.items():
                    if name in group.sets:
                        tell(f"{name}, seed {seed}: {called}", 0.0)
                        found[called].setdefault(name, []).append(group.measure(there))
    rows = [row for called, group in groups.items() if found[called] for row in group.rows(found[called])] + rows
    return {**stamp, "seeds": size.seeds, "rows": [asdict(row) for row in rows]}
