"""The import contracts of pyproject.toml, proved to hold and to bite, each on a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, SOURCE


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE, tmp_path / "platform", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "platform"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_contracts_hold(copy: Path) -> None:
    """An untouched copy of the package keeps every import contract."""
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("utils.py", "", "ratoon.utils"),
        ("domain/stray.py", "import ratoon.ports", "ratoon.domain is not allowed to import ratoon.ports"),
        ("data/stray.py", "import ratoon.index", "ratoon.data is not allowed to import ratoon.index"),
        ("wiring.py", "import ratoon.serving", "ratoon.wiring is not allowed to import ratoon.serving"),
        ("client/stray.py", "import ratoon.domain", "ratoon.client is not allowed to import ratoon.domain"),
        ("refresh.py", "import torch", "ratoon.refresh is not allowed to import torch"),
        ("serving/stray.py", "import torch", "ratoon.serving.stray -> torch"),
        ("index/stray.py", "import torch", "ratoon.index.stray -> torch"),
        ("training/stray.py", "import feast", "ratoon.training.stray -> feast"),
        ("domain/stray.py", "import scipy.stats", "ratoon.domain.stray -> scipy"),
        ("data/stray.py", "import pandera", "ratoon.data.stray -> pandera"),
        ("wiring.py", "def index():\n    import faiss", "ratoon.wiring -> faiss"),
        ("domain/stray.py", "import redis", "ratoon.domain.stray -> redis"),
        ("registry/stray.py", "import sqlalchemy", "ratoon.registry.stray -> sqlalchemy"),
        ("serving/stray.py", "import cronsim", "ratoon.serving.stray -> cronsim"),
        ("wiring.py", "import ratoon.jobs", "ratoon.wiring is not allowed to import ratoon.jobs"),
    ],
)
def test_contracts_bite(copy: Path, file: str, line: str, complaint: str) -> None:
    """A stray module, an import upwards or sideways, or a library outside its room fails the check by name."""
    with (copy / "platform" / "ratoon" / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert complaint in done.stdout


def test_no_import_is_excused() -> None:
    """No contract carries an ignore_imports list."""
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
