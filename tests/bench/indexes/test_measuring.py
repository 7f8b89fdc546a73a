"""The whole table, small: every row is there, what cannot be measured says why, and a small run is not kept."""

import json
from pathlib import Path
from typing import Any

import pytest

from ratoon.bench import IndexSize, run
from ratoon.bench.indexes import ITEMS, Size, asking, drifting, kept, measure, measuring
from ratoon.bench.peers import own_index
from ratoon.bench.processes import finished
from ratoon.domain.errors import UsageError
from ratoon.index import Choice
from tests.bench.indexes.test_rows import ON_GPU

BOOK = """
set:
  max_pts: 60
  1: {operation: insert, start: 0, end: 60}
  2: {operation: search}
  3: {operation: delete, start: 0, end: 20}
  4: {operation: search}
"""


def silent(_what: str, _share: float) -> None:
    return None


def in_this_process(_script: str, part: str, cache: Path, *more: object, **_limits: object) -> dict[str, Any]:
    """The same parts without the seconds that each process takes to start."""
    said = own_index.measured([part, str(cache), *map(str, more)])
    loaded: dict[str, Any] = json.loads(json.dumps(said))
    return loaded


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "finished", in_this_process)
    monkeypatch.setattr(asking, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(drifting, "ROUNDS", 2)
    monkeypatch.setattr(measuring, "chosen", lambda _wanted: Choice("cpu", "the CUDA driver shows no device"))


@pytest.mark.usefixtures("quick")
def test_every_quantity_has_a_row(tmp_path: Path) -> None:
    """One small run has the rows of all parts, each once, those with a bar or a reason, and three histograms."""
    (tmp_path / "final_runbook.yaml").write_text(BOOK)
    before = kept()
    found = measure(tmp_path, Size(1_000, 0, 300, tmp_path), {"commit": "c"}, silent)
    rows = {row["quantity"]: row for row in found["rows"]}
    assert len(rows) == len(found["rows"])
    for part in (
        "recall@100, 1,000 items",
        "queries, 1,000 items",
        "CPU a query, 1,000 items",
        "upserts, 1,000 items",
        "search p99 while 20,000 upserts/s stream in / idle p99",
        "untrue answers",
        "changes that the next query did not see",
        "from hand-over to visible at 2,000/s, p99",
        "update of all 1,000 in place",
        "rebuild of 1,000 behind the swap",
        "memory, two copies, while rebuilt",
        "load of 1,000 x 64, mapped",
        "load of 1,000 x 64, whole",
        "memory of a second process, mapped, over one float16 copy",
        "CPU a query, mapped / whole, 1,000 x 64",
        "recall@100, real towers (diginetica)",
        "recall@100 after emergence, mended / made anew",
        "CPU of mending / of a rebuild",
        "runbook final: recall@10",
        "queries and upserts, ours / the best peer's",
        "GPU, 1,000,000 rows updated in place",
    ):
        assert part in rows, part
    assert rows["untrue answers"]["value"] == 0
    assert rows["changes that the next query did not see"]["value"] == 0
    assert rows["runbook final: recall@10"]["value"] == 1.0
    assert rows["queries and upserts, ours / the best peer's"]["against"] == "--peers 0"
    assert list(found["histograms"]) == ["idle", "2,000/s", "20,000/s"]
    assert (found["items"], found["commit"]) == (1_000, "c")
    assert kept() == before


def test_a_part_runs_as_a_script(tmp_path: Path) -> None:
    """What a part says comes back from a process of its own."""
    said = finished("own_index", "memory", tmp_path, "--items", 1_000, "--copies", 2, threads=1)
    assert set(said) == {"rest_mb", "peak_mb"}
    assert said["peak_mb"] >= said["rest_mb"]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (Size(items=999), r"--items: expected at least 1000, found 999"),
        (Size(peers=5), r"--peers: expected at least 1000, found 5"),
        (Size(checked=10), r"--checked: expected at least 300, found 10"),
        (Size(runbooks=Path(__file__).parent), r"--data: expected files \*_runbook\.yaml, found none in .*big-ann"),
    ],
)
def test_sizes_out_of_range_are_refused(tmp_path: Path, size: Size, message: str) -> None:
    """Before anything is made."""
    with pytest.raises(UsageError, match=message):
        measure(tmp_path, size, {}, silent)
    assert not list(tmp_path.iterdir())


def test_only_a_full_run_is_kept(tmp_path: Path) -> None:
    """All items, all peers, all answers, the runbooks and the real towers: then the bars mean what they say."""
    assert Size(runbooks=tmp_path, towers=tmp_path).full
    for less in (
        Size(),
        Size(runbooks=tmp_path),
        Size(towers=tmp_path),
        Size(100_000, runbooks=tmp_path, towers=tmp_path),
        Size(peers=0, runbooks=tmp_path, towers=tmp_path),
        Size(checked=300, runbooks=tmp_path, towers=tmp_path),
    ):
        assert not less.full
    assert Size().items == ITEMS


def test_the_command_prints_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, the stamp and the rows; options of other tables are refused."""
    run("index", True, stored=True)
    assert json.loads(capsys.readouterr().out) == kept()
    with pytest.raises(UsageError, match=r"bench index: expected --items for another size, found --scale or --only"):
        run("index", True, scale=0.5, index=IndexSize())


def test_a_part_is_one_of_those_that_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Another name ends the script with the names that there are."""
    with pytest.raises(SystemExit):
        own_index.measured(["sleep", "nowhere", "--items", "1000"])
    assert "invalid choice: 'sleep'" in capsys.readouterr().err


def test_where_there_is_a_gpu_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a device, ten times as many items are measured there, in a process of its own, and its rows have values."""
    asked: list[object] = []

    def on_gpu(*arguments: object, **_limits: object) -> dict[str, Any]:
        asked.extend(arguments)
        return ON_GPU

    monkeypatch.setattr(measuring, "chosen", lambda _wanted: Choice("cuda", "1 CUDA device"))
    monkeypatch.setattr(measuring, "finished", on_gpu)
    rows = list(measuring._gpu(Size(1_000), silent))
    assert asked == ["own_gpu", "--items", 10_000]
    assert all(row.value for row in rows)
