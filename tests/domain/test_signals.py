"""What the plan is made from, where something of it is not known."""

from ratoon.domain.quality import Record
from ratoon.domain.signals import Signals


def test_shares_are_of_what_was_there() -> None:
    """Growth is of what had been learnt, churn of the items that are there, what waits of all that came before it."""
    seen = Signals(waiting=50, end=250, taught=100, items=40, record=Record(churned=10))
    assert (seen.growth, seen.churn, seen.bulk) == (1.5, 0.25, 0.25)


def test_of_nothing_there_is_no_share() -> None:
    """Where nothing was learnt, held or there before, shares are 0 and ask for nothing."""
    seen = Signals(waiting=50, end=50, record=Record(churned=10))
    assert (seen.growth, seen.churn, seen.bulk) == (0.0, 0.0, 0.0)
