"""What the repository's files define can be known without applying them."""

import re
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError
from ratoon.features.contract import tower_schema
from ratoon.features.repository import FeastRepository
from tests.features.worlds import REPO, World, repo_copy


def test_parsing_gives_what_applying_would(read_only: World, tmp_path: Path) -> None:
    """Views and schema are those of the applied repository, and nothing is written."""
    defined = FeastRepository(REPO, read_only.home).parsed()
    assert defined.views == read_only.features.repository.views
    assert tower_schema(defined, "user_tower", "item_tower") == read_only.features.schema()
    FeastRepository(REPO, tmp_path).parsed()
    assert list(tmp_path.iterdir()) == []


def test_views_by_their_names_are_refused(tmp_path: Path) -> None:
    """A service that names its views as strings cannot be known before it is applied, and says so."""
    named = repo_copy(tmp_path, {"services.py": [("[user_profile, user_activity]", '["user_profile", "user_activity"]')]})
    message = (
        "feature service 'user_tower': expected views, or selections of them such as view[['feature']], "
        "found the names user_profile, user_activity. Put the view itself into the service."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        FeastRepository(named, tmp_path / "home").parsed().service("user_tower")


def test_a_guard_comes_before_anything_is_applied(tmp_path: Path) -> None:
    """What the guard refuses leaves no trace, and it is asked about the views as they would be applied."""
    asked = []

    def guard(views: tuple[object, ...]) -> None:
        asked.append(len(views))
        raise DataError("views", expected="others", found="these", fix="Change them.")

    with pytest.raises(DataError, match="views: expected others, found these"):
        FeastRepository(REPO, tmp_path, guard).apply()
    assert asked == [4]
    assert not (tmp_path / "features" / "views.json").exists()
