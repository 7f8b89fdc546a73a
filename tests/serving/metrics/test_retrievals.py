"""What one retrieval counts."""

import re

from ratoon.serving.metrics import Metrics
from tests.fakes.serving_world import World


def test_a_retrieval_is_counted_in_one_call(world: World) -> None:
    """By surface and source, by release, and in each stage's histogram; stages that it did not have are not counted."""
    metrics = Metrics()
    for took in (0.2, 0.2, 20.0):
        metrics.retrieved("default", "tower", 7, {"search": took, "total": took + 0.1})
    metrics.retrieved("ads", "cold", 2, {"total": 0.1})
    text = metrics.text(world.rooms).decode()
    for line in (
        'ratoon_retrievals_total{source="tower",surface="default"} 3.0',
        'ratoon_release_retrievals_total{release="7",source="tower",surface="default"} 3.0',
        'ratoon_release_retrievals_total{release="2",source="cold",surface="ads"} 1.0',
        'ratoon_stage_seconds_bucket{stage="search",surface="default",le="0.0001"} 0',
        'ratoon_stage_seconds_bucket{stage="search",surface="default",le="0.00025"} 2',
        'ratoon_stage_seconds_count{stage="search",surface="default"} 3',
        'ratoon_stage_seconds_count{stage="embed",surface="default"} 0',
        'ratoon_stage_seconds_bucket{stage="total",surface="ads",le="0.0001"} 1',
    ):
        assert line in text


def test_only_the_newest_releases_have_series(world: World) -> None:
    """However many releases answer, four per surface are told apart; the others' answers stay in the sum, as `older`."""
    metrics = Metrics()
    for number in [*range(1, 30), 3, 28]:
        metrics.retrieved("default", "tower", number, {})
        metrics.retrieved("default", "cold", number, {})
    text = metrics.text(world.rooms).decode()
    told = dict(re.findall(r'ratoon_release_retrievals_total{release="(\w+)",source="tower",surface="default"} (\S+)', text))
    assert told == {"older": "26.0", "26": "1.0", "27": "1.0", "28": "2.0", "29": "1.0"}
    assert 'ratoon_retrievals_total{source="cold",surface="default"} 31.0' in text
