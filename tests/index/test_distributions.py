"""FAISS's distributions are told apart by what is installed, here in real folders of package metadata."""

import subprocess
import sys
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError, UsageError
from ratoon.index import faiss_info, refuse_two_faiss
from ratoon.index.distributions import faiss_distributions

SOURCE = Path(__file__).parents[2] / "platform"


def install(folder: Path, name: str, version: str, module: str) -> None:
    """Write what an installer leaves behind for a distribution with one top-level package."""
    package = folder / module
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()  # some readers of metadata pass over files that are not there
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{module}/__init__.py,,\n{info.name}/METADATA,,\n")


def test_one_is_installed() -> None:
    """The environment that runs the tests has exactly one FAISS, and it works."""
    refuse_two_faiss()
    info = faiss_info()
    assert info["distributions"] == faiss_distributions()
    assert str(info["version"]) in faiss_distributions().values()
    assert isinstance(info["gpus"], int)
    assert isinstance(info["compile_options"], list)


@pytest.mark.parametrize("second", ["faiss-gpu", "faiss-gpu-cu12", "somebodys-fork"])
def test_two_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    """Two distributions are both named, even if one is known only by the package that it brings."""
    install(tmp_path, "faiss-cpu", "1.15.1", "faiss")
    install(tmp_path, second, "1.14.0", "faiss")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(UsageError, match=rf"found faiss-cpu 1.15.1 and {second} 1.14.0. They overwrite each other's files"):
        refuse_two_faiss()


def test_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FAISS the extra to install is named."""
    install(tmp_path, "numpy", "2.4", "numpy")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(StoreError, match=r"found none. Install Ratoon with the extra `cpu` or `gpu`"):
        refuse_two_faiss()


def test_checking_does_not_import_faiss() -> None:
    """The check runs in a process that has not loaded FAISS, and opening an index loads it."""
    code = (
        "import sys; from ratoon.index import FaissIndexes, refuse_two_faiss; refuse_two_faiss();"
        "assert 'faiss' not in sys.modules; FaissIndexes(); assert 'faiss' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(SOURCE)})
