"""One searcher and one writer: how long searches take, whether answers are true, and how long a change takes to be seen."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.bench.indexes.ledger import FAILED, UNSEEN, Ledger, Rows
from ratoon.bench.indexes.worlds import named
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex

AWAY = 8
"""Every so many batches one is taken out of the index instead of changed; it is put back half as many batches later."""


@dataclass(frozen=True, slots=True)
class Stream:
    """So many items a second, so many at a time; none at all if `rate` is 0."""

    rate: int
    batch: int = 64


@dataclass(slots=True)
class Lived:
    """What was seen; seconds of each search, of each change from hand-over to return, and how many items were changed.

    Attributes:
        looked: how often a batch was looked for right after the call had returned.
    """

    searches: list[float] = field(default_factory=list)
    changes: list[float] = field(default_factory=list)
    written: int = 0
    looked: int = 0
    seconds: float = 0.0


class Writer(Thread):
    """Changes all items in turn, at a rate, until it is told to stop; what it sees is in `lived`.

    Args:
        moved: what items change into, shape (items, dim): with every round another row.
    """

    def __init__(self, index: FaissIndex, ledger: Ledger, moved: npt.NDArray[np.float16], stream: Stream, k: int) -> None:
        super().__init__(daemon=True)
        self.index, self.ledger, self.moved, self.stream, self.k = index, ledger, moved, stream, k
        self.lived, self.stop, self.raised = Lived(), Event(), list[Exception]()
        self._order = np.random.default_rng(2).permutation(len(moved))

    def run(self) -> None:
        """Until `stop` is set."""
        try:
            self._write()
        except Exception as error:  # noqa: BLE001  # told by the thread that waits for this one
            self.raised.append(error)

    def _write(self) -> None:
        begun, number, away, stopped = time.perf_counter(), 0, list[Rows](), False
        while not stopped:
            place, rows = number % AWAY, self._next(number, away)
            if place == AWAY - 1 and away:
                self._change(away.pop(), number, came=True)
            elif len(rows):
                gone = place == AWAY // 2 - 1
                self._change(rows, number, gone=gone)
                away += [rows] * gone
            number += 1
            stopped = self.stop.wait(max(0.0, begun + self.lived.written / self.stream.rate - time.perf_counter()))
        self.lived.seconds = time.perf_counter() - begun
        for rows in away:
            self._change(rows, number, came=True)

    def _next(self, number: int, away: Sequence[Rows]) -> Rows:
        """The items whose turn it is, without those that are not there."""
        rows = self._order.take(range(number * self.stream.batch, (number + 1) * self.stream.batch), mode="wrap")
        return np.setdiff1d(rows, np.concatenate([*away, np.empty(0, np.int64)]))

    def _change(self, rows: Rows, number: int, *, gone: bool = False, came: bool = False) -> None:
        # Another row each time, so that an item never becomes what it is.
        vectors = self.moved[(rows + number + 1) % len(self.moved)].astype(np.float32)
        ids = named(rows.tolist())
        batch = EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)})) if came else None
        begun = time.perf_counter()
        self.ledger.begin(rows, None if gone else vectors, begun)
        handed = time.perf_counter()
        if batch is not None:
            self.index.upsert(batch)
        elif gone:
            self.index.remove(ids)
        else:
            self.index.overwrite(ids, vectors)
        ended = time.perf_counter()
        self.ledger.end(rows, ended)
        self.lived.changes.append(ended - handed)
        self.lived.written += len(rows)
        self._look(ids[0], vectors[:1], gone)

    def _look(self, item: str, vector: Vectors, gone: bool) -> None:
        """Ask for what one item has become: it is there, or it is not."""
        self.lived.looked += 1
        seen = item in {other for other, _ in self.index.search(vector, self.k)[0]}
        if seen == gone:
            self.ledger.untrue[UNSEEN] += 1


def live(
    index: FaissIndex,
    ledger: Ledger,
    moved: npt.NDArray[np.float16],
    queries: Vectors,
    stream: Stream,
    k: int,
    answers: int,
    *,
    check: bool,
) -> Lived:
    """Ask one query after the other until there were so many answers, while the stream comes in.

    Args:
        check: whether answers are checked, which takes about as long as to get them and keeps the writer waiting meanwhile:
            what is timed is not checked.

    Raises:
        Exception: what the writer raised.
    """
    writer = Writer(index, ledger, moved, stream, k)
    if stream.rate:
        writer.start()
    searches = list[float]()
    for number in range(answers):
        query = queries[number % len(queries)]
        begun = time.perf_counter()
        try:
            found = index.search(query[None, :], k)[0]
        except Exception:  # noqa: BLE001  # counted: none may fail
            ledger.untrue[FAILED] += 1
            continue
        ended = time.perf_counter()
        searches.append(ended - begun)
        if check:
            ledger.check(query, found, k, begun, ended)
    writer.stop.set()
    if stream.rate:
        writer.join()
    for error in writer.raised:
        raise error
    writer.lived.searches = searches
    return writer.lived
