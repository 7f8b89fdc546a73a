"""What a run of the table has found outlives it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ratoon.bench import upkeep
from ratoon.bench.row import Row, told
from ratoon.bench.upkeep import Group, Size, measure
from ratoon.bench.upkeep.kept import Kept

STAMP = {"hardware": "2 x something", "date": "2026-11-23", "commit": "abc"}


def test_figures_of_other_code_machines_and_shares_do_not_count(tmp_path: Path) -> None:
    """What is kept comes back to the same machine, code and share of the users alone, and not once it is forgotten."""
    kept = Kept(tmp_path / "unfinished", STAMP)
    assert kept.get("prune", "a", 0, 0.5) is None
    kept.put("prune", "a", 0, 0.5, {"size": 0.125})
    assert Kept(tmp_path / "unfinished", {**STAMP, "date": "2026-11-24"}).get("prune", "a", 0, 0.5) == {"size": 0.125}
    for other in ({**STAMP, "commit": "abd"}, {**STAMP, "hardware": "1 x something"}):
        assert Kept(tmp_path / "unfinished", other).get("prune", "a", 0, 0.5) is None
    assert [kept.get("prune", "a", 0, 1.0), kept.get("prune", "a", 1, 0.5), kept.get("fuse", "a", 0, 0.5)] == [None] * 3
    kept.forget([("prune", "a", 0), ("prune", "a", 1)])
    assert kept.get("prune", "a", 0, 0.5) is None


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run measures what is left, makes the table of both, says whose share it is of, and leaves nothing to a third."""
    measured: list[tuple[str, str, int]] = []

    @contextmanager
    def scene(_scratch: Path, _repo: Path, _folder: Path, name: str, seed: int, share: float, _tell: object) -> Iterator[Any]:
        assert share == {"a": 1.0, "diginetica": upkeep.SHARES["diginetica"]}[name]
        yield SimpleNamespace(name=name, seed=seed)

    def group(called: str) -> Group:
        def found(there: Any) -> Mapping[str, float]:
            if len(measured) == 3 and "killed" not in state:
                state.add("killed")
                raise KeyboardInterrupt
            measured.append((called, there.name, there.seed))
            return {"value": float(there.seed)}

        def rows(figures: upkeep.Figures) -> list[Row]:
            return [told(name, sum(one["value"] for one in ones), "ratio", "itself") for name, ones in figures.items()]

        return Group(found, rows, ("a", "diginetica"))

    state: set[str] = set()
    monkeypatch.setattr(upkeep, "scene", scene)
    monkeypatch.setattr(upkeep, "GROUPS", {"one": group("one"), "two": group("two")})
    for name in ("a", "diginetica"):
        (tmp_path / "sets" / name).mkdir(parents=True)

    def run() -> dict[str, dict[str, Any]]:
        size = Size(("a", "diginetica"), seeds=2)
        return measure(tmp_path / "sets", tmp_path, size, STAMP, lambda _what, _share: None, tmp_path / "unfinished")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert measured == [("one", "a", 0), ("two", "a", 0), ("one", "a", 1)]
    table = run()
    assert sorted(measured) == sorted(
        (one, name, seed) for one in ("one", "two") for name in ("a", "diginetica") for seed in (0, 1)
    )
    assert [(row["quantity"], row["value"]) for row in table["two"]["rows"]] == [("a", 1.0), ("diginetica", 1.0)]
    assert table["one"]["rows"][0]["against"] == "itself; 5% of the users of diginetica"
    assert not list((tmp_path / "unfinished").iterdir())
