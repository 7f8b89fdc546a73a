"""What answers were worth: figures by slice, with intervals of users, kept in a release."""

import numpy as np
import pytest

from ratoon.domain.quality import Answers, Breadth, Measure, Record, Truth, breadth, effective, fall, fallen, lost, truth


def answers(ranks: list[int], users: list[str] | None = None, weights: list[float] | None = None) -> Answers:
    """Answers with k = 10 in which the wanted item has these ranks; candidates are c0, c1, ... for everyone."""
    names = tuple(users or [f"u{number}" for number in range(len(ranks))])
    return Answers(10, names, np.array(ranks), np.array(weights or [1.0] * len(ranks)), (("c0", "c1"),) * len(ranks))


def test_figures_are_weighted_means() -> None:
    """Recall counts ranks below k and NDCG discounts them by log2, each question by its weight."""
    said = answers([0, 10, 2], weights=[2.0, 1.0, 1.0])
    found = truth(said, {"all": np.ones(3, np.bool_)}, items=8, rng=np.random.default_rng(0))
    assert found.slices["all"].recall == pytest.approx(0.75)
    assert found.slices["all"].ndcg == pytest.approx((2 * 1 + 0.5) / 4)
    assert found.coverage == 0.25
    assert found.effective == pytest.approx(2.0)


def test_slices_without_questions_are_left_out() -> None:
    """A slice has its own questions only; one without any is not a slice of zeros."""
    said = answers([0, 10, 0])
    masks = {"warm": np.array([True, False, True]), "new users": np.zeros(3, np.bool_)}
    found = truth(said, masks, items=8, rng=np.random.default_rng(0))
    assert {name: (measure.rows, measure.recall) for name, measure in found.slices.items()} == {"warm": (2, 1.0)}


def test_one_user_makes_a_wide_interval() -> None:
    """The same hits are surer from many users than from two."""
    hits = [0, 10] * 50
    many = truth(answers(hits), {"all": np.ones(100, np.bool_)}, 8, np.random.default_rng(0)).slices["all"]
    users = ["a" if rank else "b" for rank in hits]
    two = truth(answers(hits, users), {"all": np.ones(100, np.bool_)}, 8, np.random.default_rng(0)).slices["all"]
    assert many.high - many.low < 0.3 < two.high - two.low


def test_some_answers_keep_what_belongs_to_them() -> None:
    """A choice of questions has their users, ranks, weights and candidates."""
    said = answers([0, 5, 10], weights=[1.0, 2.0, 3.0]).where(np.array([False, True, True]))
    assert (said.users, said.ranks.tolist(), said.weights.tolist()) == (("u1", "u2"), [5, 10], [2.0, 3.0])
    assert said.offers == {"c0": 2, "c1": 2}


def test_effective_items() -> None:
    """Equal offers count in full, one item that takes nearly all counts as little more than one, and none as none."""
    assert effective({"a": 5, "b": 5, "c": 5}) == pytest.approx(3.0)
    assert 1.0 < effective({"a": 1_000, "b": 1}) < 1.02
    assert effective({}) == 0.0


def measured(recall: float, width: float) -> Truth:
    return Truth(10, {"warm": Measure(500, recall, recall - width, recall + width, 0.1)}, 0.5, 9.0)


def test_a_fall_must_be_certain() -> None:
    """Recall has fallen where the best of its interval is below the worst of the former one by the asked share."""
    assert fallen(measured(0.5, 0.02), measured(0.3, 0.02), 0.2).startswith(
        "recall@10 on new interactions fell from 0.500 to 0.300"
    )
    assert fallen(measured(0.5, 0.02), measured(0.3, 0.1), 0.2) == ""
    assert fallen(measured(0.5, 0.02), measured(0.42, 0.01), 0.2) == ""
    assert fallen(Truth(10, {}, 0.0, 0.0), measured(0.1, 0.0), 0.2) == ""


