"""Which settings are searched: those that there are, between bounds that they take."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.bench.tuning.space import EVERY, OWN, Span, space, values
from ratoon.config import Training


@pytest.mark.parametrize("objective", OWN)
def test_both_ends_can_be_set(objective: str) -> None:
    """Every setting that is searched is one of [training], which takes both bounds; the present one lies between them."""
    present = Training.model_validate({"objective": objective, "metric": "cosine" if objective == "softmax" else "dot"})
    spans = space(present)
    assert set(spans) == {*EVERY, *OWN[objective]}
    for end in ("low", "high"):
        ends = {name: getattr(span, end) for name, span in spans.items()}
        assert values(Training.model_validate({**present.model_dump(exclude={"replay_half_life"}), **ends}), spans) == ends
    assert all(span.holds(now) for span, now in zip(spans.values(), values(present, spans).values(), strict=True))


def test_unusual_settings_widen_it() -> None:
    """What is set now is always among what is searched; the weight of decay only where it counts."""
    found = space(Training(temperature=0.9, epochs=20, optimiser="adamw"))
    assert (found["temperature"].high, found["epochs"].high) == (0.9, 20)
    assert "weight_decay" in found
    assert "weight_decay" not in space(Training())
    assert space(Training(negatives=0))["negatives"] == OWN["softmax"]["negatives"]


@given(st.floats(0, 1))
def test_what_is_tried_is_short_and_within(share: float) -> None:
    """Two digits and no more, so that what is printed is what was tried; whole where the setting is."""
    for span in (*EVERY.values(), *(one for own in OWN.values() for one in own.values())):
        drawn = span.low + share * (span.high - span.low)
        tried = span.tried(round(drawn) if span.whole else drawn)
        assert span.holds(tried)
        assert isinstance(tried, int) == span.whole
        assert tried in (span.low, span.high) or len(f"{tried:.10g}".replace(".", "").strip("0")) <= 2 or tried < 1e-4
    assert replace(Span(1, 5), high=9).tried(9) == 9
