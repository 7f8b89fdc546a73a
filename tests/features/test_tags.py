"""Tags that say who gets a learned row are read from entities and fields, and refused where they mean nothing."""

import re
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError
from ratoon.features.contract import tower_schema
from ratoon.features.repository import FeastRepository
from ratoon.features.tags import admission
from tests.features.test_contract import schema_of
from tests.features.worlds import repo_copy


def test_entities_and_fields_state_admission(tmp_path: Path) -> None:
    """Tags of the entities rule the rows of ids, tags of a field those of its values, read before and after it is applied."""
    keys = [
        (f'name="{name}",', f'name="{name}", tags={tags},')
        for name, tags in (
            ("user", {"ratoon.admit": "3", "ratoon.evict": "90 d"}),
            ("item", {"ratoon.evict": "12h"}),
        )
    ]
    genres = ('{"ratoon.encoder": "ids"', '{"ratoon.admit": "5", "ratoon.encoder": "ids"')
    repository = FeastRepository(repo_copy(tmp_path, {"entities.py": keys, "items.py": [genres]}), tmp_path / "home")
    wanted = {"user_id": (3, 90 * 86_400), "item_id": (1, 43_200), "genres": (5, 0)}
    repository.apply()
    for defined in (repository.parsed(), repository):
        schema = tower_schema(defined, "user_tower", "item_tower")
        found = {feature.name: (feature.admit, feature.evict) for feature in (*schema.user, *schema.item) if feature.admit}
        assert found == wanted


def test_nothing_is_held_back_unless_it_is_said() -> None:
    """Without tags every value has a row at once and keeps it, also where tags would be refused."""
    assert admission({}, "x") == admission({"team": "ads"}, "x", has_rows=False) == (0, 0)
    assert admission({"ratoon.admit": "2"}, "x") == (2, 0)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (
            {"ratoon.admit": "0"},
            "tag ratoon.admit of entity 'user': expected a whole number above 0, found '0'. Correct the tag in feature_repo/.",
        ),
        *(
            (
                {"ratoon.evict": said},
                (
                    "tag ratoon.evict of entity 'user': expected a span of time of at least a second, such as 90 d or 12 h, "
                    f"found '{said}'. Correct the tag in feature_repo/."
                ),
            )
            for said in ("soon", "0.5 s", "")
        ),
    ],
)
def test_a_rule_that_says_nothing_is_refused(tags: dict[str, str], message: str) -> None:
    """A count below 1 and a span that is none are named."""
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        admission(tags, "entity 'user'")


def test_values_without_rows_cannot_be_admitted(tmp_path: Path) -> None:
    """A number has no rows to give; its tag is refused by name."""
    message = (
        "tags of feature 'x' in view 'item_profile': expected ratoon.admit and ratoon.evict on entities, categories and lists of "
        "ids only, found ratoon.evict = 1 d. Take them away in feature_repo/; histories and attention follow the entity of items."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        schema_of(tmp_path, 'name="x", dtype=types.Int64, tags={"ratoon.evict": "1 d"}')
