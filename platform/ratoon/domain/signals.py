"""What the plan is made from: everything that was measured before it is decided how much a refresh moves."""

from dataclasses import dataclass, field

from ratoon.domain.costs import NONE, Costs
from ratoon.domain.drift import Drift
from ratoon.domain.quality import Record


@dataclass(frozen=True, slots=True)
class Signals:
    """The state of a surface when a refresh begins. What is not known asks for nothing.

    Attributes:
        waiting: events that the current release has not seen.
        waited: seconds since the oldest of them arrived.
        end: the log's offset up to which a refresh would learn.
        taught: the offset up to which the shared layers have learnt, or tried to and were refused; 0 if that is not known.
        drifts: how far each input of what waits is from what they learnt.
        record: what the release is worth on what waits, and was when they had just learnt.
        items: in the current release's index.
        index_recall: the share of the exact answers that it returns to the questions of what waits; None if not measured.
        costs: what refreshes cost before.
    """

    waiting: int = 0
    waited: float = 0.0
    end: int = 0
    taught: int = 0
    drifts: tuple[Drift, ...] = ()
    record: Record = field(default_factory=Record)
    items: int = 0
    index_recall: float | None = None
    costs: Costs = NONE

    @property
    def growth(self) -> float:
        """The share by which the log has grown since the shared layers last learnt; 0 if that is not known."""
        return (self.end - self.taught) / self.taught if self.taught else 0.0

    @property
    def churn(self) -> float:
        """The share of the items that came or went since the shared layers last learnt."""
        return self.record.churned / self.items if self.items else 0.0

    @property
    def bulk(self) -> float:
        """What waits, as a multiple of all that came before it; 0 where nothing did."""
        before = self.end - self.waiting
        return self.waiting / before if before > 0 else 0.0
