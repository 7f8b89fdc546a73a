"""Other libraries: one that cannot be installed or run says why, and takes nobody with it."""

from pathlib import Path

import pytest

from ratoon.bench import processes
from ratoon.bench.indexes import rivals as module
from ratoon.bench.indexes.rivals import Rival, rivals
from ratoon.bench.indexes.worlds import open_world


def silent(_what: str, _share: float) -> None:
    return None


def test_who_cannot_be_installed_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is nowhere is missing with pip's reason, and one that fails with its error; the others are measured."""
    peers = tmp_path / "scripts"
    peers.mkdir()
    (peers / "ann.py").write_text(
        'import json, sys\nassert sys.argv[1] == "good", "does not run here"\nprint(json.dumps({"qps": 5}))\n'
    )
    monkeypatch.setattr(processes, "PEERS", peers)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(module, "PACKAGES", {"good": "pip", "bad": "pip", "absent": "no-such-package-of-any-kind"})
    world = open_world(tmp_path, 1_000, silent, dim=8, k=10, queries=10)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = rivals(tmp_path, world, scratch, 0.95, silent)
    assert found["good"] == Rival({"qps": 5})
    assert found["bad"].missing == "exit 1: AssertionError: does not run here"
    assert found["absent"].missing.startswith("pip install no-such-package-of-any-kind: ERROR: No matching distribution")
    assert (tmp_path / "index-peers" / "bin" / "python").exists()
