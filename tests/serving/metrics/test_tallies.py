"""Counting in plain lists, beside prometheus_client's own counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from ratoon.serving.metrics.tallies import Tallies

BOUNDS = (0.1, 1.0, 10.0)


@given(st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS), max_size=30))
def test_a_histogram_counts_as_prometheus_counts(values: list[float]) -> None:
    """Every observation is in the bucket that prometheus_client puts it in, bounds included, and in the sum."""
    theirs = Histogram("h", "h", buckets=BOUNDS, registry=CollectorRegistry())
    ours = Tallies().histogram("h", "h", bounds=BOUNDS).labels()
    for value in values:
        theirs.observe(value)
        ours.observe(value)
    samples = {sample.labels.get("le", sample.name): sample.value for sample in next(iter(theirs.collect())).samples}
    cumulative = [sum(ours.figures[: place + 1]) for place in range(len(BOUNDS) + 1)]
    assert cumulative == [samples[bound] for bound in ("0.1", "1.0", "10.0", "+Inf")]
    assert ours.figures[-1] == samples["h_sum"]


def test_a_quantile_is_interpolated_in_its_bucket() -> None:
    """As `histogram_quantile` does: linear between bounds, from 0, the last bound beyond it; None while there is nothing."""
    spread = Tallies().histogram("h", "h", bounds=BOUNDS).labels()
    assert spread.quantile(0.5) is None
    spread.observe(0.5, times=4)
    assert spread.quantile(0.5) == pytest.approx(0.55)
    spread.observe(0.01, times=4)
    assert spread.quantile(0.25) == pytest.approx(0.05)
    spread.observe(1000, times=100)
    assert spread.quantile(0.99) == 10.0


def test_a_gauge_tells_what_is_known_now_and_nothing_else() -> None:
    """A level rises, falls and is set; `become` takes every other series away; one that nobody has set has no figure."""
    tallies = Tallies()
    gauge = tallies.gauge("g", "g", "of")
    tallies.gauge("unset", "g")
    gauge.labels("a").inc(3)
    gauge.labels("a").dec()
    assert tallies.state() == {"g": {("a",): [2.0]}, "unset": {}}
    gauge.become({("b",): 7})
    assert tallies.state()["g"] == {("b",): [7.0]}
    gauge.labels("b").set(8)
    assert tallies.state()["g"] == {("b",): [8.0]}


def test_label_values_are_text() -> None:
    """A number and its text are one series; a wrong number of values is a mistake of the caller."""
    tallies = Tallies()
    counter = tallies.counter("c", "c", "status")
    counter.labels(200).inc()
    counter.labels("200").inc(2)
    assert tallies.state() == {"c": {("200",): [3.0]}}
    with pytest.raises(TypeError, match=r"c has the labels \('status',\), found the values \(\)"):
        counter.inc()


def test_a_dropped_series_comes_back_empty() -> None:
    """What a series had is handed over, and the same labels start at nothing."""
    counter = Tallies().counter("c", "c", "of")
    counter.labels("a").inc(4)
    assert counter.drop("a") == [4.0]
    counter.labels("a").inc()
    assert counter.labels("a").figures == [1.0]


def test_counting_goes_on_from_earlier_counts_and_gauges_do_not() -> None:
    """Counters and histograms add what was before; a gauge tells of now."""
    before, now = Tallies(), Tallies()
    for tallies in (before, now):
        tallies.counter("c", "c").inc(2)
        tallies.gauge("g", "g").labels().set(5)
        tallies.histogram("h", "h", bounds=BOUNDS).labels().observe(0.5)
    now.go_on({**before.state(), "g": {(): [100.0]}})
    assert now.state() == {"c": {(): [4.0]}, "g": {(): [5.0]}, "h": {(): [0.0, 2.0, 0.0, 0.0, 1.0]}}


def test_what_others_count_is_followed() -> None:
    """A total that something else keeps is counted once, on top of what was counted before."""
    count = Tallies().counter("c", "c").labels()
    count.inc(10)
    for total in (2, 2, 5):
        count.follow(total)
    assert count.figures == [15.0]