def test_a_record_is_kept_whole() -> None:
    """What a release says of those before it is read back as it was written, with and without it."""
    for record in (Record(), Record(measured(0.3, 0.1)), Record(measured(0.3, 0.1), measured(0.5, 0.1), 7)):
        assert Record.from_json(record.to_json()) == record


def test_breadth_is_what_is_offered_and_what_its_head_takes() -> None:
    """Three of 400 items offered reach 0.75 %; the four most offered take all, of 100 items the one most offered half."""
    offers = {"a": 50, "b": 30, "c": 20}
    assert breadth(offers, 400) == Breadth(0.0075, 1.0)
    assert breadth(offers, 100) == Breadth(0.03, 0.5)
    assert breadth(offers, 10) == Breadth(0.3, 0.5)
    assert breadth({}, 10) == breadth(offers, 0) == Breadth(0.0, 0.0)


def ranked(ndcg: float, error: float | None) -> Truth:
    return Truth(10, {"warm": Measure(500, 0.5, 0.4, 0.6, ndcg, error)}, 0.5, 9.0)


def test_a_lost_ranking_must_be_certain() -> None:
    """The ranking has lost where it is beyond doubt by two standard errors on either side; of unknown ones nothing is said."""
    said = "the ranking's loss on new interactions rose from 0.700 to 0.900"
    assert lost(ranked(0.3, 0.01), ranked(0.1, 0.01), 0.2) == said
    assert lost(ranked(0.3, 0.01), ranked(0.1, 0.1), 0.2) == ""
    assert lost(ranked(0.3, 0.1), ranked(0.1, 0.01), 0.2) == ""
    assert lost(ranked(0.3, 0.01), ranked(0.25, 0.001), 0.2) == ""
    assert lost(ranked(0.3, None), ranked(0.1, 0.01), 0.2) == ""
    assert lost(Truth(10, {}, 0.0, 0.0), ranked(0.1, 0.01), 0.2) == ""


def test_what_share_was_lost() -> None:
    """A share of what there was, below 0 for a gain; of nothing, or of nothing known, there is none."""
    assert fall(ranked(0.4, None), ranked(0.1, None), "ndcg") == pytest.approx(0.75)
    assert fall(ranked(0.4, None), ranked(0.1, None), "recall") == 0.0
    assert fall(measured(0.4, 0.0), measured(0.5, 0.0), "recall") == pytest.approx(-0.25)
    assert fall(ranked(0.0, None), ranked(0.1, None), "ndcg") is None
    assert fall(Truth(10, {}, 0.0, 0.0), ranked(0.1, None), "ndcg") is None


def test_the_error_of_a_ranking_is_over_users() -> None:
    """Many questions of few users tell no more than a bootstrap of these users: the standard error is that bootstrap's spread."""
    rng = np.random.default_rng(0)
    users = tuple(f"u{user}" for user in range(40) for _ in range(5))
    ranks = np.repeat(rng.integers(0, 12, 40), 5)
    weights = np.repeat(rng.uniform(0.5, 2.0, 40), 5)
    said = Answers(10, users, ranks, weights)
    found = truth(said, {"warm": np.ones(200, np.bool_)}, 10, rng).slices["warm"]
    drawn = rng.integers(0, 40, (4_000, 40))
    totals, gains = weights.reshape(40, 5).sum(axis=1), (said.gains * weights).reshape(40, 5).sum(axis=1)
    spread = float(np.std(gains[drawn].sum(axis=1) / totals[drawn].sum(axis=1)))
    assert found.error == pytest.approx(spread, rel=0.05)


def test_an_older_record_is_read() -> None:
    """A record that knows neither errors nor churn is one without them."""
    old = '{"newest": {"k": 10, "slices": {"warm": {"rows": 5, "recall": 0.5, "low": 0.4, "high": 0.6, "ndcg": 0.2}}, '
    record = Record.from_json(old + '"coverage": 0.5, "effective": 9.0}, "fresh": null}')
    assert record.churned == 0
    assert record.newest is not None
    assert record.newest.slices["warm"].error is None
