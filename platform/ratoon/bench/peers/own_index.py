"""The parts of `ratoon bench index` that need a process of their own: its memory is measured, or how many threads FAISS may use.

    python own_index.py PART CACHE ...

CACHE: where worlds are kept, made beforehand. Each part's figures are its last line, as JSON. How many threads FAISS uses is
said by OMP_NUM_THREADS in the environment.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ratoon.bench.indexes import mapping, towers
from ratoon.bench.indexes.asking import asked, built, percentiles
from ratoon.bench.indexes.drifting import drifted
from ratoon.bench.indexes.histogram import counted
from ratoon.bench.indexes.ledger import Ledger
from ratoon.bench.indexes.live import Lived, Stream, live
from ratoon.bench.indexes.replaying import replay
from ratoon.bench.indexes.runbooks import read
from ratoon.bench.indexes.swapping import swapped
from ratoon.bench.indexes.worlds import DIM, K, World, open_world
from ratoon.bench.indexes.writing import batched, in_place
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.index.faiss_cpu import FaissIndex

STREAMS = {"idle": Stream(0), "2,000/s": Stream(2_000), "20,000/s": Stream(20_000, batch=512)}


def search(world: World, timed: int) -> dict[str, Any]:
    """One query at a time, then so many of them each while nothing, little and much is changed, then changes alone."""
    index = built(world)
    said: dict[str, Any] = {"stats": index.stats(), "asked": asdict(asked(index, world)), "live": {}}
    if timed:
        ledger = Ledger(np.concatenate(list(world.chunks())))
        for name, stream in STREAMS.items():
            lived = _lived(index, world, ledger, stream, timed, check=False)
            said["live"][name] = {
                "search_ms": percentiles(np.array(lived.searches)),
                "change_ms": percentiles(np.array(lived.changes)),
                "rate": lived.written / max(lived.seconds, 1e-9),
                "histogram": counted(lived.searches),
            }
    return said | {"changes": batched(index, world), "load": os.getloadavg()[0]}


def check(world: World, answers: int) -> dict[str, Any]:
    """So many answers while little and much is changed, each checked."""
    index, ledger = built(world), Ledger(np.concatenate(list(world.chunks())))
    streams = [stream for stream in STREAMS.values() if stream.rate]
    lived = [_lived(index, world, ledger, stream, answers // len(streams), check=True) for stream in streams]
    return {"checked": ledger.checked, "untrue": ledger.said(), "looked": sum(one.looked for one in lived)}


def _lived(index: FaissIndex, world: World, ledger: Ledger, stream: Stream, answers: int, *, check: bool) -> Lived:
    moved = np.load(world.folder / "moved.npy")
    return live(index, ledger, moved, world.array("judged"), stream, K, answers, check=check)


def bulk(world: World) -> dict[str, Any]:
    """A rebuild while queries come in, and whole refreshes in place."""
    index = built(world)
    again = swapped(index, world.array("judged"), world.array("tuning"))
    return again | in_place(index, world) | {"load": os.getloadavg()[0]}


def memory(world: World, copies: int) -> dict[str, Any]:
    """MiB above a process without an index: at rest, and at most while it is rebuilt; without `copies`, of the ids alone."""
    _warmed(world)
    before = _resident()
    if not copies:
        index = FaissIndex(1, "dot")
        for batch in world.batches():
            index.upsert(EmbeddingBatch(batch.ids, batch.vectors[:, :1], pa.table({"item_id": list(batch.ids)})))
        return {"rest_mb": _resident() - before}
    which: Literal[1, 2] = 1 if copies == 1 else 2
    index = built(world, which)
    rest = _resident() - before
    with _most() as seen:
        index.rebuild(queries=world.array("tuning"))
    return {"rest_mb": rest, "peak_mb": max(seen) - before}


def _warmed(world: World) -> None:
    """What libraries take once, whatever the size, is not the index's."""
    first = next(world.batches())
    few = EmbeddingBatch(first.ids[:1_000], first.vectors[:1_000], first.columns[:1_000])
    index = FaissIndex(few.vectors.shape[1], "cosine", IndexPolicy(exact=100))
    index.upsert(few)
    index.rebuild(queries=world.array("tuning"))


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _most() -> Iterator[list[float]]:
    """Resident MiB, looked at all the time."""
    stop, seen = Event(), [_resident()]

    def look() -> None:
        while not stop.wait(0.005):
            seen.append(_resident())

    looking = Thread(target=look, daemon=True)
    looking.start()
    yield seen
    stop.set()
    looking.join()


def shared(world: World, folder: Path, how: str) -> dict[str, Any]:
    """One step of `mapping`: a snapshot is written; it is held whole; it is mapped by a first process and by a second."""
    if how == "snapshot":
        return mapping.snapshot(world, folder)
    if how == "whole":
        return mapping.whole(world, folder)
    cache, items = str(world.folder.parent), str(world.items)
    second = [__file__, "mapped", cache, "--items", items, "--path", str(folder), "--how", "second"]
    return mapping.mapped(world, folder, second if how == "first" else None)


def runbook(path: Path, most: int, mending: bool) -> dict[str, Any]:
    """A runbook's steps over at most so many vectors."""
    book = read(path)
    scaled, begun = book.scaled(most), time.perf_counter()
    played = replay(scaled, DIM, lambda *_: None, mending=mending)
    return {
        "dataset": book.dataset,
        "span": book.span,
        "scaled": scaled.span,
        "steps": len(book.steps),
        "searches": len(played.recalls),
        "recall": played.recall,
        "least": min(played.recalls),
        "most": played.most,
        "seconds": played.seconds,
        "wall_s": time.perf_counter() - begun,
    }


def measured(arguments: Sequence[str]) -> dict[str, Any]:
    """Do what the arguments say."""
    asked_for = argparse.ArgumentParser()
    asked_for.add_argument("part", choices=("search", "check", "bulk", "memory", "mapped", "drift", "runbook"))
    asked_for.add_argument("cache", type=Path)
    asked_for.add_argument("--items", type=int, default=0, help="of the mixture; without any, the real towers'")
    asked_for.add_argument("--answers", type=int, default=0)
    asked_for.add_argument("--copies", type=int, default=0)
    asked_for.add_argument("--path", type=Path)
    asked_for.add_argument("--how", choices=("snapshot", "whole", "first", "second"))
    asked_for.add_argument("--left-alone", action="store_true")
    given = asked_for.parse_args(arguments)
    if given.part == "drift":
        return dict(drifted(given.items, DIM, lambda *_: None))
    if given.part == "runbook":
        return runbook(given.path, given.items, not given.left_alone)
    world = open_world(given.cache, given.items, lambda *_: None) if given.items else towers.opened(given.cache)
    if given.part == "memory":
        return memory(world, given.copies)
    if given.part == "mapped":
        return shared(world, given.path, given.how)
    if given.part == "bulk":
        return bulk(world)
    return search(world, given.answers) if given.part == "search" else check(world, given.answers)


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(measured(sys.argv[1:])) + "\n")
