"""What texts say as a source of candidates: what it adds, what it encodes again, and how it goes on."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain import fusion
from ratoon.domain.delta import part
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.fusion import COVISIT, TEXT, TOWER, Fusion
from ratoon.domain.popularity import WIDTH
from ratoon.domain.report import RefreshReport
from ratoon.domain.texts import Texts
from ratoon.jobs.ledger import Ledger
from ratoon.judging import Pair
from ratoon.keeping.forgetting import forget
from ratoon.refresh import considered, refresh
from ratoon.remaking import Remade, Remaking
from ratoon.serving.exposures import StoredExposures
from ratoon.training import SentenceTower
from ratoon.upkeep import OPERATIONS
from ratoon.upkeep.corpus import _newest
from ratoon.upkeep.fuse import Fuse
from ratoon.upkeep.text import Text
from ratoon.wiring import House
from ratoon.workshop import Task, Workshop, opened
from tests.fakes.encoders import encoder
from tests.fakes.events import batch, event
from tests.upkeep.remade import wanted

DIM = 4


@dataclass(frozen=True, slots=True)
class Unopposed(Text):
    """Beside nothing that it has to beat: so small a world proves little for certain."""

    dim: int = DIM
    rank: int = 2

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        return replace(super(Unopposed, self).__call__(shop, task, source), rivals={})


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> SentenceTower:
    return SentenceTower(encoder(tmp_path_factory.mktemp("encoder"), spread=0.3), 1)


@pytest.fixture
def shop(house: House, tiny: SentenceTower) -> Workshop:
    """The rooms with an encoder, under a gate that lets nearly all pass."""
    made = house.workshop("default")
    lenient = replace(made.gate, win=-1.0, tolerance=0.9, taste=0.9, weights=0.9, old=0.9, latency=1e9)
    return replace(made, gate=lenient, texts=tiny)


def remade(house: House, shop: Workshop, operation: Text) -> RefreshReport:
    return refresh(shop, house.stopwatch(), "upkeep", remaking=Remaking(operation))


def served(house: House) -> Pair:
    return opened(house.workshop("default"), house.registry("default").get(None))


def texts_of(pair: Pair) -> Texts:
    return Texts.from_files(fusion.of(TEXT, pair.model))


def notes(report: RefreshReport) -> str:
    assert report.upkeep is not None
    return "; ".join(report.upkeep.notes)


def test_texts_beside_the_towers_go_on_night_after_night(house: House, shop: Workshop) -> None:
    """Own vectors stay; a second night encodes new and changed texts alone, and others keep every bit; new items wait for it."""
    before = served(house)
    ids, own = before.index.ids(), before.towers.dim - WIDTH
    first = remade(house, shop, Unopposed(learn="no"))
    assert first.outcome == "published", first.verdict
    after = served(house)
    assert np.array_equal(after.index.vectors(ids)[:, :own], before.index.vectors(ids)[:, :own])
    assert after.index.vectors(ids)[:, own:-WIDTH].any(axis=1).all()
    assert f"encoded {len(ids):,} of {len(ids):,} texts" in notes(first)
    posted = [event(f"item:{name}", kind="item", item_id=name, user_id=None, features=f'{{"title": "{title}"}}')
              for name, title in (("brand-new", "Silent Sea"), (ids[0], "Another Name"))]  # fmt: skip
    house.log.append(batch(*posted), backfill=True)
    assert refresh(shop, house.stopwatch(), "rows").outcome == "published"
    waiting = served(house)
    assert not waiting.index.vectors(["brand-new"])[:, own:-WIDTH].any()
    assert np.array_equal(waiting.index.vectors(ids)[:, own:-WIDTH], after.index.vectors(ids)[:, own:-WIDTH])
    second = remade(house, shop, Unopposed(learn="no"))
    assert second.outcome == "published", second.verdict
    night = served(house)
    come = len(night.index.ids()) - len(ids)
    assert f"encoded {come + 1} of {len(ids) + come} texts" in notes(second)
    assert np.array_equal(night.index.vectors(ids[1:])[:, own:-WIDTH], after.index.vectors(ids[1:])[:, own:-WIDTH])
    assert not np.array_equal(night.index.vectors(ids[:1])[:, own:-WIDTH], after.index.vectors(ids[:1])[:, own:-WIDTH])
    assert night.index.vectors(["brand-new"])[:, own:-WIDTH].any()
    task, _ = considered(shop, house.stopwatch(), "full")
    assert "left behind" in task.plan.reason


def test_what_has_been_learnt_is_learnt_once(house: House, shop: Workshop) -> None:
    """A night learns what its source has learnt, from where the last night ended; run twice it comes to the same bytes."""
    task = wanted(shop, house)
    source, operation = served(house), Unopposed(passes=3)
    once, again = (operation(shop, task, source) for _ in range(2))
    assert once.pair.model == again.pair.model
    assert once.pair.index.snapshot() == again.pair.index.snapshot()
    assert texts_of(once.pair).about.learnt == task.upto.end
    later = operation(shop, task, once.pair)
    assert later.said is not None
    assert "nothing has come since that could be learnt" in later.said.notes
    assert fusion.of(TEXT, later.pair.model) == fusion.of(TEXT, once.pair.model)


def test_killed_on_the_way_it_comes_to_the_same_release(house: House, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that dies after its candidate was made leaves nothing, and its rerun gives the id that it would have had."""
    registry, operation = house.registry("default"), Unopposed(learn="no")
    before = registry.releases()

    def dies(name: str) -> None:
        if name == "refresh.embedded":
            raise KeyboardInterrupt

    made = operation(shop, wanted(shop, house), served(house)).pair
    monkeypatch.setattr("ratoon.durable.fault_point", dies)
    with pytest.raises(KeyboardInterrupt):
        remade(house, shop, operation)
    monkeypatch.undo()
    assert registry.releases() == before
    assert remade(house, shop, operation).outcome == "published"
    assert fusion.beside(served(house).model) == fusion.beside(made.model)
    assert set(Fusion.from_json(made.model[fusion.FILE].decode()).weights) == {TOWER, TEXT}


