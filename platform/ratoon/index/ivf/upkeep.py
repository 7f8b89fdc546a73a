"""Lists mended in place, a few at a time: what drift does to them is undone where it was done.

What makes a search look into many lists is entries far from their centroids. Where many that were written lately are, they
found lists of their own; a centroid that its entries have left goes after them; and the lists that give way are those that are
missed least, whose entries go to their next nearest centroids. Only what was written to is looked at. After LIRE (Xu et al.
2023, SPFresh), which splits and reassigns locally, and Ada-IVF (Mohoney et al. 2024, arXiv:2411.00970).
"""

from dataclasses import dataclass

import faiss
import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.alone import alone
from ratoon.index.ivf.centroids import lengthened, means
from ratoon.index.ivf.lists import Codes, Lists
from ratoon.index.ivf.nearest import Nearest

FAR = 1.2
"""An entry is far that is so many times as far from its centroid, squared, as entries were on average when all was laid out."""

WORTH = 1.2
"""What a new list gains must be so many times what is lost with the list that makes room for it."""

LEFT = 0.99
"""A centroid follows its entries if the cosine between it and their mean is below this."""

WRITTEN = 0.1
"""A list is looked at once so large a share of it has come or gone."""

NEW, LOOKS = 32, 256
"""Lists that are founded at once, and lists that are looked at."""

MANY = 32_768
"""Entries written lately that are looked at together: after a refresh it may be all of them."""

NEAR = 8
"""Lists around one that changed, whose entries may be nearer to it now."""


