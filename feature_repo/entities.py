"""Who and what: the two entities every surface is about. Their join keys are fixed: user_id and item_id."""

from feast import Entity, ValueType

user = Entity(
    name="user",
    join_keys=["user_id"],
    value_type=ValueType.STRING,
    description="A person who is recommended to.",
    owner="recommendations@example.com",
)

item = Entity(
    name="item",
    join_keys=["item_id"],
    value_type=ValueType.STRING,
    description="A thing that is recommended.",
    owner="recommendations@example.com",
)
