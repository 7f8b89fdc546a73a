"""The page of a run: every figure of the report is on it, and nothing else can be."""

from dataclasses import replace

import pytest

from ratoon.domain.drift import Drift
from ratoon.domain.gate import Comparison
from ratoon.domain.plan import RefreshPlan
from ratoon.pictures.cells import size
from ratoon.pictures.run import SHOWN
from tests.fakes.runs import VERDICT, run
from tests.pictures.pages import opened, rows, section, text

REFUSED = replace(VERDICT, publish=False, reasons=("recall@50 on new held-out rows fell",))


def test_the_figures_of_a_publication() -> None:
    """Outcome, plan, parent, window, gate, losses, stages, drifts and bytes stand where they belong."""
    page = opened(run())
    head = text(page.find("body/header") or page)
    assert "Surface default · run 7 · 2020-04-10 07:00:00 UTC" in head
    assert "Published: release 7 rows : 480 interactions, 3 writable items in window 7 not worse on any slice" in head
    facts = {one.findtext("dt"): [two.text for two in one.findall("dd")] for one in page.iterfind("body/dl/div")}
    assert facts == {
        "Release": ["7", "000000000000"],
        "Parent": ["6", "000000000000"],
        "Window": ["3,001 – 3,500", "up to 2020-01-08 00:00 UTC"],
        "Time": ["3.28 s", "3.09 CPU seconds"],
        "Size": ["1.24 MB", "2 files"],
        "Index recall": ["0.9987", "0.95 is asked"],
    }
    assert rows(section(page, "Gate")) == [
        ["new", "1,204", "0.3121", "0.3302", "+0.0181", "", "+0.0043", "+0.0319"],
        ["past", "2,000", "0.2876", "0.2869", "-0.0007", "", "-0.0058", "+0.0046"],
    ]
    assert "Last: train 3.1234, fit 3.2987." in text(section(page, "Loss"))
    assert rows(section(page, "Stages"))[2] == ["train", "", "1.48", "1.40", "1,000"]
    assert len(rows(section(page, "Stages"))) == 7
    assert [row[0] for row in rows(section(page, "Drift"))] == ["user_events", "genres", "age"]
    assert rows(section(page, "Drift"))[1] == ["genres", "", "0.290", "500"]
    assert "Lines: said beyond 0.25, learnt anew beyond 5, refused beyond 8." in text(section(page, "Drift"))
    assert rows(section(page, "Files")) == [["index.faiss", "", "1.23 MB"], ["model.json", "", "999 B"]]


def test_the_pictures_are_to_scale() -> None:
    """Intervals share one scale about zero, bars one from zero, and each drift bar is crossed by three limits."""
    page = opened(run())
    new, past = section(page, "Gate").iter("svg")
    ends = [float(one[1].attrib[side]) for one in (new, past) for side in ("x1", "x2")]
    assert ends == pytest.approx([50 + 48 * end / 0.0319 for end in (0.0043, 0.0319, -0.0058, 0.0046)], abs=0.01)
    assert (new[1].attrib["class"], past[1].attrib["class"]) == ("span up", "span")
    widths = [float(bar.attrib["width"]) for bar in section(page, "Stages").iter("rect")]
    assert widths[2] == 100
    assert widths[1] == pytest.approx(100 * 0.52 / 1.48, abs=0.01)
    bars = list(section(page, "Drift").iter("svg"))
    assert [[line.attrib["class"] for line in bar[1:]] for bar in bars] == [["limit"] * 3] * 3
    assert [bar[0].attrib["class"] for bar in bars] == ["bar over", "bar over", "bar"]
    first, limit = float(bars[0][0].attrib["width"]), float(bars[0][1].attrib["x1"])
    assert (first / limit) ** 2 == pytest.approx(0.85 / 0.25, rel=0.01)


@pytest.mark.parametrize(
    ("outcome", "said", "colour"),
    [("refused", "Refused: release 7 stays", "bad"), ("skipped", "Skipped: release 7 stays", "soft")],
)
def test_what_published_nothing(outcome: str, said: str, colour: str) -> None:
    """A refusal gives its reasons, a skip says of each part that there was nothing; the release that stays is named."""
    verdict = REFUSED if outcome == "refused" else None
    made = run(outcome=outcome, verdict=verdict)
    if outcome == "skipped":
        made = replace(made, report=replace(made.report, stages=(), drift=(), losses={}))
    page = opened(made)
    header = page.find("body/header")
    assert header is not None
    assert header.attrib["class"] == colour
    assert header.findtext("h1") == said
    assert [text(one) for one in header.iter("li")] == (list(REFUSED.reasons) if verdict else [])
    assert "None was published." in text(section(page, "Files"))
    assert text(page).count("Nothing") == (0 if verdict else 3)


