"""A release is judged by rows it has not learnt, as it would have been served when they happened."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.answering import set_traits
from ratoon.domain.delta import split_of
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.exclusions import Exclusions
from ratoon.domain.gate import GatePolicy
from ratoon.domain.labels import LabelPolicy
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.popularity import FILE, GRID, WIDTH, Popularity
from ratoon.domain.release import Metric
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.domain.window import Window
from ratoon.events import SqliteEventLog
from ratoon.index import ExactIndexes
from ratoon.judging import Jury, Pair, Questions, answers, askable, asking, priced, questions, recorded, timeline
from ratoon.judging.asking import placed, remembered, skewed, user_vectors
from ratoon.judging.jury import segments
from ratoon.judging.pacing import paced
from ratoon.ports import Values
from tests.fakes.events import START, at, batch, event

DIM = 2
SCHEMA = TowerSchema("test", (Feature("taste", view="v", entity="user", kind="vector", dim=DIM),), (), ())
ITEMS = [f"i{number:02}" for number in range(30)]


@dataclass(frozen=True)
class Mirror:
    """Users are what their taste says."""

    popularity: Vectors
    dim: int = DIM + WIDTH
    metric: Metric = "dot"
    nbytes: int = 0

    def weighed(self, popularity: Vectors) -> "Mirror":
        return replace(self, popularity=popularity)

    def user(self, values: Values) -> Vectors:
        return self.users(pa.table({"taste": [values["taste"]]}))

    def users(self, table: pa.Table) -> Vectors:
        taste = np.array(table.column("taste").to_pylist(), np.float32).reshape(-1, DIM)
        return np.concatenate([taste, np.broadcast_to(self.popularity, (len(taste), WIDTH))], axis=1).astype(np.float32)

    def items(self, table: pa.Table) -> Vectors:
        raise NotImplementedError(table)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    """120 interactions: first everybody takes i00, i01, ... in turn, from the 61st on i29 and i28 only."""
    made = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START)
    items = [ITEMS[number % 20] if number < 60 else ITEMS[29 - number % 2] for number in range(120)]
    made.append(batch(*(event(f"e{n}", user_id=f"u{n}", item_id=item, event_timestamp=at(n)) for n, item in enumerate(items))))
    yield made
    made.close()


def pair(log: SqliteEventLog, upto: int, weights: Vectors, model: dict[str, bytes] | None = None) -> Pair:
    """Items on a half circle, i00 to the east, with the traits of an offset."""
    index = ExactIndexes().empty(DIM + WIDTH, "dot")
    angles = np.linspace(0, np.pi, len(ITEMS))
    vectors = np.zeros((len(ITEMS), DIM + WIDTH), np.float32)
    vectors[:, :DIM] = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    index.upsert(EmbeddingBatch(tuple(ITEMS), vectors, pa.table({"item_id": ITEMS})))
    lately = timeline(log, Window(0, upto, START), 0)
    counted = dict.fromkeys(ITEMS, 0)
    for _, _, item in log.recent(upto, 1_000):
        counted[item] += 1
    set_traits(index, ITEMS, np.array([counted[item] for item in ITEMS]), lately, upto)
    return Pair({"schema.json": SCHEMA.to_json().encode()} | (model or {}), Mirror(weights), index, upto)


def rows(log: SqliteEventLog, start: int, stop: int) -> pa.Table:
    """The interactions at offsets above `start` up to `stop`, all of users who look east."""
    read = log.read(start, stop).select(["offset", "user_id", "item_id", "type", "value", "event_timestamp"])
    return read.append_column("taste", pa.array([[1.0, 0.0]] * read.num_rows, pa.list_(pa.float32())))


def everything(log: SqliteEventLog, start: int, stop: int) -> Questions:
    return questions(log, rows(log, start, stop), LabelPolicy())


@dataclass
class Ticking:
    """A clock that says so many microseconds more at each look."""

    step: float = 100.0
    now: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now * 1e-6


NOTHING = np.zeros(WIDTH, np.float32)
PLAN = RefreshPlan("rows", "a test", tuple(ITEMS))
LATELY = np.array([5.0, 0.0, 0.0, 0.0], np.float32)


def test_what_a_user_had_is_neither_asked_for_nor_answered(log: SqliteEventLog) -> None:
    """A repeat is no question where repeats are masked, and hides nothing where they are allowed."""
    log.append(
        batch(*(event(f"r{n}", user_id="u0", item_id=item, event_timestamp=at(200 + n)) for n, item in enumerate(["i00", "i05"])))
    )
    masked = questions(log, rows(log, 120, 122), LabelPolicy())
    assert (masked.column("item_id"), list(masked.hidden)) == (["i05"], [{"i00"}])
    allowed = questions(log, rows(log, 120, 122), LabelPolicy(repeat="allow"))
    assert (allowed.column("item_id"), list(allowed.hidden)) == (["i00", "i05"], [set(), set()])


def as_it_is(pair: Pair, asked: Questions) -> list[int]:
    """The places of what was taken, by the index as it is."""
    ranks = pair.index.ranks(user_vectors(pair, asked), asked.column("item_id"), 3, asked.hidden)
    return [int(rank) for rank in ranks]


def test_the_newest_are_asked_about(log: SqliteEventLog) -> None:
    """Of all rows the newest few, and of the held ones the newest that are asked for, in order and once each."""
    given = rows(log, 0, 120)
    chosen = askable(given, scored=5, held=3).column("offset").to_pylist()
    held = [
        o
        for o, user in zip(*(given.column(c).to_pylist() for c in ("offset", "user_id")), strict=True)
        if split_of(user) in ("gate", "reserve")
    ]
    assert chosen == sorted({*range(116, 121), *held[-3:]})


def test_questions_are_chosen_newest_or_spread(log: SqliteEventLog) -> None:
    """Of users in some parts: the newest few, or as many spread from the first to the last; all where there are not so many."""
    asked = everything(log, 0, 120)
    offsets = np.array(asked.offsets)
    chosen = offsets[asked.of("train")]
    assert offsets[asked.newest(5, "train")].tolist() == chosen[-5:].tolist()
    spread = offsets[asked.spread(5, "train")].tolist()
    assert (spread[0], spread[-1], len(spread)) == (chosen[0], chosen[-1], 5)
    assert max(np.diff(np.searchsorted(chosen, spread))) <= len(chosen) // 4 + 1
    assert offsets[asked.spread(1_000, "train")].tolist() == chosen.tolist()
    assert not asked.where(np.zeros(120, np.bool_)).spread(5, "train").any()


def test_answers_know_what_was_popular_then(log: SqliteEventLog) -> None:
    """An index made before the fashion changed answers with the new one as far as it had shown at each moment."""
    stale, asked = pair(log, 60, LATELY), everything(log, 60, 120)
    live = timeline(log, Window(60, 120, START), 60)
    said = answers(stale, asked, 3, live)
    assert said.hits[:2].tolist() == [0.0, 0.0]
    assert said.hits[20:].all()
    assert placed(stale, asked, 3, live).ranks.tolist() == said.ranks.tolist()
    assert not remembered(stale, asked, 3, live, 60, LATELY).hits.any()


def test_the_past_is_also_asked_of_the_towers_alone(log: SqliteEventLog) -> None:
    """Alone a pair answers by taste; otherwise with what was popular when the window began, and its index is as before."""
    past = everything(log, 0, 40)
    candidate, live = pair(log, 120, LATELY), timeline(log, Window(0, 120, START), 0)
    held = candidate.index.vectors(ITEMS)
    alone, served = (remembered(candidate, past, 3, live, 60, worth) for worth in (NOTHING, LATELY))
    east = [item in ("i00", "i01", "i02") for item in past.column("item_id")]
    assert alone.hits.tolist() == [float(is_east) for is_east in east]
    assert served.ranks.tolist() == as_it_is(pair(log, 60, LATELY), past)
    assert served.ranks.tolist() != as_it_is(candidate, past)
    assert np.array_equal(candidate.index.vectors(ITEMS), held)


def test_nothing_asked_nothing_answered(log: SqliteEventLog) -> None:
    """Without questions there are answers without rows."""
    nothing, live = everything(log, 120, 120), timeline(log, Window(0, 120, START), 0)
    assert len(answers(pair(log, 60, LATELY), nothing, 3, live)) == 0
    assert len(placed(pair(log, 60, LATELY), nothing, 3, live)) == 0


def test_weights_are_fitted_on_fit_rows_and_dropped_by_gate_rows(log: SqliteEventLog) -> None:
    """Where the newest rows follow a fashion popularity is worth something; where held rows are worse off by it, nothing."""
    model = {FILE: Popularity(5.0).to_json().encode()}
    made, live, rng = pair(log, 120, NOTHING, model), timeline(log, Window(0, 120, START), 0), np.random.default_rng(0)
    fitted, said = priced(made, made, everything(log, 80, 100), everything(log, 100, 120), live, 3, rng)
    assert fitted.towers.popularity.any()
    assert said.found == answers(fitted, everything(log, 100, 120), 3, live).found
    kept = Popularity.from_json(fitted.model[FILE].decode())
    assert kept.active
    assert np.array_equal(fitted.towers.popularity, kept.weights)
    east = rows(log, 100, 120)
    east = east.set_column(east.column_names.index("item_id"), "item_id", pa.array(["i02"] * east.num_rows))
    dropped, _ = priced(made, made, everything(log, 80, 100), questions(log, east, LabelPolicy()), live, 3, rng)
    assert not dropped.towers.popularity.any()
    assert max(Popularity.from_json(dropped.model[FILE].decode()).evidence) > 0
    without = replace(made, model={"schema.json": made.model["schema.json"]})
    assert priced(without, without, everything(log, 80, 100), everything(log, 100, 120), live, 3, rng)[0] is without


def test_a_mixture_is_asked_and_put_back(log: SqliteEventLog) -> None:
    """With all moved vectors left behind the candidate's users find what the parent's index says; its own is as before."""
    parent, candidate = pair(log, 120, NOTHING), pair(log, 120, NOTHING)
    turned = candidate.index.vectors(ITEMS)
    turned[:, 0] *= -1
    candidate.index.overwrite(ITEMS, turned)
    asked, live = everything(log, 0, 10), timeline(log, Window(0, 120, START), 0)
    old, new = (answers(each, asked, 5, live) for each in (parent, candidate))
    assert set(old.found) != set(new.found)
    assert old.ranks.tolist() != new.ranks.tolist()
    assert skewed(candidate, parent, ITEMS, 1.0, asked, 5, live).ranks.tolist() == old.ranks.tolist()
    assert skewed(candidate, parent, ITEMS, 0.0, asked, 5, live).ranks.tolist() == new.ranks.tolist()
    assert np.array_equal(candidate.index.vectors(ITEMS), turned)


def test_the_jury_refuses_what_lost_and_what_narrowed(log: SqliteEventLog) -> None:
    """Losing recall against the parent, answering everybody with the same few, and a bad mixture are each a reason."""
    live, asked = timeline(log, Window(0, 120, START), 0), everything(log, 60, 120)
    past = Questions(asked.rows.slice(0, 0), Exclusions.of(()))
    good, bad = pair(log, 60, LATELY), pair(log, 60, NOTHING)
    jury = Jury(GatePolicy(k=3, variety=0.9), asked, past, past, live, 60, good, answers(good, asked, 3, live), Ticking())
    rng = np.random.default_rng(0)
    assert jury.verdict(good, jury.hears(good), PLAN, (), rng).publish
    verdict = jury.verdict(bad, jury.hears(bad), PLAN, (), rng)
    assert not verdict.publish
    assert set(verdict.skew) == {"50%", "100%"}
    assert any("on new held-out rows fell" in reason for reason in verdict.reasons)
    assert any("of the moved vectors not yet replaced" in reason for reason in verdict.reasons)
    assert any("are spread over" in reason for reason in verdict.reasons)
    assert not jury.again(jury.hears(good), bad, rng).publish
    shadow = replace(PLAN, scope="full", writable=(), must_win=True)
    assert any("has to win" in reason for reason in jury.verdict(good, jury.hears(good), shadow, (), rng).reasons)
    assert jury.verdict(good, jury.hears(good), replace(shadow, must_win=False), (), rng).publish


def test_new_weights_are_not_held_against_the_past(log: SqliteEventLog) -> None:
    """What popularity is worth is judged by the window; the past is asked with the candidate's weights, at a limit."""
    live, asked, past = timeline(log, Window(0, 120, START), 0), everything(log, 60, 120), everything(log, 0, 40)
    stale, fitted = pair(log, 60, NOTHING), pair(log, 60, LATELY)
    served = [remembered(stale, past, 3, live, 90, worth).hits.mean() for worth in (NOTHING, LATELY)]
    assert served[0] > served[1]
    nothing, plan = everything(log, 120, 120), replace(PLAN, writable=())
    for rows, let_pass, publishes in ((asked, 0.99, True), (nothing, 0.99, True), (nothing, 0.15, False)):
        policy = GatePolicy(k=3, tolerance=0.0, weights=let_pass, variety=0.0)
        jury = Jury(policy, rows, past, nothing, live, 90, stale, answers(stale, rows, 3, live), Ticking())
        verdict = jury.verdict(fitted, jury.hears(fitted), plan, (), np.random.default_rng(0))
        assert (verdict.publish, "popularity was worth" in verdict.reasons[0]) == (publishes, not publishes)
        assert verdict.slices["past"].parent == verdict.slices["past"].candidate
        assert verdict.slices["weights"].parent > verdict.slices["weights"].candidate


