"""The tag `ratoon.expect`: what a field's values, or a view's events, have to be. Parsed strictly; known without Feast.

On a field:   range(0, 120)  range(1870-01-01, 2100-01-01)  one_of(M, F)  robust_z(8)  null_share(0.2)
On a view:    not_before(1980-01-01)  not_before(arrival - 30d)  not_after(arrival + 5m)  not_after(now + 1h)
              rate(user_id, 1000/1h)  schema()
              and of interactions' own columns: range(value, 0, 5)  one_of(type, rating, click)  robust_z(value, 8)

Several rules are parted by `;`, and each may end in its action: `null_share(0.2) warn`.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from ratoon.features import described
from ratoon.features.views import Origin

Kind = Literal["range", "one_of", "robust_z", "null_share", "not_before", "not_after", "rate", "schema"]
Action = Literal["quarantine", "block", "warn"]
Anchor = Literal["", "arrival", "now"]

ACTIONS: tuple[Action, ...] = get_args(Action)
KINDS: tuple[Kind, ...] = get_args(Kind)
BATCH: tuple[Kind, ...] = ("null_share",)
"""Rules about a batch as a whole: no single event breaks one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        origin: which events it judges; `foreign` for rows of somebody else's files.
        field: the column it looks at; empty where it looks at the event as a whole.
        dtype: the field's Feast type; empty without a field.
        text: as it was written, without the action.
        low, high: what its measure must lie between, both included.
        allowed: the values of `one_of`.
        anchor, span: what a bound in time counts from, and by how many microseconds it is moved (from 1970 without an
            anchor); for `rate` the window's length.
    """

    view: str
    origin: Origin
    field: str
    dtype: str
    text: str
    kind: Kind
    action: Action
    low: float = -math.inf
    high: float = math.inf
    allowed: tuple[str, ...] = ()
    anchor: Anchor = ""
    span: int = 0

    @property
    def key(self) -> str:
        """Its name in the quarantine and on the command line."""
        return f"{self.view}.{self.field}:{self.text}" if self.field else f"{self.view}:{self.text}"


def save(path: Path, rules: Iterable[Rule]) -> None:
    """Write the rules down for processes that do not import Feast."""
    rows = [{name: value for name, value in asdict(rule).items() if value not in _UNBOUNDED} for rule in rules]
    described.write(path, rows)


def load(path: Path) -> tuple[Rule, ...]:
    """The inverse of `save`; none where no repository has been applied. StoreError if the file is damaged."""
    if not path.exists():
        return ()
    return tuple(Rule(**row | {"allowed": tuple(row["allowed"])}) for row in described.read(path))


_UNBOUNDED = (-math.inf, math.inf)  # JSON has no infinity
