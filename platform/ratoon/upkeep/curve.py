"""Size against recall: what was tried, and which of it is taken."""

from dataclasses import replace

from ratoon.domain.errors import UsageError
from ratoon.domain.upkeep import Point
from ratoon.judging import Pair
from ratoon.upkeep.operation import Choosing


class Curve:
    """Candidates in the order in which they are tried; the smallest that loses no more than may be lost is taken.

    Attributes:
        taken: it; the source as long as there is none.

    Args:
        source: what they are made of.
        loss: how much of the recall of fit rows may be lost, relative.
    """

    def __init__(self, choosing: Choosing, source: Pair, loss: float) -> None:
        self._choosing, self._loss = choosing, loss
        self._points, self._place = [Point("as it is", source.disk, 1.0)], 0
        self.taken = source

    def tries(self, name: str, pair: Pair, *, taught: bool = False) -> bool:
        """Whether a candidate loses no more than may be lost.

        Args:
            taught: whether it has learnt the fit rows of its source again, which then say nothing of it.
        """
        choosing = self._choosing.fresh() if taught else self._choosing
        point = Point(name, pair.disk, choosing.relative(pair))
        self._points.append(point)
        keeps = point.recall >= 1 - self._loss
        if keeps and point.bytes < self._points[self._place].bytes:
            self._place, self.taken = len(self._points) - 1, pair
        return keeps

    def takes(self, name: str, pair: Pair) -> None:
        """Take a candidate whatever it loses."""
        self.tries(name, pair)
        self._place, self.taken = len(self._points) - 1, pair

    @property
    def points(self) -> tuple[Point, ...]:
        """All of them, and the one that is taken marked."""
        return tuple(replace(point, chosen=place == self._place) for place, point in enumerate(self._points))

    @property
    def choice(self) -> str:
        """What is taken, in words."""
        before, after = self._points[0], self._points[self._place]
        if not self._place:
            best = max((point.recall for point in self._points[1:]), default=1.0)
            asked = f"{1 - self._loss:.1%} of the recall of fit rows"
            return f"stays as it is: nothing smaller that was tried keeps {asked}, at best {best:.1%}"
        return (
            f"{after.name}: {after.bytes:,} bytes for {before.bytes:,}, with {after.recall:.1%} of the recall of fit rows"
            f" (at least {1 - self._loss:.1%} were asked for)"
        )


def refuse_loss(loss: float) -> None:
    """UsageError unless it can be a share of recall that may be lost."""
    if not 0 <= loss < 1:
        raise UsageError("--loss", expected="a share from 0 to below 1", found=repr(loss), fix="Give what may be lost, as 0.005.")
