"""Every quantity that was asked for has its row, with its bar, however the figures are."""

from typing import Any

import pytest

from ratoon.bench.indexes.rivals import Rival
from ratoon.bench.indexes.rows import (
    bulk_rows,
    drift_rows,
    gpu_rows,
    mapped_rows,
    memory_rows,
    rival_rows,
    runbook_rows,
    search_rows,
    truth_rows,
)
from ratoon.bench.row import Row

CHANGES = {f"{name}{kind}": 100.0 for name in ("upserts", "deletes", "inserts") for kind in ("", "_cpu_us")}
ASKED = {"qps": 2_000.0, "cpu_us": 400.0, "p50_ms": 0.4, "p99_ms": 0.9, "recall": 0.96}


def lived(p99: float, p50_change: float = 0.9) -> dict[str, Any]:
    return {"search_ms": [0.4, p99], "change_ms": [p50_change, 7.0], "rate": 2_000.0}


def searched() -> dict[str, Any]:
    return {
        "asked": ASKED,
        "stats": {"lists": 8, "codec": "fp16", "nprobe": 3},
        "load": 1.5,
        "changes": CHANGES,
        "live": {"idle": lived(1.0), "2,000/s": lived(1.2), "20,000/s": lived(3.5)},
    }


def checked(untrue: dict[str, int]) -> dict[str, Any]:
    return {"checked": 30_000, "untrue": untrue, "looked": 10}


def by_quantity(rows: list[Row]) -> dict[str, Row]:
    named = {row.quantity: row for row in rows}
    assert len(named) == len(rows)
    return named


def test_searches_and_changes() -> None:
    """Recall, pace, tails and freshness are all there, and hold or not by their bars."""
    rows = by_quantity(list(search_rows(searched(), 1_000_000)))
    bars = {quantity: (row.value, row.bar, row.holds) for quantity, row in rows.items() if row.bar}
    assert bars == {
        "recall@100, 1,000,000 items": (0.96, ">= 0.95", True),
        "search p99 while 2,000 upserts/s stream in / idle p99": (1.2, "<= 1.25", True),
        "search p99 while 20,000 upserts/s stream in / idle p99": (3.5, "<= 3", False),
        "from hand-over to visible at 2,000/s, p50": (0.9, "<= 1", True),
        "from hand-over to visible at 2,000/s, p99": (7.0, "<= 8", True),
    }
    assert {"upserts, 1,000,000 items", "deletes, 1,000,000 items", "inserts, 1,000,000 items"} <= set(rows)


def test_one_untrue_answer_is_enough() -> None:
    """A stale answer fails its row by name; a change that was not seen fails the row of its own."""
    sound = by_quantity(list(truth_rows(checked({}), 1_000)))
    assert all(row.holds and row.value == 0 for row in sound.values())
    assert sound["untrue answers"].against.startswith("30,000 answers of 1,000 items checked")
    rows = by_quantity(list(truth_rows(checked({"stale": 2, "unseen": 1}), 1_000)))
    untrue, unseen = rows["untrue answers"], rows["changes that the next query did not see"]
    assert (untrue.value, untrue.holds, "2 stale" in untrue.against) == (2, False, True)
    assert (unseen.value, unseen.holds) == (1, False)


def test_without_answers_to_check_there_is_no_row_about_them() -> None:
    """Nothing is claimed of a stream that was not played."""
    assert not any("stream" in row.quantity for row in search_rows(searched() | {"live": {}}, 1_000))


def test_refreshes_memory_and_drift() -> None:
    """Each bar is where it was asked for, and memory is told over one raw copy in float16."""
    bulk = {
        "tenth_s": 0.4,
        "all_s": 6.0,
        "rebuild_s": 7.0,
        "rebuild_cpu_s": 12.0,
        "tune_cpu_s": 2.0,
        "tenth_cpu_s": 0.8,
        "all_cpu_s": 9.0,
        "asked": 900,
        "failed": 0,
        "p99_ms": 2.0,
        "load": 1.0,
    }
    assert [(row.bar, row.holds) for row in bulk_rows(bulk, 1_000_000)] == [
        ("<= 0.5", True), ("<= 5", False), ("<= 8", True), ("<= 0", True),
    ]  # fmt: skip
    raw = 1_000_000 * 128 * 2 / 2**20
    one, two = {"rest_mb": 1.2 * raw, "peak_mb": 2.1 * raw}, {"rest_mb": 2.1 * raw, "peak_mb": 2.3 * raw}
    memory = list(memory_rows({"rest_mb": 100.0}, one, two, 1_000_000, 128))
    assert [(row.value, row.bar, row.holds) for row in memory] == [
        (1.2, "<= 1.25", True), (2.1, "", True), (2.1, "", True), (2.3, "<= 2.2", False),
    ]  # fmt: skip
    second = {"private_mb": raw / 4, "ids_mb": 9.0, "rss_mb": 90.0, "pss_mb": 60.0, "cpu_us": 330.0, "cpu_s": 1.5, "wall_s": 2.0}
    whole = second | {"private_mb": raw, "cpu_us": 300.0, "cpu_s": 2.5}
    shared = list(mapped_rows(whole, {"made_cpu_s": 3.0, "second": second}, 1_000_000, 64))
    assert [(row.value, row.bar, row.holds) for row in shared] == [
        (1.5, "", True), (2.5, "", True), (0.5, "", True), (1.1, "", True),
    ]  # fmt: skip
    drift = {"mended": 0.9, "anew": 0.92, "stale": 0.6, "upkeep_cpu_s": 0.1, "rebuild_cpu_s": 0.5}
    drift |= {"write_cpu_s": 0.01, "lists_mended": 5, "nprobe": 3, "lists": 9}
    assert [(row.value, row.holds) for row in drift_rows(drift, 1_000)] == [(0.9783, False), (0.2, True)]