class Wear:
    """What has been written since it was looked at.

    Attributes:
        lists: how many entries of each list have come or gone; shape (lists,).
        slots: which have been written to; shape (slots,).
    """

    def __init__(self, lists: int) -> None:
        self.lists = np.zeros(lists, np.int64)
        self.slots = np.zeros(0, np.bool_)

    def put(self, slots: Rows, lists: Rows) -> None:
        """These slots were written to, and are in these lists now."""
        if len(slots) and slots.max() >= len(self.slots):
            self.slots = np.append(self.slots, np.zeros(int(slots.max()) + 1, np.bool_))
        self.slots[slots] = True
        np.add.at(self.lists, lists, 1)

    def left(self, lists: Rows) -> None:
        """Entries left these lists."""
        np.add.at(self.lists, lists, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Mending:
    """Other centroids for some lists, and the entries that are nearer to another list then.

    Attributes:
        numbers, centroids: of the lists; shape (m,) and (m, dim).
        slots, lists, codes: of the entries, and where they go; shape (n,), (n,) and (n, bytes).
    """

    numbers: Rows
    centroids: Vectors
    slots: Rows
    lists: Rows
    codes: Codes


def apply(lists: Lists, mending: Mending) -> None:
    """Mend one copy."""
    lists.recentre(mending.numbers, mending.centroids)
    lists.put(mending.slots, mending.lists, mending.codes)


@alone
def plan(lists: Lists, wear: Wear) -> Mending | None:
    """What is most in want of mending; None if nothing is.

    Args:
        wear: what is looked at now is taken off it.
    """
    if lists.nlist < 2 or not len(lists):
        return None
    lately = np.flatnonzero(wear.slots)
    lately = lately[lists.has(lately)]
    far, vectors, gaps = _far(lists, lately)
    changed = _followed(lists, wear) | _founded(lists, wear, vectors, gaps)
    if not changed:
        return None
    numbers = np.array(list(changed), np.int64)
    wear.lists[numbers] = lists.sizes()[numbers] + 1
    return _reassigned(lists, numbers, np.stack(list(changed.values())), far)


def _followed(lists: Lists, wear: Wear) -> dict[int, Vectors]:
    """Of the lists that were written to most those whose entries have left the centroid, and where they are now."""
    share = wear.lists / np.maximum(lists.sizes(), 1)
    found = {}
    for number in np.argsort(-share, kind="stable")[:LOOKS].tolist():
        if share[number] < WRITTEN:
            break
        wear.lists[number] = 0
        vectors, centroid = _scaled(lists, number), lists.centroids[number]
        if len(vectors):
            mean = vectors.mean(axis=0)
            if float(mean @ centroid) < LEFT * float(np.linalg.norm(mean) * np.linalg.norm(centroid)):
                found[number] = lengthened(mean, vectors)
    return found


def _far(lists: Lists, lately: Rows) -> tuple[Rows, Vectors, Vectors]:
    """Which of some slots lie far from their centroids, their scaled vectors, and their squared distances."""
    found = [(lately[:0], lists.centroids[:0], lists.centroids[:0, 0])]
    for first in range(0, len(lately), MANY):
        slots = lately[first : first + MANY]
        vectors = lists.vectors(slots) * lists.scale
        gaps = _gaps(lists, slots, vectors)
        far = gaps > FAR * lists.usual
        found.append((slots[far], vectors[far], gaps[far]))
    slots, vectors, gaps = (np.concatenate(column) for column in zip(*found, strict=True))
    return slots, vectors, gaps


def _founded(lists: Lists, wear: Wear, vectors: Vectors, gaps: Vectors) -> dict[int, Vectors]:
    """Centroids amid entries that are far from theirs, in the places of lists that are missed less."""
    count = min(NEW, len(vectors), round(len(vectors) * lists.nlist / len(lists)))
    founded: dict[int, Vectors] = {}
    if count:
        centroids, _ = means(vectors, count)
        apart = _apart(vectors, centroids)
        gains = np.bincount(np.argmin(apart, axis=1), np.maximum(gaps - apart.min(axis=1), 0), minlength=count)
        for number, (place, loss) in zip(np.argsort(-gains).tolist(), _missed_least(lists, count), strict=False):
            if gains[number] < WORTH * loss:
                break
            founded[place] = centroids[number]
    if len(founded) < NEW:
        wear.slots[:] = False
    return founded


def _missed_least(lists: Lists, count: int) -> list[tuple[int, float]]:
    """Of the smallest lists those whose entries lose least by going to other lists, and how much; least first."""
    losses = []
    for number in np.argsort(lists.sizes(), kind="stable")[: 2 * count].tolist():
        near = np.partition(_apart(_scaled(lists, number), lists.centroids), 1, axis=1)[:, :2]
        losses.append((number, float((near[:, 1] - near[:, 0]).sum())))
    return sorted(losses, key=lambda told: told[1])


def _reassigned(lists: Lists, numbers: Rows, changed: Vectors, far: Rows) -> Mending:
    """Where entries of the changed lists go, and which of those around them, and of those far away, are nearer now."""
    centroids = lists.centroids.copy()
    centroids[numbers] = changed
    own = [lists.entries(number) for number in numbers.tolist()]
    slots, codes = (np.concatenate(column) for column in zip(*own, strict=True))
    around = np.setdiff1d(faiss.knn(changed, centroids, min(NEAR + 1, lists.nlist))[1], numbers)
    far = far[~np.isin(lists.place(far), np.append(around, numbers))]
    others = [lists.entries(number) for number in around.tolist()] + [(far, lists.encoded(lists.vectors(far)))]
    moved = [_nearer(lists, *held, numbers, changed) for held in others]
    moved.append((slots, Nearest(centroids).of(lists.decoded(codes), lists.scale), codes))
    return Mending(numbers, changed, *(np.concatenate(column) for column in zip(*moved, strict=True)))


def _nearer(lists: Lists, slots: Rows, codes: Codes, numbers: Rows, changed: Vectors) -> tuple[Rows, Rows, Codes]:
    """Those of some entries that are nearer to a changed list than to their own, and to which."""
    vectors = lists.decoded(codes) * lists.scale
    gaps, nearest = faiss.knn(vectors, changed, 1)
    nearer = gaps[:, 0] < _gaps(lists, slots, vectors)
    return slots[nearer], numbers[nearest[nearer, 0]], codes[nearer]


def _gaps(lists: Lists, slots: Rows, vectors: Vectors) -> Vectors:
    """The squared distances of the scaled vectors of some slots from their centroids; shape (n,)."""
    gaps: Vectors = np.square(vectors - lists.centroids[lists.place(slots)]).sum(axis=1)
    return gaps


def _scaled(lists: Lists, number: int) -> Vectors:
    return lists.decoded(lists.entries(number)[1]) * lists.scale


def _apart(vectors: Vectors, centroids: Vectors) -> Vectors:
    """Squared distances, shape (vectors, centroids)."""
    squares = np.square(vectors).sum(axis=1)[:, None] + np.square(centroids).sum(axis=1)
    apart: Vectors = np.maximum(squares - 2 * (vectors @ centroids.T), 0)
    return apart
