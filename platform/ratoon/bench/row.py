"""One line of a benchmark's table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured, the bar it has to clear, and what it is measured against.

    Attributes:
        value: None if it was not measured; `against` then says why.
        bar: empty where nothing is asked for.
    """

    quantity: str
    value: float | None
    unit: str
    bar: str
    holds: bool
    against: str


def at_least(quantity: str, value: float, bar: float, against: str, unit: str = "ratio") -> Row:
    """A row whose value may not be below the bar."""
    return Row(quantity, round(value, 4), unit, f">= {bar:g}", value >= bar, against)


def at_most(quantity: str, value: float, bar: float, against: str, unit: str = "ratio") -> Row:
    """A row whose value may not be above the bar."""
    return Row(quantity, round(value, 4), unit, f"<= {bar:g}", value <= bar, against)


def told(quantity: str, value: float, unit: str, against: str) -> Row:
    """A row without a bar."""
    return Row(quantity, round(value, 4), unit, "", True, against)


def not_run(quantity: str, bar: str, why: str) -> Row:
    """A row that could not be measured here."""
    return Row(quantity, None, "not run", bar, False, why)