def test_what_was_known_long_ago_is_asked_too(log: SqliteEventLog) -> None:
    """Who forgot what users took long ago is refused for that alone, beyond its own limit, and again after the last rows."""
    live, old = timeline(log, Window(0, 120, START), 0), everything(log, 0, 40)
    nothing, good = everything(log, 120, 120), pair(log, 60, NOTHING)
    forgetful = pair(log, 60, NOTHING)
    further = forgetful.index.vectors(ITEMS[:2]) * 2
    forgetful.index.overwrite(ITEMS[25:27], further)  # nobody took these then
    for let_pass, publishes in ((0.99, True), (0.1, False)):
        policy = GatePolicy(k=3, tolerance=0.99, taste=0.99, old=let_pass)
        jury = Jury(policy, nothing, nothing, old, live, 60, good, answers(good, nothing, 3, live), Ticking())
        verdict = jury.verdict(forgetful, jury.hears(forgetful), replace(PLAN, writable=()), (), np.random.default_rng(0))
        assert (verdict.publish, verdict.slices["old"].rows) == (publishes, 40)
        assert publishes or "recall@3 on held-out rows from all over the past fell" in verdict.reasons[0]
        assert jury.again(jury.hears(good), forgetful, np.random.default_rng(0)).publish == publishes


def test_a_tower_is_timed_beside_its_parents(log: SqliteEventLog) -> None:
    """CPU time for one user at a time, parent and candidate in turns by one clock; the quickest of several rounds counts."""
    clock, rows_ = Ticking(0.0), rows(log, 0, 40)

    @dataclass(frozen=True)
    class Costly(Mirror):
        """Takes so many microseconds for a user, and a long time the first time."""

        cost: float = 0.0
        asked: list[Values] = field(default_factory=list)

        def user(self, values: Values) -> Vectors:
            clock.now += self.cost if self.asked else 1e6
            self.asked.append(values)
            return super().user(values)

    quick, slow = (replace(pair(log, 60, NOTHING), towers=Costly(NOTHING, cost=cost)) for cost in (20.0, 50.0))
    told = paced(quick, slow, rows_, clock)
    assert [told.parent, told.candidate] == pytest.approx([20.0, 50.0])
    assert slow.towers.asked[:40] == [{"taste": [1.0, 0.0]}] * 40  # type: ignore[attr-defined]
    past, live = everything(log, 0, 40), timeline(log, Window(0, 120, START), 0)
    nothing = everything(log, 120, 120)
    for limit, publishes in ((3.0, True), (2.0, False)):
        jury = Jury(
            GatePolicy(k=3, latency=limit), nothing, past, nothing, live, 60, quick, answers(quick, nothing, 3, live), clock
        )
        verdict = jury.verdict(slow, jury.hears(slow), replace(PLAN, writable=()), (), np.random.default_rng(0))
        assert verdict.publish == publishes
    assert verdict.reasons == ("the user tower takes 50.0 us of CPU for a user instead of 20.0, 2 times that is let pass",)


