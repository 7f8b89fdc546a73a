"""What is known about an item. No feature here depends on the present: age is a release date, which never changes."""

from datetime import timedelta

from entities import item
from feast import FeatureView, Field
from feast.types import Array, Float32, Int64, String, UnixTimestamp
from sources import item_popularity_source, item_profile_source

item_profile = FeatureView(
    name="item_profile",
    entities=[item],
    ttl=timedelta(0),
    schema=[
        Field(name="item_id", dtype=String),
        Field(name="title", dtype=String, description="Shown with answers.", tags={"ratoon.role": "display"}),
        Field(
            name="genres",
            dtype=Array(String),
            description="Genres, in no order.",
            tags={"ratoon.encoder": "ids", "ratoon.role": "filter"},
        ),
        Field(
            name="release_date",
            dtype=UnixTimestamp,
            description="When it came out.",
            tags={"ratoon.encoder": "number", "ratoon.role": "filter", "ratoon.expect": "range(1870-01-01, 2100-01-01)"},
        ),
    ],
    source=item_profile_source,
    online=True,
    description="What an item is; does not expire.",
    owner="recommendations@example.com",
    tags={"ratoon.source": "item", "team": "recommendations"},
)

item_popularity = FeatureView(
    name="item_popularity",
    entities=[item],
    ttl=timedelta(0),
    schema=[
        Field(name="item_id", dtype=String),
        Field(
            name="item_events",
            dtype=Int64,
            description="Interactions so far.",
            tags={"ratoon.aggregate": "count", "ratoon.encoder": "count"},
        ),
        Field(
            name="item_events_28d",
            dtype=Int64,
            description="Interactions in the 28 days up to the newest one.",
            tags={"ratoon.aggregate": "count(28d)", "ratoon.encoder": "count"},
        ),
        Field(
            name="item_value_mean",
            dtype=Float32,
            description="Mean value (rating) received.",
            tags={"ratoon.aggregate": "mean(value)"},
        ),
    ],
    source=item_popularity_source,
    online=True,
    description="How an item is received, valued just after each of its interactions.",
    owner="recommendations@example.com",
    tags={"ratoon.source": "interaction", "team": "recommendations"},
)
