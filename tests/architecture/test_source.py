"""Rules about the package's source that no linter knows."""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import FEATURE_REPO, PACKAGE, imports, parse, python_files, where

FILES = python_files(PACKAGE)
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "core", "misc", "manager"}
RUNS_CODE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
RUNS_CODE_CALLS = {"torch.load", "torch.save", "read_pickle", "to_pickle"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_fits_a_reader(path: Path) -> None:
    """No file of the package is longer than 300 lines, and its name says what it holds."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    assert path.stem not in NAMELESS


def test_all_is_complete() -> None:
    """Where `__all__` is defined it lists exactly the public names the module offers, each once."""
    wrong = []
    for path in FILES:
        listed, offered = _listed(parse(path)), _offered(parse(path), reexports=path.name == "__init__.py")
        if listed is not None and sorted(listed) != sorted(offered):
            wrong.append(where(path, 1, f"__all__ and the module differ in {sorted(set(listed) ^ offered) or 'a repeated name'}"))
    assert wrong == []


def test_nothing_stored_runs_code() -> None:
    """Neither the package nor the feature repository reads or writes a format that can run code when it is loaded."""
    bad = [
        where(path, line, name)
        for path in python_files(PACKAGE, FEATURE_REPO)
        for line, name in [*imports(path), *_calls(parse(path))]
        if name.partition(".")[0] in RUNS_CODE or name in RUNS_CODE_CALLS or name.rpartition(".")[2] in RUNS_CODE_CALLS
    ]
    assert bad == []


def _listed(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(name, ast.Name) and name.id == "__all__" for name in node.targets):
            names = ast.literal_eval(node.value)
            assert isinstance(names, list | tuple)
            return [str(name) for name in names]
    return None


def _offered(tree: ast.Module, *, reexports: bool) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {name.id for name in node.targets if isinstance(name, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom) and reexports and (node.module or "").startswith("ratoon"):
            names |= {alias.asname or alias.name for alias in node.names}
    return {name for name in names if not name.startswith("_")}


def _calls(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and dotted name of every call; a call with allow_pickle=True counts as one of pickle."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    unsafe = [
        (call.lineno, "pickle")
        for call in calls
        for word in call.keywords
        if word.arg == "allow_pickle" and not (isinstance(word.value, ast.Constant) and word.value.value is False)
    ]
    return unsafe + [(call.lineno, ast.unparse(call.func)) for call in calls]
