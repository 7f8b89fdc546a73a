"""What folds compute, in plain Python over exact fractions: one interaction after the other, nothing kept between rows."""

import math
from collections.abc import Sequence
from decimal import Decimal, getcontext
from fractions import Fraction

from ratoon.features.folds.aggregates import Aggregate
from ratoon.features.folds.profiles import Record

getcontext().prec = 50


def slowly(one: Aggregate, interactions: Sequence[Record]) -> object:
    """The value of an expression just after the last of one entity's `interactions`, which are in order."""
    now = moment(interactions[-1])
    inside = [row for row in interactions if not one.span or one.name == "decayed" or moment(row) > now - one.span]
    if one.name == "count":
        return len(inside)
    if one.name == "last":
        there = [row[one.column] for row in inside if present(row[one.column])]
        return there[-one.size :] if one.size else (there[-1] if there else None)
    if one.name == "decayed":
        return float(sum(amount(one, row) * halved(now - moment(row), one.span) for row in inside))
    numbers = [millionths(row["value"]) for row in inside if present(row["value"])]
    if one.name == "sum":
        return float(sum(numbers, Fraction(0)))
    if not numbers:
        return None
    mean = sum(numbers, Fraction(0)) / len(numbers)
    if one.name == "mean":
        return float(mean)
    return math.sqrt(sum(((number - mean) ** 2 for number in numbers), Fraction(0)) / len(numbers))


def known(events: Sequence[Record], before: int, arrived: int) -> list[Record]:
    """The events that happened before a moment and arrived before another, in order."""
    there = [one for one in events if moment(one) < before and int(str(one["created_timestamp"])) < arrived]
    return sorted(there, key=lambda one: (moment(one), str(one["event_id"])))


def moment(event: Record) -> int:
    return int(str(event["event_timestamp"]))


def present(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and not abs(value) <= 1e9)


def millionths(value: object) -> Fraction:
    assert isinstance(value, float)
    return Fraction(round(value * 1_000_000), 1_000_000)


def amount(one: Aggregate, row: Record) -> Decimal:
    if not one.column:
        return Decimal(1)
    number = millionths(row["value"]) if present(row["value"]) else Fraction(0)
    return Decimal(number.numerator) / number.denominator


def halved(age: int, half_life: int) -> Decimal:
    return Decimal(2) ** (-Decimal(age) / half_life)
