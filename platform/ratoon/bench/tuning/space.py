"""Which settings of training are searched, and between which bounds.

Left out is what a first release of a slice cannot judge: what it costs to serve (`dim`), what shows in refreshes alone (`passes`,
`row_bound`, `absorb_bound`, `replay_half_life`), and `logq`, which from nothing is a little better at 0 and wears down in
refreshes (see `ratoon.training.settings`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log10

from ratoon.config import Training

Value = int | float
Values = Mapping[str, Value]

DIGITS = 2
"""Significant digits of a number that is tried: what is printed is what was tried."""


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `low` to `high`, both included; on a logarithmic scale where ratios matter."""

    low: Value
    high: Value
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return isinstance(self.low, int)

    def with_(self, value: Value) -> "Span":
        """The span that also holds a value."""
        return Span(min(self.low, value), max(self.high, value), self.log)

    def tried(self, value: Value) -> Value:
        """The number that is tried for one that was drawn: within the span, and short."""
        short = round(value, DIGITS - 1 - floor(log10(abs(value)))) if value else value
        return min(max(short, self.low), self.high)

    def holds(self, value: Value) -> bool:
        """Whether a value is in it."""
        return self.low <= value <= self.high


EVERY: Mapping[str, Span] = {
    "lr_dense": Span(1e-4, 1e-2, log=True),
    "lr_rows": Span(1e-3, 5e-2, log=True),
    "batch": Span(128, 2048, log=True),
    "epochs": Span(1, 8),
    "id_dropout": Span(0.0, 0.4),
    "dropout": Span(0.0, 0.4),
}
"""What every objective has."""

OWN: Mapping[str, Mapping[str, Span]] = {
    "softmax": {"temperature": Span(0.03, 0.3, log=True), "negatives": Span(64, 1024, log=True)},
    "bce": {"negatives": Span(64, 1024, log=True)},
    "mse": {},
}
"""What one objective has beside that."""


def space(present: Training) -> dict[str, Span]:
    """What is searched, wide enough to hold what is set now."""
    spans = {**OWN[present.objective], **EVERY}
    if present.optimiser == "adamw":
        spans["weight_decay"] = Span(1e-4, 0.3, log=True)
    now = values(present, spans)
    return {name: span if span.log and not now[name] else span.with_(now[name]) for name, span in spans.items()}


def values(training: Training, names: Mapping[str, object]) -> dict[str, Value]:
    """What some settings are."""
    return {name: getattr(training, name) for name in names}
