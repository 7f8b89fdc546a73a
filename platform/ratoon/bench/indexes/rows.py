"""What was measured, as rows with their bars."""

from collections.abc import Iterator, Mapping
from typing import Any

from ratoon.bench.indexes.rivals import Rival
from ratoon.bench.indexes.worlds import K
from ratoon.bench.row import Row, at_least, at_most, not_run, told

PUBLISHED = {
    "final": "published on 30 M: ScaNN .992, Zilliz .922, Pinecone .912, PyANNS .870, DiskANN .883 and .722",
    "delete": "published on 10 M: DiskANN .924",
}
"""Of the benchmark's own result files, on 8 virtual processors."""

Said = Mapping[str, Any]


def search_rows(said: Said, items: int) -> Iterator[Row]:
    """One query at a time, without changes and with them."""
    asked, stats = said["asked"], said["stats"]
    how = f"{stats['lists']} lists of {stats['codec']}, {stats['nprobe']} looked at; one thread; load {said['load']:.1f}"
    yield at_least(f"recall@{K}, {items:,} items", asked["recall"], 0.95, how, "share")
    took = f"p50 {asked['p50_ms']:.3f} ms, p99 {asked['p99_ms']:.3f} ms"
    yield told(f"queries, {items:,} items", asked["qps"], "per second", took)
    yield told(f"CPU a query, {items:,} items", asked["cpu_us"], "us", "all threads of the process")
    yield from _changes(said["changes"], items)
    yield from _live(said)


def _changes(changes: Said, items: int) -> Iterator[Row]:
    for name in ("upserts", "deletes", "inserts"):
        against = f"in batches of 200, by id, {changes[f'{name}_cpu_us']:.1f} CPU us each; one thread"
        yield told(f"{name}, {items:,} items", changes[name], "per second", against)


def _live(said: Said) -> Iterator[Row]:
    if not said["live"]:
        return
    idle, slow, fast = said["live"].values()
    for name, other, bar in (("2,000", slow, 1.25), ("20,000", fast, 3.0)):
        p99, base = other["search_ms"][1], idle["search_ms"][1]
        against = f"{p99:.3f} ms against {base:.3f} ms; {other['rate']:,.0f} a second came in"
        yield at_most(f"search p99 while {name} upserts/s stream in / idle p99", p99 / base, bar, against)
    against = "until the call returns, by when every later search sees it"
    for which, value, bar in zip(("p50", "p99"), slow["change_ms"], (1.0, 8.0), strict=True):
        yield at_most(f"from hand-over to visible at 2,000/s, {which}", value, bar, against, "ms")
    for which, value in zip(("p50", "p99"), fast["change_ms"], strict=True):
        yield told(f"from hand-over to visible at 20,000/s, {which}", value, "ms", against)


def truth_rows(said: Said, items: int) -> Iterator[Row]:
    """Whether answers were true while items were changed, taken away and put back."""
    untrue = said["untrue"]
    wrong = sum(count for what, count in untrue.items() if what != "unseen")
    what = ", ".join(f"{count} {name}" for name, count in untrue.items()) or "no duplicate, short, stale or wrong one"
    against = f"{said['checked']:,} answers of {items:,} items checked while 2,000 and 20,000 upserts/s stream in: {what}"
    yield at_most("untrue answers", wrong, 0, against, "answers")
    yield at_most("changes that the next query did not see", untrue.get("unseen", 0), 0, f"{said['looked']:,} calls", "changes")


def bulk_rows(said: Said, items: int) -> Iterator[Row]:
    """Whole refreshes, and the rebuild behind the swap."""
    load = f"two threads; load {said['load']:.1f}"
    against = f"to vectors unlike the old ones; {said['tenth_cpu_s']:.2f} CPU s; {load}"
    yield at_most(f"update of 10 % of {items:,} in place", said["tenth_s"], 0.5, against, "s")
    against = f"without retraining; {said['all_cpu_s']:.2f} CPU s; {load}"
    yield at_most(f"update of all {items:,} in place", said["all_s"], 5.0, against, "s")
    against = f"{said['rebuild_cpu_s']:.1f} CPU s, of which {said['tune_cpu_s']:.1f} to choose how many lists to look at; {load}"
    yield at_most(f"rebuild of {items:,} behind the swap", said["rebuild_s"], 8.0, against, "s")
    against = f"of {said['asked']:,} during the rebuild, p99 {said['p99_ms']:.1f} ms"
    yield at_most("queries that failed or came back short", said["failed"], 0, against, "queries")


