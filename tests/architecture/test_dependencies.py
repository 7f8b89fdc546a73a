"""Every dependency is declared, has a reason and is pinned."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.sources import FEATURE_REPO, PACKAGE, ROOT, imports, python_files, where

TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(TEXT)["project"]
RUNTIME: list[str] = PROJECT["dependencies"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DECLARED = [*RUNTIME, *(line for extra in EXTRAS.values() for line in extra)]
PINNED = {
    canonicalize_name(line.partition("==")[0])
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line and not line.startswith("#")
}

SCRIPTS = {file.stem for folder in (FEATURE_REPO, PACKAGE / "bench" / "peers") for file in folder.glob("*.py")}
"""Files that are run from their own folder, and import one another by their names alone."""


def test_every_dependency_has_a_reason() -> None:
    """Each dependency stands on a line of its own that ends in a comment saying what needs it."""
    reasonless = [line for line in DECLARED if not re.search(rf'^    "{re.escape(line)}", *# \w+.*\w+', TEXT, re.MULTILINE)]
    assert reasonless == []


def test_every_import_is_declared() -> None:
    """What the package or the feature repository imports is in the standard library, ours or declared, never a lucky guest."""
    homes = packages_distributions()
    declared = {canonicalize_name(Requirement(line).name) for line in DECLARED if line not in EXTRAS["dev"]}
    guests = [
        where(path, line, name)
        for path in python_files(PACKAGE, FEATURE_REPO)
        for line, name in imports(path)
        if (top := name.partition(".")[0]) not in sys.stdlib_module_names | {"ratoon"} | SCRIPTS
        and not {canonicalize_name(home) for home in homes.get(top, [])} & declared
    ]
    assert guests == []


def test_feature_repo_imports_nothing_of_ours() -> None:
    """The feature repository is plain Feast: its definitions load where this package is not installed."""
    ours = [
        where(path, line, name)
        for path in python_files(FEATURE_REPO)
        for line, name in imports(path)
        if name.startswith("ratoon")
    ]
    assert ours == []


def test_every_installed_dependency_is_pinned() -> None:
    """constraints.txt has an exact version for all that an install brings, however deep."""
    assert {name for line in DECLARED for name in _closure(Requirement(line), set())} - PINNED == set()


def _closure(requirement: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    name = canonicalize_name(requirement.name)
    yield name
    for extra in {"", *requirement.extras}:
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # the faiss that this environment was not asked for
            continue
        for needed in map(Requirement, lines):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                yield from _closure(needed, seen)
