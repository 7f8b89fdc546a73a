"""How an index is laid out: one decision, from how many items there are and how much of the exact answer is wanted. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal

Codec = Literal["flat", "fp16", "sq8", "sq4"]
"""How a vector is kept: float32; float16; a byte per dimension, scaled to what the training sample spans; half a byte, by which
the likeliest are found, of which those are the best that are so by the vectors themselves, which lie in a file aside."""

WIDTHS: Mapping[Codec, float] = {"flat": 4, "fp16": 2, "sq8": 1, "sq4": 0.5}
"""The bytes of memory that each number takes."""

STORED: Mapping[Codec, float] = {"flat": 4, "fp16": 2, "sq8": 1, "sq4": 2}
"""The bytes of a release's files that each number takes: `sq4` keeps the vectors there, of which its codes are made again."""


@dataclass(frozen=True, slots=True)
class IndexPolicy:
    """What is asked of an index.

    Attributes:
        recall: the least share of the exact top `k` that a search returns.
        exact: up to so many items every vector is looked at.
        codec: how vectors are kept beyond that.
        filter_mib: MiB at most for copies of the vectors that filters match, of those filters that are asked again and again.
        copies: two, so that readers never wait for a change, or one that takes half the memory.
    """

    recall: float = 0.95
    k: int = 100
    exact: int = 20_000
    codec: Codec = "fp16"
    filter_mib: int = 128
    copies: Literal[1, 2] = 2


@dataclass(frozen=True, slots=True)
class Dial:
    """How an index is laid out.

    Attributes:
        lists: how many lists the vectors are in; with one, every vector is looked at.
        codec: how they are kept.
        nprobe: how many lists are looked at for a query.
        recall: the share of the exact answer that was found when `nprobe` was chosen; None if nothing has been asked yet.
        deep: how many times as many as are asked for are found by their codes, and put in order by their vectors.
        chosen: whether the codec was measured to be right for these vectors: then the policy's does not replace it.
    """

    lists: int = 1
    codec: Codec = "flat"
    nprobe: int = 1
    recall: float | None = None
    deep: float = 1.0
    chosen: bool = False

    @property
    def misses(self) -> bool:
        """Whether a search may miss what is best, so that it has to be found out how far it looks."""
        return self.lists > 1 or self.codec == "sq4"


def filled_up(dim: int, codec: Codec) -> int:
    """The length at which vectors of `dim` numbers are kept: where they are decoded, that is done by eight numbers at once."""
    return dim if codec == "flat" else -(-dim // 8) * 8


def dial_for(count: int, policy: IndexPolicy, before: Dial | None = None) -> Dial:
    """The layout for so many items; `nprobe` is where measuring begins.

    Args:
        before: of the vectors that these take the place of: a codec that was chosen for them stays.

    A query costs a look at every centroid and at `nprobe / lists` of the items: both cost alike at a small multiple of the root
    of the number of items. Two were measured to be best for 10^5 to 10^6 of them.
    """
    chosen = before.codec if before and before.chosen else None
    if count <= policy.exact:
        return Dial(codec=chosen or "flat", chosen=chosen is not None)
    lists = min(count, round(2 * sqrt(count)))
    return Dial(lists, chosen or policy.codec, nprobe=8, chosen=chosen is not None)


def explained(dial: Dial, count: int, dim: int, policy: IndexPolicy) -> list[str]:
    """Why an index of so many items is laid out as it is, and what a search costs in it; a sentence each."""
    width = round(WIDTHS[dial.codec] * filled_up(dim, dial.codec))
    looks = round(count * min(1, dial.nprobe / dial.lists))
    if dial.lists == 1:
        told = [f"{count:,} items, of which each is looked at, as up to {policy.exact:,} (index.exact): answers are exact"]
        if dial.misses:
            told = [f"{count:,} items, of which each is looked at, as up to {policy.exact:,} (index.exact)"]
    else:
        found = (
            "nothing has been asked yet" if dial.recall is None else f"{dial.recall:.3f} of the exact top {policy.k} were found"
        )
        told = [
            f"{count:,} items in {dial.lists:,} lists around centroids, {count / dial.lists:,.0f} in each on average",
            f"a search looks into the nearest {dial.nprobe}: {found}, {policy.recall:g} are wanted (index.recall)",
        ]
    told.append(f"{dim} numbers take {width} bytes ({dial.codec}), all items {count * width / 2**20:,.1f} MiB a copy")
    if dial.codec == "sq4":
        told.append(
            f"by these {dial.deep:g} times as many are found as are asked for, which are scored by their vectors, "
            f"{count * dim * 4 / 2**20:,.1f} MiB a copy in a file without a name"
        )
    told.append(
        f"of filters that are asked again and again the matching vectors are kept as float32, {policy.filter_mib} MiB at most a "
        f"server (index.filter_mib), about {policy.filter_mib * 2**20 // (5 * dim + 10):,} of them"
    )
    told.append(f"so it reads about {looks:,} vectors, {looks * width / 2**20:,.2f} MiB, and compares {dial.lists:,} centroids")
    if due(dial, count, policy):
        told.append(f"the next refresh lays it out anew: {dial_for(count, policy, dial)}")
    return told


def due(dial: Dial, count: int, policy: IndexPolicy, before: Dial | None = None) -> bool:
    """Whether so many items want another layout: many lists instead of one or the reverse, or twice as many, or half.

    Args:
        before: see `dial_for`; what they have now without it.
    """
    wanted = dial_for(count, policy, before or dial)
    if wanted.chosen and wanted.codec != dial.codec:
        return True
    if 1 in (dial.lists, wanted.lists):
        # An index that was laid out keeps its lists until it is clearly small again.
        return dial.lists != wanted.lists and (dial.lists == 1 or 2 * count < policy.exact)
    return wanted.codec != dial.codec or not wanted.lists / 2 <= dial.lists <= 2 * wanted.lists
