"""What becomes of a model that is made smaller without learning anything: which rows and units stay, in which form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ratoon.domain.forms import Forms


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of one vocabulary.

    Attributes:
        rows: of its table, ascending, all above 0, each somebody's; row 0 stays always.
        newest: microseconds since 1970, UTC, of the newest interaction: what they were all seen in at the latest.
        after: the interactions after which a value without a row gets one from now on, at least 1.
    """

    rows: Sequence[int]
    newest: int
    after: int = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model is brought to; what is not named stays as it is.

    Attributes:
        forms: see `ratoon.domain.forms`.
        rows: vocabulary -> what stays of it, renumbered in that order.
        width: the share of each tower's hidden units that stay, those that move its vectors most; above 0.
    """

    forms: Forms | None = None
    rows: Mapping[str, Kept] = field(default_factory=dict)
    width: float = 1.0
