"""What the tests of operations share."""

from ratoon.domain.report import RefreshReport
from ratoon.refresh import refresh
from ratoon.remaking import Remaking
from ratoon.upkeep import Operation
from ratoon.wiring import House


def remade(house: House, operation: Operation, source: str | None = None) -> RefreshReport:
    """What comes of an operation on a release of the house."""
    return refresh(house.workshop("default"), house.stopwatch(), "upkeep", remaking=Remaking(operation, source))
