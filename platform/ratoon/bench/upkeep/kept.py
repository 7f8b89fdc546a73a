"""What a run has found so far, one file for each group, set and seed: a run that is cut off is gone on with by the next one."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ratoon import durable

ALIKE = ("hardware", "commit")
"""What of a run's stamp has to be the same, so that what it found is not measured again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Figures in a folder.

    Attributes:
        stamp: of this run; what was found on another machine, or by other code, counts as not found.
    """

    folder: Path
    stamp: Mapping[str, str] = field(default_factory=dict)

    def put(self, group: str, name: str, seed: int, share: float, figures: Mapping[str, float]) -> None:
        """Keep what is found of a set's seed."""
        said = {**self._alike(share), "figures": dict(figures)}
        self.folder.mkdir(parents=True, exist_ok=True)
        durable.write(self._file(group, name, seed), json.dumps(said, indent=1).encode() + b"\n")

    def get(self, group: str, name: str, seed: int, share: float) -> dict[str, float] | None:
        """What was found of a set's seed with such a share of its users; None if nothing is kept."""
        file = self._file(group, name, seed)
        said = json.loads(file.read_text()) if file.exists() else {}
        figures: dict[str, float] | None = said.pop("figures", None)
        return figures if said == self._alike(share) else None

    def forget(self, found: Iterable[tuple[str, str, int]]) -> None:
        """What is in a table now is measured again by the next run.

        Args:
            found: group, set and seed of each.
        """
        for one in found:
            self._file(*one).unlink(missing_ok=True)

    def _alike(self, share: float) -> dict[str, str | float]:
        return {**{name: self.stamp.get(name, "") for name in ALIKE}, "share": share}

    def _file(self, group: str, name: str, seed: int) -> Path:
        return self.folder / f"{group}-{name}-{seed}.json"