def test_a_parent_is_recorded_by_who_was_new(log: SqliteEventLog) -> None:
    """Everyone here comes once: all are new users, so nothing is warm; items the release lacks are a slice of their own."""
    parent, asked = pair(log, 60, LATELY), everything(log, 60, 120)
    parent.index.remove(["i28"])
    said = answers(parent, asked, 3, timeline(log, Window(60, 120, START), 60))
    record = recorded(log, parent, asked, said, 60, np.random.default_rng(0))
    assert record.newest is not None
    assert {name: measure.rows for name, measure in record.newest.slices.items()} == {"all": 60, "new users": 60, "new items": 30}
    assert record.fresh == record.newest
    assert len(GRID) > 1


def test_segments_of_users_are_measured_apart(log: SqliteEventLog) -> None:
    """Those who share a value of a category are a slice of the record, the largest first; few and unknown ones are none."""
    country = Feature("country", view="v", entity="user", kind="category", vocabulary="country")
    schema = replace(SCHEMA, user=(*SCHEMA.user, country))
    parent, given = pair(log, 60, LATELY, {"schema.json": schema.to_json().encode()}), everything(log, 0, 120)
    countries = ["fr"] * 55 + ["at"] * 60 + ["is"] * 4 + [None]
    asked = replace(given, rows=given.rows.append_column("country", pa.array(countries, pa.string())))
    live = timeline(log, Window(0, 120, START), 0)
    assert list(segments(parent, asked)) == ["country = at", "country = fr"]
    said = answers(parent, asked, 3, live)
    record = recorded(log, parent, asked, said, 0, np.random.default_rng(0))
    assert record.newest is not None
    french = record.newest.slices["country = fr"]
    assert french.rows == 55
    assert french.recall == pytest.approx(said.hits[:55].mean())