def test_users_who_say_something_are_told_by_it(house: House, shop: Workshop) -> None:
    """With a field of theirs, users without a history have a side as soon as theirs is a text that was encoded."""
    task = wanted(shop, house)
    found = texts_of(Unopposed(learn="no", user_field="occupation")(shop, task, served(house)).pair)
    assert found.own
    assert found.told(None, "student").any()
    assert not found.told(None, "of no profession").any()
    assert found.about.user_field == "occupation"


def test_what_users_say_is_listed_where_one_is_forgotten(house: House, shop: Workshop) -> None:
    """A release with users' own texts is named, with its end, among what is left of somebody; one without is not."""
    for field in ("", "occupation"):
        assert remade(house, shop, Unopposed(learn="no", user_field=field)).outcome == "published"
        shown, told = StoredExposures(house.home / "exposures.sqlite"), Ledger(house.home / "jobs.sqlite")
        left = forget(house, "nobody", shown, told, datetime(2026, 11, 1, tzinfo=UTC), dry_run=True).left
        ends = {one.where: one.until for one in left if "said of themselves" in one.where}
        assert bool(ends) == bool(field)
    assert ends == {
        "release 3 of surface 'default': a hash and a vector of what each user said of themselves": "until another "
        "`ratoon upkeep text` or a full refresh is published, then until `ratoon gc` lets go of it"
    }


def test_what_was_made_otherwise_begins_anew(house: House, shop: Workshop) -> None:
    """Rows of another length do not go on from what there is, and the report says so."""
    task = wanted(shop, house)
    first = Unopposed(learn="no")(shop, task, served(house)).pair
    again = Unopposed(learn="no", dim=DIM + 1)(shop, task, first)
    assert again.said is not None
    assert "began anew: the release has texts of another dim" in again.said.notes
    assert texts_of(again.pair).rows.shape[1] == DIM + 1