def memory_rows(ids: Said, one: Said, two: Said, items: int, dim: int) -> Iterator[Row]:
    """Resident memory over one copy of the vectors in float16."""
    raw = items * dim * 2 / 2**20
    held = f"of one float16 copy of {raw:.0f} MiB; ids and columns, which every mode holds once: {ids['rest_mb']:.0f} MiB"
    yield at_most("memory, one copy, at rest", one["rest_mb"] / raw, 1.25, f"{one['rest_mb']:.0f} MiB {held}")
    yield told("memory, one copy, while rebuilt", one["peak_mb"] / raw, "ratio", f"{one['peak_mb']:.0f} MiB, with the new one")
    yield told("memory, two copies, at rest", two["rest_mb"] / raw, "ratio", f"{two['rest_mb']:.0f} MiB")
    yield at_most("memory, two copies, while rebuilt", two["peak_mb"] / raw, 2.2, f"{two['peak_mb']:.0f} MiB {held}")


def drift_rows(said: Said, items: int) -> Iterator[Row]:
    """Twenty rounds of emergence."""
    against = (
        f"{said['mended']:.4f} against {said['anew']:.4f}, left alone {said['stale']:.4f}; 20 rounds of 5 % of {items:,}, "
        f"{said['nprobe']} of {said['lists']} lists looked at by all"
    )
    yield at_least(f"recall@{K} after emergence, mended / made anew", said["mended"] / said["anew"], 0.98, against)
    mine, theirs = said["upkeep_cpu_s"], said["rebuild_cpu_s"]
    against = (
        f"{mine:.3f} against {theirs:.3f} CPU s a round; {said['lists_mended']} lists mended, {said['write_cpu_s']:.3f} to write"
    )
    yield at_most("CPU of mending / of a rebuild", mine / theirs, 0.25, against)


def runbook_rows(name: str, mended: Said, alone: Said | None) -> Iterator[Row]:
    """One runbook, with a bar if it is the final one."""
    seconds = sum(mended["seconds"].values())
    scale = f"{mended['dataset']}, {mended['span']:,} vectors scaled to {mended['scaled']:,}, at most {mended['most']:,} at once"
    against = f"{scale}; {mended['searches']} searches, the least {mended['least']:.3f}; {seconds:.0f} s of the index"
    if alone is not None:
        against += f"; without mending {alone['recall']:.4f} in {sum(alone['seconds'].values()):.0f} s"
    if name in PUBLISHED:
        against += f"; {PUBLISHED[name]}"
    quantity = f"runbook {name}: recall@10"
    if name == "final":
        yield at_least(quantity, mended["recall"], 0.92, against, "share")
    else:
        yield told(quantity, mended["recall"], "share", against)


def rival_rows(own: Said, rivals: Mapping[str, Rival], items: int) -> Iterator[Row]:
    """The others beside the index, at the same size, on the same vectors."""
    there = {name: rival.said for name, rival in rivals.items() if not rival.missing}
    ours = {"qps": own["asked"]["qps"], "upserts": own["changes"]["upserts"], "cpu_us": own["asked"]["cpu_us"]}
    reached = {name: said for name, said in there.items() if said["recall"] >= 0.95}
    for key, what, among in (("qps", f"queries a second at recall@{K} 0.95", reached), ("upserts", "upserts a second", there)):
        quantity = f"{what}, ours / the best peer's, {items:,} items"
        if not among:
            yield not_run(quantity, ">= 1", "no peer was measured")
            continue
        best = max(among, key=lambda name: float(among[name][key]))
        against = f"{ours[key]:,.0f} against {among[best][key]:,.0f} of {best}"
        yield at_least(quantity, ours[key] / among[best][key], 1.0, against)
    yield told(f"ours, {items:,} items: CPU a query", ours["cpu_us"], "us", _line(own["asked"] | own["changes"]))
    for name, rival in rivals.items():
        quantity = f"{name}, {items:,} items: CPU a query"
        if rival.missing:
            yield not_run(quantity, "", rival.missing)
        else:
            how = f"search {rival.said['effort']}, built in {rival.said['build_s']:.0f} s"
            against = f"{rival.said['version']}: {_line(rival.said)}; {how}"
            yield told(quantity, rival.said["cpu_us"], "us", against)


def _line(said: Said) -> str:
    return (
        f"recall {said['recall']:.4f}, {said['qps']:,.0f} queries/s, {said['upserts']:,.0f} upserts/s, "
        f"{said['deletes']:,.0f} deletes/s, {said['inserts']:,.0f} put back/s"
    )


def gpu_rows(present: bool) -> Iterator[Row]:
    """The twin on a GPU."""
    why = "this command measures the processor's index alone" if present else "no CUDA device"
    for quantity, bar in (
        ("GPU, 10,000,000 x 128 float16, exact, batches of 256, k = 100", ">= the best of torch and cuVS"),
        ("GPU, 1,000,000 rows updated in place", "< 50 ms"),
        ("GPU, rebuild in place while searching, p99", ""),
    ):
        yield not_run(quantity, bar, why)
