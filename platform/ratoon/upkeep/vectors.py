"""Item vectors in fewer bytes: every codec of the index tried on the release's own vectors and users, and the smallest that does.

What tells is the share of the exact best that a search finds, for users of fit rows: the same users and vectors for each codec,
one after the other in one process.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from ratoon.domain.dial import STORED, WIDTHS, Codec, Dial, filled_up
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import UsageError
from ratoon.domain.upkeep import Point
from ratoon.judging import Pair, Questions, user_vectors
from ratoon.ports import Index
from ratoon.remaking import Remade, filled, seen
from ratoon.upkeep.operation import Choosing, Operation
from ratoon.workshop import Task, Workshop

K = 100
"""How many of the exact best are looked for."""

TUNED, ASKED, TIMED = 300, 1_000, 100
"""Users by whom each codec is tuned, others by whom codecs are compared, and those of them whose searches are timed, at most."""

ROUNDS = 5
"""How often they are searched for: of each the quickest counts."""

CODECS: tuple[Codec, ...] = get_args(Codec)
"""The first of them loses nothing."""


Least = Literal["memory", "files"]


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """One codec.

    Attributes:
        index: of the release's items, kept so.
        memory: bytes that their vectors take, but for those that lie in a file.
        files: bytes that they take in a release.
        recall: the share of the exact best K that a search finds.
        search_us: microseconds of CPU for one user's.
    """

    index: Index
    memory: int
    files: int
    recall: float
    search_us: float


@dataclass(frozen=True, slots=True)
class Recode(Operation):
    """Keep item vectors in a smaller codec.

    The vectors are made again by the release's own item tower, so that what an earlier codec rounded off comes back; the model
    stays as it is. The codec stays too: refreshes of rows write into the same index, and an index that takes its place, because
    all was embedded or learnt again, gets the same one, whatever `index.codec` says, until another is chosen.

    Attributes:
        codec: which; `auto` for the smallest of those within the loss.
        loss: the share that may be missed of what is found where nothing is compressed.
        least: what `auto` makes small: a server's memory, where `sq4` is, or a release's files, where `sq8` is.
    """

    name: ClassVar[str] = "vectors"

    codec: Literal["auto", "flat", "fp16", "sq8", "sq4"] = "auto"
    loss: float = 0.02
    least: Least = "memory"

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        if self.codec not in ("auto", *CODECS):
            found = f"{self.codec!r}"
            raise UsageError("--codec", expected=f"auto or one of {', '.join(CODECS)}", found=found, fix="Name one of those.")
        if not 0 <= self.loss < 1:
            raise UsageError("--loss", expected="a share from 0 to less than 1", found=str(self.loss), fix="Try 0.02.")
        if self.least not in (known := get_args(Least)):
            raise UsageError("--least", expected=" or ".join(known), found=f"{self.least!r}", fix="Name one of them.")

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """The release with its vectors in another codec."""
        tuned, asked = users(source, Choosing.of(shop, task, source).asked)
        found = compared(shop, task, source, tuned, asked)
        chosen = self._chosen(found)
        index, old = found[chosen].index, source.index.snapshot()
        model = {name: data for name, data in source.model.items() if name not in old}
        taken = self._bytes(found[chosen])
        took = _memory(source.index) if self.least == "memory" else _files(source.index)
        choice = f"{chosen}: {taken:,} bytes of {self.least} for vectors that took {took:,} as {source.index.dial.codec}"
        curve = [self._point(name, one, found[CODECS[0]], chosen) for name, one in found.items()]
        return Remade(Pair(model, source.towers, index, source.upto), self.said(task, choice, curve, _notes(found)))

    def _chosen(self, found: Mapping[Codec, Tried]) -> Codec:
        if self.codec != "auto":
            return self.codec
        least = (1 - self.loss) * found[CODECS[0]].recall
        return min((name for name, one in found.items() if one.recall >= least), key=lambda name: self._bytes(found[name]))

    def _bytes(self, one: Tried) -> int:
        return one.memory if self.least == "memory" else one.files

    def _point(self, name: Codec, one: Tried, whole: Tried, chosen: Codec) -> Point:
        recall = one.recall / (whole.recall or 1.0)
        return Point(name, self._bytes(one), recall, chosen=name == chosen, search_us=one.search_us)


def users(source: Pair, asked: Questions) -> tuple[Vectors, Vectors]:
    """Vectors of users to tune by, and of others to compare by, spread over the fit rows; UsageError if there are too few."""
    users = user_vectors(source, asked)
    if len(users) < 2:
        raise UsageError(
            "--release",
            expected="two fit rows at least, by whose users codecs are compared",
            found=str(len(users)),
            fix="Wait for more events, or take a release of a surface that has some.",
        )
    places = np.random.default_rng(len(users)).permutation(len(users))
    tuned = min(TUNED, len(users) // 2)
    return users[np.sort(places[:tuned])], users[np.sort(places[tuned : tuned + ASKED])]


def compared(
    shop: Workshop,
    task: Task,
    source: Pair,
    tuned: Vectors,
    asked: Vectors,
    cpu: Callable[[], float] = time.process_time,
) -> dict[Codec, Tried]:
    """Every codec, on the source's items, for the same users.

    Args:
        tuned: users by whom it is found out how far to look, shape (n, dim).
        asked: users who are searched for, shape (m, dim).
    """
    vectors, found = seen(shop, task, source, source.towers), dict[Codec, Tried]()
    exact: list[tuple[str, ...]] = []
    for codec in CODECS:
        index = filled(shop, task, source, source.towers, vectors)
        index.settle(lambda: tuned, Dial(codec=codec, chosen=True))
        exact = exact or index.best(asked, K)
        found[codec] = tried(index, asked, exact)
    return timed(found, asked, cpu)


def tried(index: Index, asked: Vectors, exact: Sequence[Sequence[str]]) -> Tried:
    """What an index finds.

    Args:
        asked: queries, shape (n, dim).
        exact: the best K of each.
    """
    found = index.search(asked, K)
    shares = [len({item for item, _ in own} & set(best)) / len(best) for own, best in zip(found, exact, strict=True)]
    return Tried(index, _memory(index), _files(index), float(np.mean(shares)), 0.0)


def _memory(index: Index) -> int:
    """The bytes that an index's vectors take in memory."""
    return round(len(index) * WIDTHS[index.dial.codec] * filled_up(_dim(index), index.dial.codec))


