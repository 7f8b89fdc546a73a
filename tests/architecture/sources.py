"""The project's own files, as the tests of this folder read them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "platform"
PACKAGE = SOURCE / "ratoon"
FEATURE_REPO = ROOT / "feature_repo"
TESTS = ROOT / "tests"

_NOT_OURS = {".git", ".venv", "var", "build", "dist", "shared", "__pycache__"}


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def text_files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file a person may read, without what is installed, cached or produced by a run."""
    for path in sorted(folder.iterdir()):
        if path.name in _NOT_OURS or path.name.endswith("_cache"):
            continue
        if path.is_dir():
            yield from text_files(path)
        elif b"\0" not in path.read_bytes():
            yield path


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that a file imports, at any depth of nesting."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def where(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"