@pytest.mark.parametrize("size", [1, 7])
def test_bounded_pieces_say_what_all_at_once_does(log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Answers, and what fit rows say popularity is worth, are the same however many questions are asked at once."""
    monkeypatch.setattr("ratoon.domain.popularity.FADE_ROWS", 1e12)  # else older pieces count for less than newer ones
    stale, asked = pair(log, 60, LATELY, {FILE: Popularity(5.0).to_json().encode()}), everything(log, 60, 120)
    live = timeline(log, Window(60, 120, START), 60)

    def said() -> tuple[tuple[tuple[str, ...], ...], list[int], tuple[float, ...]]:
        found = answers(stale, asked, 3, live)
        fitted, _ = priced(stale, stale, asked, asked, live, 3, np.random.default_rng(0))
        return found.found, found.ranks.tolist(), Popularity.from_json(fitted.model[FILE].decode()).evidence

    whole = said()
    for room in ("answering", "judging.asking", "judging.pricing"):
        monkeypatch.setattr(f"ratoon.{room}.CHUNK", size)
    pieces = said()
    assert pieces[:2] == whole[:2]
    assert pieces[2] == pytest.approx(whole[2])


def test_few_rows_and_ties_change_no_choice(log: SqliteEventLog) -> None:
    """Few held rows take no weight away, no fit rows leave it, and one row is evidence where more is asked for than there is."""
    prior = Popularity(5.0).learnt(np.eye(len(GRID))[[100]])
    made, live = pair(log, 60, NOTHING, {FILE: prior.to_json().encode()}), timeline(log, Window(0, 120, START), 0)
    nothing, rng = everything(log, 120, 120), np.random.default_rng(0)
    for held, k in ((nothing, 3), (everything(log, 119, 120), 3), (everything(log, 60, 120), len(ITEMS) + 5)):
        kept, said = priced(made, made, nothing, held, live, k, rng)
        assert np.array_equal(kept.towers.popularity, prior.weights)
        assert len(said) == len(held)
    one, _ = priced(made, made, everything(log, 119, 120), nothing, live, len(ITEMS) + 5, rng)
    assert min(Popularity.from_json(one.model[FILE].decode()).evidence) > 0


def test_the_index_is_asked_by_all_who_ask(log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many questions of users alike come first, those that the index is asked are spread over all of them."""
    monkeypatch.setattr(asking, "SEARCHED", 12)
    given, taste = rows(log, 0, 120), [[1.0, 0.0]] * 60 + [[-1.0, 0.0]] * 60
    given = given.set_column(given.schema.get_field_index("taste"), "taste", pa.array(taste, pa.list_(pa.float32())))
    one, asked = pair(log, 120, NOTHING), list[Vectors]()

    def recalled(queries: Vectors, _: int) -> float:
        asked.append(queries)
        return 0.5

    monkeypatch.setattr(one.index, "recall", recalled)
    assert asking.index_recall(one, [questions(log, given, LabelPolicy()), everything(log, 0, 0)], 3) == 0.5
    (vectors,) = asked
    assert sorted(vectors[:, 0].tolist()) == [-1.0] * 6 + [1.0] * 6