def test_the_final_runbook_has_the_bar() -> None:
    """It is asked for .92; the others are told beside what was published."""
    played = {
        "dataset": "d",
        "span": 100,
        "scaled": 10,
        "most": 5,
        "searches": 3,
        "recall": 0.9,
        "least": 0.8,
        "seconds": {"insert": 1.0},
    }
    (final,) = runbook_rows("final", played, played)
    assert (final.bar, final.holds) == (">= 0.92", False)
    assert "ScaNN .992" in final.against
    assert "without mending 0.9000" in final.against
    (other,) = runbook_rows("delete", played, None)
    assert (other.bar, "DiskANN .924" in other.against) == ("", True)


def rival(qps: float, upserts: float, recall: float = 0.96) -> Rival:
    return Rival(
        {**ASKED, **CHANGES, "qps": qps, "upserts": upserts, "recall": recall, "version": "1", "effort": 5, "build_s": 1.0}
    )


def test_the_best_peer_is_the_measure() -> None:
    """Of those that reach the recall the fastest counts, of all the one that changes most; those that are missing say why."""
    rivals = {"a": rival(1_000.0, 400.0), "b": rival(9_000.0, 50.0, recall=0.9), "c": Rival({}, "pip install c: no such package")}
    rows = by_quantity(list(rival_rows({"asked": ASKED, "changes": CHANGES}, rivals, 1_000)))
    qps = rows["queries a second at recall@100 0.95, ours / the best peer's, 1,000 items"]
    upserts = rows["upserts a second, ours / the best peer's, 1,000 items"]
    assert (qps.value, qps.holds, qps.against) == (2.0, True, "2,000 against 1,000 of a")
    assert (upserts.value, upserts.holds, upserts.against) == (0.25, False, "100 against 400 of a")
    missing = rows["c, 1,000 items: CPU a query"]
    assert (missing.value, missing.unit, missing.against) == (None, "not run", "pip install c: no such package")


def test_without_peers_nothing_is_claimed() -> None:
    """If none could be installed, both comparisons are not run."""
    rows = list(rival_rows({"asked": ASKED, "changes": CHANGES}, {"a": Rival({}, "gone")}, 1_000))
    assert [row.unit for row in rows] == ["not run", "not run", "us", "not run"]


def test_the_gpu_is_not_run() -> None:
    """Its rows are there, without a value, and say why."""
    rows = list(gpu_rows(None, "the CUDA driver shows no device"))
    assert {(row.value, row.unit, row.against) for row in rows} == {(None, "not run", "the CUDA driver shows no device")}
    assert len(rows) == 3


ON_GPU = {
    "items": 10_000_000, "dim": 128, "k": 100, "batch": 256, "device": "NVIDIA H100 80GB HBM3",
    "ways": {
        "ours": {"qps": 2_000.0, "batch_ms": 10.0, "same": 1.0},
        "torch": {"qps": 1_000.0, "batch_ms": 20.0, "same": 0.99},
        "cuvs": {"missing": "ModuleNotFoundError: No module named 'cuvs'"},
    },
    "updated": 1_000_000, "put_ms": 60.0, "overwrite_ms": 900.0,
    "idle_ms": (1.0, 2.0), "busy_ms": (3.0, 4.0), "asked": 50, "all_s": 5.0,
}  # fmt: skip


def test_the_gpu_beside_what_else_searches_there() -> None:
    """The best of those that ran is the measure, who did not run says why, and what is slower than its bar does not hold."""
    rows = by_quantity(list(gpu_rows(ON_GPU, "")))
    how = "GPU, 10,000,000 x 128 float16, exact, batches of 256, k = 100"
    against = rows[f"{how}, ours / the best of torch and cuVS"]
    assert (against.value, against.holds) == (2.0, True)
    assert "torch 1,000/s (0.9900 of our answers); cuvs not run: ModuleNotFoundError" in against.against
    update = rows["GPU, 1,000,000 rows updated in place"]
    assert (update.value, update.holds, "by id through the index 900 ms" in update.against) == (60.0, False, True)
    assert rows["GPU, rebuild in place while searching, p99"].value == 4.0


def test_how_near_the_device_s_limits_a_search_comes() -> None:
    """A batch of many is held against the operations it needs, of one against the bytes; of an unknown device nothing is said."""
    quantity = "GPU, 10,000,000 x 128 float16, exact, batches of {}, k = 100, share of what the device could do"
    many = by_quantity(list(gpu_rows({**ON_GPU, "batch": 1_024}, "")))[quantity.format(1_024)]
    assert many.value == pytest.approx(1e3 * 2 * 10_000_000 * 128 * 1_024 / 989e12 / 10.0, abs=1e-4)
    one = by_quantity(list(gpu_rows({**ON_GPU, "batch": 1}, "")))[quantity.format(1)]
    assert one.value == pytest.approx(1e3 * 2.56e9 / 3.35e12 / 10.0, abs=1e-4)
    assert "of memory a batch at 3.35 TB/s" in one.against
    unknown = by_quantity(list(gpu_rows({**ON_GPU, "device": "another"}, "")))[quantity.format(256)]
    assert (unknown.value, unknown.against) == (None, "no peak figures are known here for another")
