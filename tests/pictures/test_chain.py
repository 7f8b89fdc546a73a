"""The line of releases."""

from dataclasses import replace

from ratoon.domain.gate import Comparison
from ratoon.domain.plan import RefreshPlan
from tests.fakes.runs import VERDICT, run
from tests.pictures.pages import opened, section, text


def _labels(part: object) -> list[str]:
    return [label.text or "" for label in part.iter("text") if label.attrib.get("text-anchor") == "middle"]  # type: ignore[attr-defined]


def test_the_line_ends_at_the_run() -> None:
    """Publications before the run stand in order, then the run itself; skips and later runs do not."""
    skipped = run(3, outcome="skipped", verdict=None)
    runs = [run(number) for number in (5, 4, 2, 1)] + [skipped, run(6)]
    part = section(opened(runs[0], runs), "The line")
    assert _labels(part) == ["1", "2", "4", "5"]
    assert [len((line.get("points") or "").split()) for line in part.iter("polyline")] == [4, 4]
    refused = run(7, outcome="refused")
    assert _labels(section(opened(refused, [*runs, refused]), "The line"))[-1] == "refused"
    assert _labels(section(opened(skipped, runs), "The line")) == ["1", "2"]


def test_ageing_shows() -> None:
    """Recall that falls from release to release is a line that falls, and where everything was learnt anew it says so."""

    def judged(number: int, recall: float, scope: str) -> object:
        verdict = replace(VERDICT, slices={"new": Comparison(9, 0.0, recall, 0.0, 0.0)})
        return run(number, verdict=verdict, plan=RefreshPlan(scope, "asked for"))  # type: ignore[arg-type]

    runs = [judged(1, 0.4, "full"), judged(2, 0.3, "rows"), judged(3, 0.2, "rows"), judged(4, 0.5, "dense")]
    part = section(opened(runs[-1], runs), "The line")  # type: ignore[arg-type]
    (line,) = part.iter("polyline")
    heights = [float(point.split(",")[1]) for point in (line.get("points") or "").split()]
    assert heights[3] < heights[0] < heights[1] < heights[2]
    assert _labels(part) == ["1", "2", "3", "4", "full", "dense"]


def test_a_slice_without_rows_has_no_point() -> None:
    """Where nothing was judged there is no point, and slices beyond four colours are named instead of drawn."""
    many = {f"s{number}": Comparison(9, 0.1, 0.2, 0.0, 0.1) for number in range(6)}
    runs = [run(1, verdict=replace(VERDICT, slices=many | {"s0": Comparison(0, 0.0, 0.0, 0.0, 0.0)})), run(2)]
    runs.append(run(3, verdict=replace(VERDICT, slices=many)))
    part = section(opened(runs[-1], runs), "The line")
    assert [len((line.get("points") or "").split()) for line in part.iter("polyline")] == [1, 2, 2, 2]
    assert "Not drawn: s4, s5, new, past." in text(part)