def test_a_run_without_anything_before_it() -> None:
    """A surface that is held before its first release has no release, no parent, no window and no line."""
    held = run(1, outcome="held", release="", sequence=0, window=None, verdict=None, stages=(), drift=(), losses={})
    page = opened(replace(held, parent="", report=replace(held.report, plan=RefreshPlan("skip", "on hold: a bad day"))))
    assert "On hold: nothing stays" in text(page)
    assert text(page).count("there was none") == 2
    assert "No release before it is known." in text(section(page, "The line"))


def test_a_first_release_is_judged_alone() -> None:
    """Without a parent the page says so; a slice without rows has no recall; one pass is told instead of drawn."""
    slices = {"new": Comparison(52, 0.4, 0.4, 0.0, 0.0), "past": Comparison(0, 0.0, 0.0, 0.0, 0.0)}
    page = opened(replace(run(1, verdict=replace(VERDICT, slices=slices), losses={"train": (2.5,), "fit": ()}), parent=""))
    gate = section(page, "Gate")
    assert rows(gate)[1] == ["past", "0", "–", "–", "–", "", "", ""]
    assert "There was no parent: the candidate stands beside itself." in text(gate)
    assert text(section(page, "Loss")) == "Loss after each pass train 2.5000 One pass: a point, not a curve."


def test_what_the_parent_was_worth_is_on_the_page() -> None:
    """Each slice of the window has its recall, interval and ranking; without a release before it the page says so."""
    part = section(opened(run()), "What the release before it was worth")
    assert rows(part)[1] == ["new users", "61", "0.2131", "0.1000 – 0.3300", "0.0800"]
    assert "41.0% of its items were offered at all; answers were spread over 213 of them." in text(part)
    assert "There was no release before it." in text(section(opened(run(truth=None)), "What the release before it"))


def test_a_mixture_stands_beside_the_slices() -> None:
    """The table of the gate also has what a mixture of old and new vectors is worth, and calls slices what they are."""
    one = Comparison(9, 0.1, 0.2, 0.0, 0.1)
    taste = replace(VERDICT, slices=dict(VERDICT.slices) | {"taste": one}, skew={"50%": one})
    names = [row[0] for row in rows(section(opened(run(verdict=taste)), "Gate"))]
    assert names[-2:] == ["past, by the towers alone", "new, 50% of the old vectors left"]


def test_every_drift_is_on_the_page() -> None:
    """The strongest are seen at once, the rest unfold; too few entities are never red."""
    drifts = tuple(Drift(f"f{number:02d}", 9, 9, 0.1 * number, 0.0, None, 0.0) for number in range(SHOWN + 4))
    part = section(opened(run(drift=drifts)), "Drift")
    assert [row[0] for row in rows(part)] == [f"f{number:02d}" for number in reversed(range(SHOWN + 4))]
    assert part.findtext("details/summary") == "4 more"
    assert not [bar for bar in part.iter("rect") if bar.attrib["class"] != "bar"]


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """The page names no address, carries no script, and tells the browser to load nothing; a feature's name is only text."""
    evil = '<script src="http://evil">alert(1)</script>"\'&'
    verdict = replace(VERDICT, reasons=(evil,), slices={evil: Comparison(9, 0.1, 0.2, 0.0, 0.1)})
    drift = (Drift(evil, 9, 99, 0.5, 0.0, None, 0.0),)
    page = opened(
        replace(
            run(verdict=verdict, drift=drift, losses={evil: (1.0, 2.0)}, plan=RefreshPlan("rows", evil), surface=evil),
            files={evil: 3},
            parent=evil,
        )
    )
    assert text(page).count(evil) >= 8
    tags = {element.tag for element in page.iter()}
    assert not tags & {"script", "link", "img", "image", "iframe", "object", "embed", "use", "a", "form", "base", "foreignObject"}
    names = {name for element in page.iter() for name in element.attrib}
    assert not [name for name in names if name.startswith("on") or "href" in name or name in ("src", "style")]
    assert [meta.attrib["content"] for meta in page.iter("meta") if "http-equiv" in meta.attrib] == [
        "default-src 'none'; style-src 'unsafe-inline'"
    ]
    style = page.findtext("head/style") or ""
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (999_600, "1 MB"), (1.2e9, "1.2 GB"), (5e12, "5,000 GB")],
)
def test_sizes(count: float, said: str) -> None:
    """Bytes are told in powers of a thousand with three digits."""
    assert size(count) == said
