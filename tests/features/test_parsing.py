"""A mistake in the files of a feature repository is told by file and line, before anything is applied."""

import re
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError, UsageError
from ratoon.features.repository import FeastRepository
from tests.features.worlds import repo_copy


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("x = (", "SyntaxError: '(' was never closed"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("Field(name=1)", "TypeError: "),
    ],
)
def test_a_file_that_cannot_be_imported(tmp_path: Path, added: str, said: str) -> None:
    """Whatever importing it raises is one error of the data, with the line that it came from."""
    repo = repo_copy(tmp_path)
    users = repo / "users.py"
    line = len(users.read_text().splitlines()) + 1
    users.write_text(users.read_text() + added + "\n")
    message = f"{users}, line {line}: expected Python files that define Feast objects, found {said}"
    with pytest.raises(DataError, match=rf"^{re.escape(message)}.*Correct it in feature_repo/\.$"):
        FeastRepository(repo, tmp_path / "var").parsed()


def test_a_tag_that_nothing_reads(tmp_path: Path) -> None:
    """A misspelt tag of ours is refused, with the tags that there are; other tags are the repository's own."""
    edits = {"users.py": [('"ratoon.encoder": "history"', '"ratoon.encodr": "history", "team": "ours"')]}
    repository = FeastRepository(repo_copy(tmp_path, edits), tmp_path / "var")
    message = "tags of field 'recent_items' of feature view 'user_activity': expected ratoon. and one of admit, aggregate, "
    with pytest.raises(DataError, match=rf"^{re.escape(message)}.*, found ratoon\.encodr\. Correct the tag in feature_repo/\.$"):
        repository.parsed()


def test_rules_are_read_before_they_are_applied(tmp_path: Path) -> None:
    """A tag `ratoon.expect` that says no rule is refused by whoever only looks, such as `ratoon plan`."""
    repository = FeastRepository(repo_copy(tmp_path, {"users.py": [("range(0, 120)", "range(0 120")]}), tmp_path / "var")
    with pytest.raises(DataError, match="^tag ratoon.expect of field 'age' of view 'user_profile': expected rules such as"):
        repository.parsed()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("project: ", "project: [", r"ParserError: .* line \d+"),
        ("project: ", "proj: ", "ValueError: no `project`"),
        ("serialization_version: 3", "serialization_version: three", ".*three"),
    ],
)
def test_a_wrong_store_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A mistake in feature_store.yaml is an error of usage that names the file, whoever reads it."""
    repo = repo_copy(tmp_path, {"feature_store.yaml": [(old, new)]})
    file = re.escape(str(repo / "feature_store.yaml"))
    with pytest.raises(UsageError, match=rf"^{file}: expected settings of Feast, .*, found {said}.*\. Correct it\.$"):
        FeastRepository(repo, tmp_path / "var").apply()
