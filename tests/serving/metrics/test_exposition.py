"""The text that Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from ratoon.serving.metrics.exposition import exposed
from ratoon.serving.metrics.tallies import Tallies


def test_prometheus_reads_what_was_counted() -> None:
    """Prometheus's own parser finds every figure, whatever the label values hold, and metrics without figures too."""
    tallies = Tallies()
    odd = 'a "b" \\ c\nd'
    tallies.counter("asked", "Asked", "of", "by").labels(odd, "x").inc(3)
    tallies.gauge("unset", "Nothing yet")
    spread = tallies.histogram("took", "Time", "of", bounds=(0.00001, 1.0)).labels("x")
    for value in (0.5, 0.5, 7):
        spread.observe(value)
    text = exposed(tallies.named(), tallies.state()).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert [(one.type, one.documentation) for one in families.values()] == [
        ("counter", "Asked"),
        ("gauge", "Nothing yet"),
        ("histogram", "Time"),
    ]
    (asked,) = families["asked"].samples
    assert (asked.name, asked.labels, asked.value) == ("asked_total", {"of": odd, "by": "x"}, 3)
    assert families["unset"].samples == []
    assert [(one.name, one.labels.get("le"), one.value) for one in families["took"].samples] == [
        ("took_bucket", "1e-05", 0),
        ("took_bucket", "1.0", 2),
        ("took_bucket", "+Inf", 3),
        ("took_count", None, 3),
        ("took_sum", None, 8),
    ]
