"""What was measured on the vectors of the real towers, as rows."""

from collections.abc import Iterator, Mapping
from typing import Any

from ratoon.bench.indexes.rows import asked_rows
from ratoon.bench.indexes.worlds import K
from ratoon.bench.row import Row, not_run, told

Said = Mapping[str, Any]
SET = "diginetica"


def tower_rows(made: Said, search: Said, bulk: Said) -> Iterator[Row]:
    """The mixture's figures that mean something at this size; only recall has a bar.

    Args:
        made: what the world's seal says.
        search, bulk: of the parts of that name.
    """
    what = f"real towers ({SET}, {made['items']:,} x {made['dim']})"
    rounded = f"items rounded to float16: {made['same']:.4f} of the exact answer, scores off by {made['off']:.1e} of the best"
    yield from asked_rows(search, what, f"; {made['metric']}; {made['story']}; {rounded}")
    stats = search["stats"]
    yield told(f"lists looked at, {what}", stats["nprobe"], "lists", f"of {stats['lists']}")
    idle, slow = search["live"]["idle"]["search_ms"][1], search["live"]["2,000/s"]["search_ms"][1]
    against = f"{slow:.3f} ms against {idle:.3f} ms; {search['live']['2,000/s']['rate']:,.0f} a second came in"
    yield told(f"search p99 while 2,000 upserts/s stream in / idle p99, {what}", slow / idle, "ratio", against)
    load = f"two threads; load {bulk['load']:.1f}"
    against = f"to the next release's, {made['moved']:,} of which moved; {bulk['all_cpu_s']:.2f} CPU s; {load}"
    yield told(f"update of all in place, {what}", bulk["all_s"], "s", against)
    against = f"behind the swap, {bulk['rebuild_cpu_s']:.2f} CPU s; {bulk['failed']} of {bulk['asked']} queries failed; {load}"
    yield told(f"rebuild, {what}", bulk["rebuild_s"], "s", against)


def without_towers() -> Iterator[Row]:
    """Why there are no figures."""
    yield not_run(f"recall@{K}, real towers ({SET})", ">= 0.95", f"no --towers with the set {SET}")