def test_ratings_that_do_not_differ_cannot_be_learnt(house: House, shop: Workshop) -> None:
    """Ratings of interactions without values, with all alike or too large for a deviation are refused before they are learnt."""
    task, count = wanted(shop, house), wanted(shop, house).past.num_rows
    cases = ((None, None, "values that differ.* no interaction"), (0.1, 0.1, "values that differ"), (1.0, 1e300, "1e\\+300"))
    for low, high, said in cases:
        with pytest.raises(DataError, match=f"text.learn: .*{said}"):
            Unopposed(learn="rating")(shop, with_values(task, [low, high] * (count // 2) + [low] * (count % 2)), served(house))


def test_a_night_of_few_ratings_is_a_night(house: House, shop: Workshop) -> None:
    """By what all ratings are one that came by itself is learnt; what has no value teaches none, however new it is."""
    task, source = wanted(shop, house), served(house)
    own = sorted(row["offset"] for row in part(task.past, "train").to_pylist())
    rated = with_values(task, [float(offset % 5) if offset in own[:-2] else None for offset in task.past["offset"].to_pylist()])
    first = Unopposed(learn="no")(shop, task, source).pair
    for since, said in ((own[-4], "1 texts in 1 interactions"), (own[-3], "nothing has come since")):
        about = replace(texts_of(first).about, learnt=since)
        files = fusion.named(TEXT, replace(texts_of(first), about=about).to_files())
        done = Unopposed(learn="rating", passes=1)(shop, rated, replace(first, model={**first.model, **files}))
        assert done.said is not None
        assert any(note.startswith(said) for note in done.said.notes)


def test_what_a_repository_has_dropped_is_missing(house: House, shop: Workshop) -> None:
    """Without the users' text that the source read, or their history, the other one tells users; `fuse` goes on likewise."""
    task, source = wanted(shop, house), served(house)
    for gone in ("occupation", "recent_items"):
        lacking = replace(task, past=task.past.drop_columns([gone]))
        found = texts_of(Unopposed(learn="no", user_field="occupation")(shop, lacking, source).pair)
        assert bool(found.own) == (gone != "occupation")
        assert found.about.heard != 1.0
    lacking = replace(task, past=task.past.drop_columns(["recent_items"]))
    done = Unopposed()(shop, lacking, source)
    assert done.said is not None
    assert "nothing has come since that could be learnt" in done.said.notes  # of nobody is anything known
    assert COVISIT in Fusion.from_json(Fuse()(shop, lacking, source).pair.model[fusion.FILE].decode()).weights


def with_values(task: Task, values: list[float | None]) -> Task:
    """The task with other values of what has been learnt."""
    place = task.past.column_names.index("value")
    return replace(task, past=task.past.set_column(place, "value", pa.array(values, pa.float64())))


def test_there_have_to_be_texts_and_something_that_reads_them(house: House, shop: Workshop) -> None:
    """A field that is none, no text at all, no encoder, and more numbers than it gives are each said by name."""
    task = wanted(shop, house)
    source = served(house)
    wrong = [
        (shop, Unopposed(field="plot"), "text.field: .*: title, found 'plot'"),
        (shop, Unopposed(field="release_date"), "text.field"),
        (shop, Unopposed(user_field="age"), "text.user_field: .*gender, occupation"),
        (replace(shop, texts=None), Unopposed(), r"pip install 'ratoon\[text\]'"),
        (shop, Unopposed(dim=9), "text.dim: expected at most 8"),
    ]
    for rooms, operation, said in wrong:
        with pytest.raises(UsageError, match=said):
            operation(rooms, task, source)
    numbered = task.past.column_names.index("occupation")
    whole = task.past.set_column(numbered, "occupation", pa.array([1] * task.past.num_rows))
    with pytest.raises(UsageError, match="text.user_field: .*gender, found 'occupation'"):
        Unopposed(user_field="occupation")(shop, replace(task, past=whole), source)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"learn": "all"}, "text.learn"), ({"texts": 0}, "text.texts"), ({"passes": 0}, "text.passes"), ({"rank": 0}, "text.rank"),
     ({"dim": 0}, "text.dim")],
)  # fmt: skip
def test_wrong_settings(wrong: dict[str, object], field: str) -> None:
    """What cannot be made is refused by the setting that says so."""
    with pytest.raises(UsageError, match=field):
        OPERATIONS["text"](**wrong)


def test_a_night_learns_the_newest_rows_of_the_newest_texts() -> None:
    """Of four texts the two that came last, each by its newest rows, as many as one text may have."""
    numbers = np.array([3, 1, *[2] * 20, 0, 1, 2])
    kept = np.flatnonzero(_newest(numbers, 2))
    assert kept.tolist() == [1, *range(7, 22), 23, 24]
