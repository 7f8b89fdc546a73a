"""Charts."""

import re
from xml.etree import ElementTree

from ratoon.serving.page.charts import histogram, rung
from ratoon.serving.page.figures import Spread

BOUNDS = (0.001, 0.01, 0.1)


def spread(*counts: float, p50: float | None = 0.005, p95: float | None = 0.05) -> Spread:
    return Spread(int(sum(counts)), p50, p95, p95, BOUNDS, counts)


def test_a_bar_is_as_high_as_its_bucket_is_full() -> None:
    """Bars go from the first bucket that has something to the last, their heights in the ratio of the counts."""
    drawn = ElementTree.fromstring(histogram(spread(0, 4, 2, 0), {"p50": 0.005}))
    bars = [one for one in drawn if one.get("class") == "column"]
    assert [one[0].text for one in bars] == ["1.0 ms to 10 ms: 4", "10 ms to 100 ms: 2"]
    heights = [float(one.get("height", 0)) for one in bars]
    assert heights[0] == 2 * heights[1] > 0
    assert drawn.get("aria-label") == "Time of 6 retrievals: p50 5.0 ms"


def test_what_lies_above_the_last_bound_is_drawn_too() -> None:
    """The bucket without an upper bound has a bar like the others."""
    drawn = ElementTree.fromstring(histogram(spread(0, 0, 0, 3), {}))
    assert len([one for one in drawn if one.get("class") == "column"]) == 1


def test_a_rung_reaches_from_the_median_to_the_95th_percentile() -> None:
    """On the ladder's scale a factor of ten is a ninth of the width; 1 ms is at the left edge."""
    drawn = rung(spread(1, p50=0.001, p95=1.0))
    found = re.search(r'class="reach" x="([\d.]+)" y="9" width="([\d.]+)"', drawn)
    assert found is not None
    assert (float(found[1]), float(found[2])) == (0.0, 33.33)


def test_a_rung_without_observations_is_empty() -> None:
    """Where nothing was observed nothing is drawn but the grid."""
    assert "reach" not in rung(spread(0, 0, 0, 0, p50=None, p95=None))
