"""The contract with the towers: every feature of these two services is an input, unless its role says otherwise."""

from feast import FeatureService
from items import item_popularity, item_profile
from users import user_activity, user_profile

user_tower = FeatureService(
    name="user_tower",
    features=[user_profile, user_activity],
    description="What the user tower reads.",
    owner="recommendations@example.com",
    tags={"tower": "user"},
)

item_tower = FeatureService(
    name="item_tower",
    features=[item_profile, item_popularity],
    description="What the item tower reads, and what goes with answers.",
    owner="recommendations@example.com",
    tags={"tower": "item"},
)
