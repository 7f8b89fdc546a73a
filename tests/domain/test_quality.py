"""What answers were worth: figures by slice, with intervals of users, kept in a release."""

import numpy as np
import pytest

from ratoon.domain.quality import Answers, Breadth, Measure, Record, Truth, breadth, effective, fallen, truth


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
    for record in (Record(), Record(measured(0.3, 0.1)), Record(measured(0.3, 0.1), measured(0.5, 0.1))):
        assert Record.from_json(record.to_json()) == record


def test_breadth_is_what_is_offered_and_what_its_head_takes() -> None:
    """Three of 400 items offered reach 0.75 %; the four most offered take all, of 100 items the one most offered half."""
    offers = {"a": 50, "b": 30, "c": 20}
    assert breadth(offers, 400) == Breadth(0.0075, 1.0)
    assert breadth(offers, 100) == Breadth(0.03, 0.5)
    assert breadth(offers, 10) == Breadth(0.3, 0.5)
    assert breadth({}, 10) == breadth(offers, 0) == Breadth(0.0, 0.0)
