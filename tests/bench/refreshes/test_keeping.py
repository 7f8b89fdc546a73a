"""What was measured is kept set by set, whoever measures."""

import json
import multiprocessing
from pathlib import Path

import pytest

from ratoon.bench.refreshes import keeping


def _keep(results: Path, name: str, times: int) -> None:
    keeping.RESULTS = results
    for number in range(times):
        keeping.keep(name, {"rows": [number]})


def test_processes_that_measure_different_sets_lose_nothing(tmp_path: Path) -> None:
    """Three processes that keep at the same time leave what each of them kept last, and a picture of all."""
    results = tmp_path / "refresh.json"
    started = [multiprocessing.get_context("spawn").Process(target=_keep, args=(results, name, 15)) for name in "abc"]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0, 0, 0]
    assert json.loads(results.read_text()) == {name: {"rows": [14]} for name in "abc"}
    assert results.with_suffix(".svg").read_text().startswith("<svg")


def test_what_is_kept_can_be_read_and_is_replaced_by_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is kept there is nothing; a set that is kept again leaves the others alone."""
    monkeypatch.setattr(keeping, "RESULTS", tmp_path / "refresh.json")
    assert keeping.kept() == {}
    for name, rows in (("a", 1), ("b", 2), ("a", 3)):
        keeping.keep(name, {"rows": [rows]})
    assert keeping.kept() == {"a": {"rows": [3]}, "b": {"rows": [2]}}
