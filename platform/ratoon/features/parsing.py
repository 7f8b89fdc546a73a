"""Reading the files of a Feast repository: whatever is wrong in them is said with its file and line."""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from feast.repo_contents import RepoContents
from feast.repo_operations import parse_repo

from ratoon.domain.errors import DataError, RatoonError, UsageError

TAGS = ("admit", "aggregate", "buckets", "dim", "embed", "empty", "encoder", "evict", "expect", "ngram", "role", "source")
"""The tags that Ratoon reads, each after `ratoon.`."""


def contents(repo: Path) -> RepoContents:
    """What the repository's files define.

    Raises:
        DataError: a file cannot be imported, or a tag begins with `ratoon.` and nothing reads it.
    """
    with _inside(repo):
        try:
            found = parse_repo(repo)
        except RatoonError:
            raise
        except Exception as error:
            file, line = _where(error, repo)
            raise DataError(
                f"{file}, line {line}" if line else str(file),
                expected="Python files that define Feast objects",
                found=f"{type(error).__name__}: {' '.join(str(getattr(error, 'msg', error)).split())}",
                fix="Correct it in feature_repo/.",
            ) from error
    for where, tags in _tagged(found):
        if unread := sorted(tag for tag in tags if tag.startswith("ratoon.") and tag.removeprefix("ratoon.") not in TAGS):
            raise DataError(
                f"tags of {where}",
                expected=f"ratoon. and one of {', '.join(TAGS)}",
                found=", ".join(unread),
                fix="Correct the tag in feature_repo/.",
            )
    return found


def stated(repo: Path, *, expanded: bool = True) -> dict[str, Any]:
    """What feature_store.yaml says.

    Args:
        expanded: whether variables of the environment are filled in.

    Raises:
        UsageError: it is no YAML, or names no project.
    """
    with settings(repo):
        text = (repo / "feature_store.yaml").read_text(encoding="utf-8")
        raw: Any = yaml.safe_load(os.path.expandvars(text) if expanded else text)
        if not isinstance(raw, dict) or not raw.get("project"):
            raise ValueError("no `project`")
        return raw


@contextmanager
def settings(repo: Path) -> Iterator[None]:
    """Whatever the body makes of feature_store.yaml and fails at is one error of usage."""
    try:
        yield
    except RatoonError:
        raise
    except Exception as error:
        raise UsageError(
            str(repo / "feature_store.yaml"),
            expected="settings of Feast, with the name of a project",
            found=f"{type(error).__name__}: {' '.join(str(error).split())}",
            fix="Correct it.",
        ) from error


def _where(error: Exception, repo: Path) -> tuple[Path, int | None]:
    """The innermost line of the repository that the error came from; the repository itself if it came from none."""
    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename), error.lineno
    lines = [(Path(one.filename), one.lineno) for one in traceback.extract_tb(error.__traceback__)]
    return next((one for one in reversed(lines) if one[0].is_relative_to(repo)), (repo, None))


def _tagged(found: RepoContents) -> Iterable[tuple[str, Mapping[str, str]]]:
    for entity in found.entities:
        yield f"entity {entity.name!r}", entity.tags
    for view in found.feature_views:
        yield f"feature view {view.name!r}", view.tags
        for field in view.features:
            yield f"field {field.name!r} of feature view {view.name!r}", field.tags


@contextmanager
def _inside(repo: Path) -> Iterator[None]:
    """Feast imports a repository's files as top-level modules from the working directory; leave no trace of either."""
    before, here, path = set(sys.modules), Path.cwd(), list(sys.path)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    os.chdir(repo)
    sys.path.insert(0, str(repo))
    try:
        yield
    finally:
        os.chdir(here)
        sys.path[:] = path
        sys.dont_write_bytecode = bytecode
        for name in set(sys.modules) - before:
            if str(repo) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
