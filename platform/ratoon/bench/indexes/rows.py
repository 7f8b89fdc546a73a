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

PEAKS = {"NVIDIA H100 80GB HBM3": (3.35e12, 989e12), "NVIDIA H200": (4.8e12, 989e12)}
"""Bytes and float16 operations a second by the name of the device, as its maker states them without sparsity."""

Said = Mapping[str, Any]


def search_rows(said: Said, items: int) -> Iterator[Row]:
    """One query at a time, without changes and with them."""
    yield from asked_rows(said, f"{items:,} items")
    yield from _live(said)


def asked_rows(said: Said, what: str, also: str = "") -> Iterator[Row]:
    """One query at a time, and changes alone.

    Args:
        what: which items, for the rows' names.
        also: what there is to say of them.
    """
    asked, stats = said["asked"], said["stats"]
    how = f"{stats['lists']} lists of {stats['codec']}, {stats['nprobe']} looked at; one thread; load {said['load']:.1f}"
    yield at_least(f"recall@{K}, {what}", asked["recall"], 0.95, how + also, "share")
    took = f"p50 {asked['p50_ms']:.3f} ms, p99 {asked['p99_ms']:.3f} ms"
    yield told(f"queries, {what}", asked["qps"], "per second", took)
    yield told(f"CPU a query, {what}", asked["cpu_us"], "us", "all threads of the process")
    changes = said["changes"]
    for name in ("upserts", "deletes", "inserts"):
        against = f"in batches of 200, by id, {changes[f'{name}_cpu_us']:.1f} CPU us each; one thread"
        yield told(f"{name}, {what}", changes[name], "per second", against)


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


def mapped_rows(whole: Said, first: Said, items: int, dim: int) -> Iterator[Row]:
    """One file for several processes, over a copy in each."""
    raw, second = items * dim * 2 / 2**20, first["second"]
    against = (
        f"CPU s, {second['wall_s']:.1f} s on the clock; the first to come makes the file, in {first['made_cpu_s']:.1f} CPU s"
    )
    yield told(f"load of {items:,} x {dim}, mapped", second["cpu_s"], "s", against)
    yield told(f"load of {items:,} x {dim}, whole", whole["cpu_s"], "s", f"CPU s, {whole['wall_s']:.1f} s on the clock; one copy")
    against = (
        f"{second['private_mb']:.0f} MiB of its own, of which ids take {second['ids_mb']:.0f}, to one copy's {raw:.0f}; Rss "
        f"{second['rss_mb']:.0f}, Pss {second['pss_mb']:.0f}; whole {whole['private_mb']:.0f} of its own"
    )
    yield told("memory of a second process, mapped, over one float16 copy", second["private_mb"] / raw, "ratio", against)
    against = f"{second['cpu_us']:.0f} us against {whole['cpu_us']:.0f}, one thread"
    yield told(f"CPU a query, mapped / whole, {items:,} x {dim}", second["cpu_us"] / whole["cpu_us"], "ratio", against)


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


GPU_UPDATE, GPU_REBUILD = "GPU, 1,000,000 rows updated in place", "GPU, rebuild in place while searching, p99"


def gpu_rows(said: Said | None, why: str) -> Iterator[Row]:
    """The twin on a GPU, or why it was not measured."""
    if said is None:
        yield not_run("GPU, 10,000,000 x 128 float16, exact, batches of 256, k = 100", ">= the best of torch and cuVS", why)
        yield not_run(GPU_UPDATE, "< 50 ms", why)
        yield not_run(GPU_REBUILD, "", why)
        return
    size = f"{said['items']:,} x {said['dim']}"
    ways = {name: way for name, way in said["ways"].items() if "missing" not in way}
    own, others = ways.pop("ours"), {name: way["qps"] for name, way in ways.items()}
    best = max(others, key=lambda name: others[name])
    told_of = [f"{name} {way['qps']:,.0f}/s ({way['same']:.4f} of our answers)" for name, way in ways.items()]
    told_of += [f"{name} not run: {way['missing']}" for name, way in said["ways"].items() if "missing" in way]
    against = f"{own['qps']:,.0f}/s against {best}'s {others[best]:,.0f}/s on {said['device']}; {'; '.join(told_of)}"
    how = f"GPU, {size} float16, exact, batches of {said['batch']}, k = {said['k']}"
    yield at_least(f"{how}, ours / the best of torch and cuVS", own["qps"] / others[best], 1.0, against)
    yield _roofline(said, own["batch_ms"], how)
    against = f"from the processor's memory, by slot; by id through the index {said['overwrite_ms']:,.0f} ms"
    yield at_most(f"GPU, {said['updated']:,} rows updated in place", said["put_ms"], 50, against, "ms")
    idle, busy = said["idle_ms"], said["busy_ms"]
    against = f"idle p50 {idle[0]:.2f}, p99 {idle[1]:.2f} ms; p50 {busy[0]:.2f} ms of {said['asked']:,} while all is overwritten"
    yield told(GPU_REBUILD, busy[1], "ms", f"{against} in {said['all_s']:.1f} s; {size}, one query at a time")


def _roofline(said: Said, batch_ms: float, how: str) -> Row:
    peak = PEAKS.get(said["device"])
    quantity = f"{how}, share of what the device could do"
    if peak is None:
        return not_run(quantity, "", f"no peak figures are known here for {said['device']}")
    moved, multiplied = 2 * said["items"] * said["dim"], 2 * said["items"] * said["dim"] * said["batch"]
    seconds = max(moved / peak[0], multiplied / peak[1])
    limit = "products" if multiplied / peak[1] > moved / peak[0] else "memory"
    against = f"{1e3 * seconds:.2f} ms of {limit} a batch at {peak[0] / 1e12:g} TB/s and {peak[1] / 1e12:,.0f} TFLOP/s"
    return told(quantity, 1e3 * seconds / batch_ms, "ratio", f"{against}; {batch_ms:.2f} ms it took")
