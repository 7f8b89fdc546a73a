"""Where feature rows lie. `ratoon ingest` appends Parquet files to these folders; a source of yours may point anywhere."""

from feast import FileSource, PushSource
from feast.data_format import ParquetFormat


def _folder(name: str, description: str) -> FileSource:
    return FileSource(
        name=name,
        path=f"../var/features/{name}/*.parquet",
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
        description=description,
        owner="recommendations@example.com",
    )


user_profile_source = _folder("user_profile", "One row per change of a user's own data.")
item_profile_source = _folder("item_profile", "One row per change of an item's own data.")
item_popularity_source = _folder("item_popularity", "One row per interaction, valued just after it, per item.")
user_activity_source = _folder("user_activity", "One row per interaction, valued just after it, per user.")

user_activity_push = PushSource(
    name="user_activity_push",
    batch_source=user_activity_source,
    description="Activity rows computed elsewhere, for example by a stream job.",
    owner="recommendations@example.com",
)
