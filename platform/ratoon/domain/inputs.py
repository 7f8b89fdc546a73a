"""Inputs of the user tower: those that are stored of a user, and those that a caller says."""

import math
from collections.abc import Mapping, Sequence

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import UsageError
from ratoon.domain.said import moment_of, shown
from ratoon.domain.schema import Feature, FeatureKind

LONGEST = 1_000
"""Entries of a list."""

_EXPECTED: dict[FeatureKind, str] = {
    "id": "a string",
    "category": "a string",
    "text": "a string",
    "number": "a finite number, or a time with its zone",
    "count": "a finite number, or a time with its zone",
    "ids": f"a list of at most {LONGEST} strings",
    "history": f"a list of at most {LONGEST} strings",
    "attention": f"a list of at most {LONGEST} strings",
}


class Inputs(dict[str, object]):
    """Values by feature name that are handed out again and again as long as they hold, and never changed.

    Attributes:
        made: the vector that a tower made of them, and what only that tower has; so that it does not make it again.
    """

    __slots__ = ("made",)

    def __init__(self, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.made: tuple[object, Vectors] | None = None


class Unfit(UsageError):
    """What is asked does not fit the release that is served: another one may be asked it."""


def inputs_of(said: Mapping[str, object], features: Sequence[Feature], field: str) -> dict[str, object]:
    """Values by feature name, as `ratoon.ports.Values`; a null says nothing.

    Args:
        said: as JSON has them.
        features: of the user tower.
        field: where they stand in the request.

    Raises:
        Unfit: the release has no such input, or the input is of another type.
    """
    known = {feature.name: feature for feature in features}
    found: dict[str, object] = {}
    for name, value in said.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise Unfit(
                f"{field}/{name}", expected=f"an input of the user tower ({names})", found=repr(name), fix="Name one of them."
            )
        if value is not None:
            found[name] = _value(value, known[name], f"{field}/{name}")
    return found


def _value(value: object, feature: Feature, field: str) -> object:
    match feature.kind, value:
        case ("id" | "category" | "text", str()):
            return value
        case ("number" | "count", int() | float()) if not isinstance(value, bool) and math.isfinite(value):
            return value
        case ("number" | "count", str()) if (moment := moment_of(value)) is not None:
            return moment
        case ("ids" | "history" | "attention", list()) if len(value) <= LONGEST and all(isinstance(one, str) for one in value):
            return value
        case ("vector", list()) if len(value) == feature.dim and all(_finite(one) for one in value):
            return [float(one) for one in value]
    expected = _EXPECTED.get(feature.kind, f"a list of {feature.dim} finite numbers")
    raise Unfit(field, expected=expected, found=shown(value), fix="Give a value of that type.")


def _finite(one: object) -> bool:
    return isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
