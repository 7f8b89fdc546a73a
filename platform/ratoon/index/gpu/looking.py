"""The best rows of a tensor for some queries, found roughly and with a bound on how roughly.

A product of matrices gives every score; queries are rounded to what the rows are kept in, and sums to float32. By how much a
score may be off is known: by the Cauchy-Schwarz inequality no more than the rounded-off part of the query times the longest
row, and by Higham (2002, section 3.1) no more than UNIT * dim times the product of both lengths. Queries are scaled by a power
of two first, which changes no order, so that float16 holds them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratoon.domain.embedding import Vectors
from ratoon.index.gpu.matrix import Matrix
from ratoon.index.gpu.place import Place
from ratoon.index.items.slots import Rows

UNIT = 2.0**-22
"""Four times float32's, as tensor cores cut off what others round."""

STORED = 2.0**-23
"""By twice this share of itself at most a score moves when it is rounded to float32 at last."""

SMALLEST = 2.0**-126
"""What is nearer to zero may be taken for zero."""

GROUP = 32
"""Scores of which the largest stands for all while the best are looked for."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """The rows in which is looked.

    Attributes:
        rows: shape (n, dim).
        slots: of each, ascending; None: a row's number is its slot.
        shut: rows that are no answer, ascending.
        open: whether each row may be an answer, shape (n,); None: all but those that are shut.
        longest: no row is longer.
    """

    place: Place
    rows: Tensor
    slots: Rows | None
    shut: Rows
    open: Tensor | None
    longest: float

    @classmethod
    def of(cls, matrix: Matrix, slots: Rows | None = None, bits: npt.NDArray[np.uint8] | None = None) -> "Field":
        """A matrix.

        Args:
            slots: those that may be found, ascending: copied, and no others looked at.
            bits: bit `slot % 8` of byte `slot // 8` is set if the slot may be found.
        """
        if slots is not None:
            rows = matrix.rows.index_select(0, matrix.sent(slots))
            return cls(matrix.place, rows, slots, np.empty(0, np.int64), None, matrix.longest)
        rows, shut, open_ = matrix.rows[: matrix.width], matrix.empty, None
        if bits is not None:
            shut, open_ = np.empty(0, np.int64), _unpacked(matrix.sent(bits), matrix.width)
        return cls(matrix.place, rows, None, shut, open_, matrix.longest)

    def find(self, slots: Rows) -> Rows:
        """The rows of those of these slots that are here."""
        if self.slots is None:
            return slots[slots < len(self.rows)]
        if not len(self.slots):
            return np.empty(0, np.int64)
        rows = np.minimum(np.searchsorted(self.slots, slots), len(self.slots) - 1)
        found: Rows = rows[self.slots[rows] == slots]
        return found

    def named(self, rows: Rows) -> Rows:
        """The slots of some rows."""
        return rows if self.slots is None else self.slots[rows]


def _unpacked(bits: Tensor, width: int) -> Tensor:
    truth = (bits[:, None] >> torch.arange(8, dtype=torch.uint8, device=bits.device) & 1).flatten()[:width].bool()
    return torch.nn.functional.pad(truth, (0, width - len(truth)))


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """Queries to a field.

    Attributes:
        rough: scaled and rounded, shape (n, dim).
        whole: as they are, float64, shape (n, dim).
        scale: what they were multiplied by; shape (n,).
        slack: by how much a rough score may differ from the scaled exact one, shape (n,).
        asking, hidden: pairs of a query and a row that is no answer to it, by row; shape (pairs,) each.
    """

    field: Field
    rough: Tensor
    whole: Tensor
    scale: Doubles
    slack: Doubles
    asking: Rows
    hidden: Rows

    @classmethod
    def of(cls, field: Field, queries: Vectors, gone: Sequence[Rows]) -> "Posed":
        """Queries, shape (n, dim), and the slots that each may not be answered with, n times."""
        whole = queries.astype(np.float64)
        scale = np.ldexp(1.0, -np.frexp(np.abs(whole).max(axis=1, initial=0.0))[1])
        scaled = whole * scale[:, None]
        rounded = scaled.astype(np.float16 if field.rows.dtype == torch.float16 else np.float32)
        off, length = (np.linalg.norm(part, axis=1) for part in (scaled - rounded, scaled))
        dim = queries.shape[1]
        slack = (off + (UNIT * (dim + 4) + 2 * STORED) * (length + off)) * field.longest + 4 * dim * SMALLEST
        hidden = [field.find(slots) for slots in gone]
        asking = np.repeat(np.arange(len(hidden)), [len(rows) for rows in hidden])
        rows = np.concatenate([*hidden, np.empty(0, np.int64)])
        order = np.argsort(rows, kind="stable")
        rough, exact = (torch.from_numpy(part).to(field.place.device) for part in (rounded, whole))
        return cls(field, rough, exact, scale, slack, asking[order], rows[order])

    def best(self, depth: int) -> tuple[Vectors, Rows]:
        """The rough scores, falling, and rows of the best of each query, shape (n, depth); -inf where there are no more."""
        device = self.field.place.device
        scores = torch.full((len(self.rough), depth), -torch.inf, device=device)
        rows = torch.zeros((len(self.rough), depth), dtype=torch.int64, device=device)
        for first, block in self._blocks():
            top, places = _top(block, depth)
            scores, kept = torch.cat([scores, top], dim=1).topk(depth, dim=1)
            rows = torch.cat([rows, places + first], dim=1).gather(1, kept)
        return scores.cpu().numpy(), rows.cpu().numpy()

    def reaching(self, queries: Rows, least: Doubles) -> tuple[Rows, Rows]:
        """Pairs of one of these queries, by its place among them, and a row whose exact score may reach `least`.

        Args:
            least: in the unscaled exact score, shape (queries,).
        """
        bound = least * self.scale[queries] - self.slack[queries]
        low = torch.from_numpy(np.nextafter(bound.astype(np.float32), -np.inf, dtype=np.float32)).to(self.field.place.device)
        some, found = self._some(queries), list[Tensor]()
        for first, block in some._blocks():
            found.append(torch.nonzero((block >= low[:, None]) & (block > -torch.inf)) + torch.tensor([0, first]).to(low.device))
        places, rows = torch.cat(found).cpu().numpy().T
        return places, rows

    def exact(self, asking: Rows, rows: Rows) -> Vectors:
        """The scores of pairs of a query and a row, summed in float64 so that the order of summation does not show."""
        field, found = self.field, list[Tensor]()
        step = max(1, field.place.budget // (32 * self.whole.shape[1]))
        for first in range(0, len(rows), step):
            one, other = (torch.from_numpy(part[first : first + step]).to(field.place.device) for part in (asking, rows))
            found.append((self.whole.index_select(0, one) * field.rows.index_select(0, other)).sum(dim=1).float().cpu())
        scores: Vectors = torch.cat([*found, torch.empty(0)]).numpy()
        return scores

    def _some(self, queries: Rows) -> "Posed":
        kept = torch.from_numpy(queries).to(self.field.place.device)
        place = np.full(len(self.rough), -1)
        place[queries] = np.arange(len(queries))
        asking = place[self.asking]
        own = asking >= 0
        rough, whole = self.rough.index_select(0, kept), self.whole.index_select(0, kept)
        return Posed(self.field, rough, whole, self.scale[queries], self.slack[queries], asking[own], self.hidden[own])

    def _blocks(self) -> Iterator[tuple[int, Tensor]]:
        """The first of some neighbouring rows, and the rough scores of all queries for them; -inf where there is no answer."""
        field = self.field
        asking, hidden, shut = (torch.from_numpy(part).to(field.place.device) for part in (self.asking, self.hidden, field.shut))
        # On the processor rows are made float32 first, as many numbers a row as it has.
        wide = max(len(self.rough), 1 if field.place.half else self.rough.shape[1])
        step = max(GROUP, field.place.budget // (4 * wide) // GROUP * GROUP)
        for first in range(0, len(field.rows), step):
            last = min(first + step, len(field.rows))
            scores = _product(self.rough, field.rows[first:last], field.place.half)
            if field.open is not None:
                scores.masked_fill_(~field.open[first:last], -torch.inf)
            begin, end = np.searchsorted(field.shut, [first, last])
            scores.index_fill_(1, shut[begin:end] - first, -torch.inf)
            begin, end = np.searchsorted(self.hidden, [first, last])
            scores[asking[begin:end], hidden[begin:end] - first] = -torch.inf
            yield first, scores


def _product(rough: Tensor, rows: Tensor, half: bool) -> Tensor:
    if rows.dtype == torch.float32:
        return rough @ rows.T
    return torch.mm(rough, rows.T, out_dtype=torch.float32) if half else rough.float() @ rows.float().T


def _top(scores: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """The best of each row of scores and where they are: among the groups whose largest scores are the best of all groups'.

    What is in no such group is no better than `depth` others. So all scores are read once, and few of them are ranked.
    """
    count, width = scores.shape
    groups = width // GROUP
    if groups <= 2 * depth:
        return scores.topk(min(depth, width), dim=1)
    whole = groups * GROUP
    # A group is every so many-th score, so that neighbours are compared with neighbours.
    near = scores[:, :whole].view(count, GROUP, groups).amax(dim=1).topk(depth, dim=1).indices
    places = (near[:, None, :] + torch.arange(0, whole, groups, device=scores.device)[None, :, None]).reshape(count, -1)
    rest = torch.arange(whole, width, device=scores.device).expand(count, -1)
    places = torch.cat([places, rest], dim=1)
    top, kept = scores.gather(1, places).topk(depth, dim=1)
    return top, places.gather(1, kept)