def _files(index: Index) -> int:
    """The bytes that an index's vectors take in a release."""
    return round(len(index) * STORED[index.dial.codec] * _dim(index))


def _dim(index: Index) -> int:
    return int(index.vectors(index.ids()[:1]).shape[1])


def timed(found: Mapping[Codec, Tried], asked: Vectors, cpu: Callable[[], float]) -> dict[Codec, Tried]:
    """The same with the CPU of a search, one after the other for each user, so that whatever the machine does meets all."""
    took = np.full((len(found), len(asked[:TIMED])), np.inf)
    for _ in range(ROUNDS):
        for row, user in enumerate(asked[:TIMED]):
            for number, one in enumerate(found.values()):
                began = cpu()
                one.index.search(user[None], K)
                took[number, row] = min(took[number, row], cpu() - began)
    means = took.mean(axis=1) * 1e6
    return {codec: replace(one, search_us=float(mean)) for (codec, one), mean in zip(found.items(), means, strict=True)}


def _notes(codecs: Mapping[Codec, Tried]) -> list[str]:
    notes = []
    for name, one in codecs.items():
        dial = one.index.dial
        looked = f"{dial.nprobe} of {dial.lists} lists" if dial.lists > 1 else "all items"
        deep = f", {dial.deep:g} times as many as are asked for by their vectors" if dial.deep > 1 else ""
        takes = f"{one.memory:,} bytes of memory and {one.files:,} of files"
        notes.append(f"{name}: {takes}, {one.recall:.4f} of the exact best {K} found, looking at {looked}{deep}")
    if (aside := codecs["sq4"].index.stats().get("aside")) is not None:
        notes.append(f"sq4 has the vectors themselves in a file, {aside:,} bytes a copy; the release has them as fp16")
    return notes
