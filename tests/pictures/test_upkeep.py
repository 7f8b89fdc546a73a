"""An operation as a section of its run's page."""

from dataclasses import replace

from ratoon.domain.gate import Comparison
from ratoon.domain.upkeep import Figures, Point, Upkeep
from ratoon.pictures.upkeep import upkeep

SAID = Upkeep(
    "prune",
    {"loss": 0.005, "age": None},
    "f00d" * 16,
    "rows seen once < are gone",
    (Point("0", 100, 1.0), Point("1", 60, 0.999, chosen=True), Point("2", 40, 0.9)),
    ("user.age is dead",),
    Figures(1_000, 2_000, 40.0, 100.0),
    Figures(500, 1_000, 20.0, 50.0),
    {10: {"past": Comparison(9, 0.5, 0.4, -0.2, 0.1), "old": Comparison(0, 0, 0, 0, 0)}},
)


def test_everything_is_there() -> None:
    """The choice, what was asked, notes, what it took and takes, the curve with what was chosen, and recall by slice."""
    page = upkeep(SAID)
    for part in ("rows seen once &lt; are gone", "loss 0.005", "user.age is dead", "1 kB", "0.500", "chosen", "recall@10, past"):
        assert part in page
    assert "recall@10, old" not in page
    assert "age None" not in page


def test_what_was_not_measured_is_left_out() -> None:
    """Without figures there is no table of them, and a curve of one point is no curve."""
    page = upkeep(replace(SAID, curve=SAID.curve[:1], before=None, after=None))
    assert "bytes on disk" not in page
    assert "chosen" not in page
