"""What is known about a user.

A view tagged `ratoon.source` is filled from events: `user` rows from the features of user events, `interaction` rows by
folding each user's interactions with the expressions tagged `ratoon.aggregate`. Windows end at the row's own event.
Events that break a rule tagged `ratoon.expect` are put aside before anything is made of them.
"""

from datetime import timedelta

from entities import user
from feast import FeatureView, Field
from feast.types import Array, Float32, Int64, String
from sources import user_activity_push, user_profile_source

user_profile = FeatureView(
    name="user_profile",
    entities=[user],
    ttl=timedelta(0),
    schema=[
        Field(name="user_id", dtype=String),
        Field(
            name="age",
            dtype=Int64,
            description="Years, as the user stated it.",
            tags={"ratoon.expect": "range(0, 120); null_share(0.9) warn"},
        ),
        Field(name="gender", dtype=String, description="As the user stated it.", tags={"pii": "true"}),
        Field(name="occupation", dtype=String, description="As the user stated it."),
    ],
    source=user_profile_source,
    online=True,
    description="What users say of themselves; does not expire.",
    owner="recommendations@example.com",
    tags={"ratoon.source": "user", "team": "recommendations"},
)

user_activity = FeatureView(
    name="user_activity",
    entities=[user],
    ttl=timedelta(days=365),
    schema=[
        Field(name="user_id", dtype=String),
        Field(
            name="recent_items",
            dtype=Array(String),
            description="The newest 20 items, newest last.",
            tags={"ratoon.aggregate": "last(item_id, 20)", "ratoon.encoder": "history"},
        ),
        Field(
            name="user_events",
            dtype=Int64,
            description="Interactions so far.",
            tags={"ratoon.aggregate": "count", "ratoon.encoder": "count"},
        ),
        Field(
            name="user_events_7d",
            dtype=Int64,
            description="Interactions in the last 7 days.",
            tags={"ratoon.aggregate": "count(7d)", "ratoon.encoder": "count"},
        ),
        Field(
            name="user_value_mean_28d",
            dtype=Float32,
            description="Mean value (rating) given in the last 28 days.",
            tags={"ratoon.aggregate": "mean(value, 28d)"},
        ),
        Field(
            name="user_value_deviation",
            dtype=Float32,
            description="Standard deviation of all values given.",
            tags={"ratoon.aggregate": "deviation(value)"},
        ),
    ],
    source=user_activity_push,
    online=True,
    description="What users did, valued just after each of their interactions; a year of silence expires it.",
    owner="recommendations@example.com",
    tags={
        "ratoon.source": "interaction",
        "ratoon.expect": "rate(user_id, 1000/1h); not_before(1980-01-01)",
        "team": "recommendations",
    },
)
