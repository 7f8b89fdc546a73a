"""What an interaction is worth: the weight of its type, and whether it can be a right answer.

One policy per surface, the same wherever its interactions count: rows are learnt and judged with the weights that `weighed`
gives, what is never offered again is no right answer, and what weighs nothing by its type has not been had (see `had`).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.caps import Capped, Caps, capped

Form = Literal["constant", "value", "log1p(value)"]
"""What a weight is a multiple of: 1, the event's value, or log(1 + value): seconds watched, plays."""

Repeat = Literal["mask", "allow"]
"""Whether an item that a user has had may be offered to them again."""

Types = Sequence[str] | None
"""The types of interactions that count; None where all do, those without a type too."""

HEAVIEST = 1_000.0
"""A weight beyond this counts as this: no single event can be a whole lesson."""

NO_TYPE = ""
"""How interactions without a type are called where types are counted."""

_WRITTEN = re.compile(r"^(?:(?P<times>[0-9][0-9.eE+-]*)\s*\*\s*)?(?P<form>value|log1p\(value\))$")


@dataclass(frozen=True, slots=True)
class Weight:
    """What the interactions of one type weigh: `times` the form.

    Attributes:
        times: finite, 0 or more.
    """

    times: float = 1.0
    form: Form = "constant"

    @classmethod
    def parse(cls, said: object) -> "Weight":
        """The weight that a configuration states as a number, or as `value`, `log1p(value)` or a multiple such as `0.2 * value`.

        Raises:
            ValueError: it states something else.
        """
        form: Form | None = "constant"
        times: object = said
        if isinstance(said, str):
            found = _WRITTEN.match(said.strip())
            form = next((form for form in get_args(Form) if found and found["form"] == form), None)
            times = (found and found["times"]) or "1"
        number = _number(times)
        if form is None or number is None:
            asked = "a number of 0 or more, `value`, `log1p(value)` or a multiple such as `0.2 * value` is asked"
            raise ValueError(f"{asked}, not {said!r}")
        return cls(number, form)

    def of(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The weights of interactions with these values (NaN where there is none), shape as given.

        Where the form looks at the value, one that is missing or not above 0 weighs nothing.
        """
        if self.form == "constant":
            weights = np.full(values.shape, self.times)
        else:
            known = np.where(values > 0, values, 0.0)
            weights = self.times * (known if self.form == "value" else np.log1p(known))
        heavy: npt.NDArray[np.float64] = np.minimum(weights, HEAVIEST)
        return heavy


def _number(said: object) -> float | None:
    """A finite number of 0 or more, or None."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    try:
        number = float(said)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """What a surface learns from and is judged by.

    Attributes:
        weights: interaction type -> what it weighs. A type that is not listed weighs nothing, unless none is listed: then every
            interaction weighs 1.
        repeat: see `Repeat`.
        above_zero: whether only an interaction with a value above 0 is a right answer, as where clicks are told from what
            was shown and not clicked.
    """

    weights: Mapping[str, Weight] = field(default_factory=dict)
    repeat: Repeat = "mask"
    above_zero: bool = False

    @property
    def masks_seen(self) -> bool:
        """Whether what a user has had is hidden from them."""
        return self.repeat == "mask"

    @property
    def types(self) -> Types:
        """The types that weigh something: what a user has had and what is popular is told from interactions of these alone.

        Values are not looked at: one of a type that weighs `log1p(value)` has been had, whatever its value weighs.
        """
        return tuple(name for name, weight in self.weights.items() if weight.times > 0) if self.weights else None


@dataclass(frozen=True, slots=True)
class Untaught:
    """What of a lesson's rows is not learnt.

    Attributes:
        capped: what was over the caps.
        weightless: interaction type -> how many rows of it weigh nothing; `NO_TYPE` for those without a type.
    """

    capped: Capped = field(default_factory=Capped)
    weightless: Mapping[str, int] = field(default_factory=dict)


def taught(interactions: pa.Table, policy: LabelPolicy, caps: Caps) -> tuple[pa.Table, Untaught]:
    """The interactions that are learnt, weighed and within the caps, in order; and what is left out.

    Args:
        interactions: with columns `offset`, `user_id`, `item_id`, `type`, `value` and `event_timestamp`.
    """
    kept, over = capped(weighed(interactions, policy), caps)
    return kept, Untaught(over, weightless(interactions, policy))


def weighed(interactions: pa.Table, policy: LabelPolicy) -> pa.Table:
    """The interactions that weigh something, in order, with their weight as the last column.

    Args:
        interactions: with columns `type` and `value`.

    Returns:
        the same columns and `weight` (float32, above 0), replaced where it was there already.
    """
    weights = _weights(interactions, policy)
    kept = weights > 0
    names = [name for name in interactions.column_names if name != "weight"]
    return interactions.select(names).append_column("weight", pa.array(weights, pa.float32())).filter(pa.array(kept))


def had(interactions: pa.Table, policy: LabelPolicy) -> pa.Table:
    """The interactions of types that weigh something, in order; see `LabelPolicy.types`.

    Args:
        interactions: with a column `type`.
    """
    if policy.types is None:
        return interactions
    return interactions.filter(pc.is_in(interactions.column("type"), value_set=pa.array(policy.types, pa.string())))


def weightless(interactions: pa.Table, policy: LabelPolicy) -> dict[str, int]:
    """How many interactions of each type weigh nothing and are not learnt, by type; `NO_TYPE` for those without one."""
    dropped = pc.filter(interactions.column("type"), pa.array(_weights(interactions, policy) == 0))
    counted = pc.value_counts(pc.fill_null(dropped, NO_TYPE)).to_pylist()
    return {row["values"]: row["counts"] for row in sorted(counted, key=lambda row: str(row["values"]))}


def right_answers(interactions: pa.Table, policy: LabelPolicy, seen: Sequence[Iterable[str]]) -> pa.Table:
    """The interactions that a recommendation can be judged by, in order, weighed.

    Args:
        interactions: n of them, with columns `item_id`, `type` and `value`.
        seen: what the user of each had had before it, n of them. Not looked at where repeats are allowed.
    """
    right = np.ones(interactions.num_rows, np.bool_)
    if policy.above_zero:
        right &= _values(interactions) > 0
    if policy.masks_seen:
        items = interactions.column("item_id").to_pylist()
        right &= np.array([item not in set(had) for item, had in zip(items, seen, strict=True)], np.bool_)
    return weighed(interactions.filter(pa.array(right)), policy)


def _weights(interactions: pa.Table, policy: LabelPolicy) -> npt.NDArray[np.float32]:
    """Shape (n,)."""
    if not policy.weights:
        return np.ones(interactions.num_rows, np.float32)
    values, types = _values(interactions), interactions.column("type")
    weights = np.zeros(interactions.num_rows, np.float32)
    for name, weight in policy.weights.items():
        of_type = pc.fill_null(pc.equal(types, name), False).to_numpy()
        weights[of_type] = weight.of(values[of_type])
    return weights


def _values(interactions: pa.Table) -> npt.NDArray[np.float64]:
    """Each row's value, NaN where there is none; shape (n,)."""
    values: npt.NDArray[np.float64] = interactions.column("value").cast(pa.float64()).to_numpy()
    return values
