"""How an index is laid out: one decision, from how many items there are and how much of the exact answer is wanted. Pure."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

Codec = Literal["flat", "fp16", "sq8"]
"""How a vector is kept: float32; float16; a byte per dimension, scaled to what the training sample spans."""


@dataclass(frozen=True, slots=True)
class IndexPolicy:
    """What is asked of an index.

    Attributes:
        recall: the least share of the exact top `k` that a search returns.
        exact: up to so many items every vector is looked at.
        codec: how vectors are kept beyond that.
        copies: two, so that readers never wait for a change, or one that takes half the memory.
    """

    recall: float = 0.95
    k: int = 100
    exact: int = 20_000
    codec: Codec = "fp16"
    copies: Literal[1, 2] = 2


@dataclass(frozen=True, slots=True)
class Dial:
    """How an index is laid out.

    Attributes:
        lists: how many lists the vectors are in; with one, every vector is looked at.
        codec: how they are kept.
        nprobe: how many lists are looked at for a query.
    """

    lists: int = 1
    codec: Codec = "flat"
    nprobe: int = 1


def dial_for(count: int, policy: IndexPolicy) -> Dial:
    """The layout for so many items; `nprobe` is where measuring begins.

    A query costs a look at every centroid and at `nprobe / lists` of the items: both cost alike at a small multiple of the root
    of the number of items. Two were measured to be best for 10^5 to 10^6 of them.
    """
    if count <= policy.exact:
        return Dial()
    return Dial(lists=round(2 * sqrt(count)), codec=policy.codec, nprobe=8)
