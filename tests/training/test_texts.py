"""A tower of texts learns what comes after what."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import DataError
from ratoon.ports import Files, Reading, TextLesson
from ratoon.ports.texts import By
from ratoon.training.lora import FILE
from ratoon.training.sentences import opened
from ratoon.training.texts import SentenceTower, _looked
from tests.fakes.encoders import encoder

TEXTS = [f"{kind} {kind} {place}" for kind in "kq" for place in range(40)]
"""Two kinds of texts; whoever had one of a kind goes on with it."""


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> SentenceTower:
    return SentenceTower(encoder(tmp_path_factory.mktemp("encoder"), spread=0.3), 1)


@pytest.fixture(scope="module")
def begun(tower: SentenceTower) -> Files:
    return tower.begun(TEXTS, 4, 2, np.random.default_rng(1))


def reading(rng: np.random.Generator, count: int, places: range, *, rated: bool = False) -> Reading:
    """Interactions with texts at these places of either kind.

    Args:
        rated: they come after histories of either kind, and those of the text's kind are rated high; without it they come after
            histories of their kind.
    """
    kinds = rng.integers(0, 2, count)
    before = rng.integers(0, 2, count) if rated else kinds
    texts = kinds * 40 + rng.choice(np.array(places), count)
    histories = [(kind * 40 + rng.permutation(40)[:15]).tolist() for kind in before]
    values = np.where(before == kinds, 1.0, -1.0).astype(np.float32) if rated else np.zeros(count, np.float32)
    return Reading(histories, [-1] * count, texts, values, np.ones(count, np.float32))


def lesson(tower: SentenceTower, begun: Files, *, rated: bool = False) -> TextLesson:
    """600 interactions to learn, and 200 to judge by."""
    rng = np.random.default_rng(2)
    new, fit = reading(rng, 600, range(40), rated=rated), reading(rng, 200, range(40), rated=rated)
    return TextLesson(TEXTS, tower.rows(begun, TEXTS), [], np.empty((0, 4), np.float32), new, fit)


@pytest.mark.parametrize("by", ["click", "rating"])
def test_what_is_learnt_answers_others(tower: SentenceTower, begun: Files, by: By) -> None:
    """Fit rows are answered better after it, and the best pass is kept."""
    asked = lesson(tower, begun, rated=by == "rating")
    done = tower.learnt(begun, asked, by, 4, np.random.default_rng(3))
    assert len(done.said) == 5
    assert done.kept == int(np.argmax(done.said)) > 0
    assert max(done.said) > done.said[0] + 0.002
    rows = tower.rows(done.files, TEXTS)
    assert not np.allclose(rows, tower.rows(begun, TEXTS), atol=1e-2)
    assert np.linalg.norm(rows.mean(axis=0)) < 0.5  # they have not all become one
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)


def test_the_same_lesson_gives_the_same_bytes(tower: SentenceTower, begun: Files) -> None:
    """Begun and learnt twice with the same chance, files are equal; with another chance they are not."""
    asked = lesson(tower, begun)
    once, again, other = (tower.learnt(begun, asked, "click", 1, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert once == again
    assert tower.begun(TEXTS, 4, 2, np.random.default_rng(1)) == begun
    assert other.files != once.files


def test_only_what_stands_beside_the_encoder_is_learnt(tower: SentenceTower, begun: Files) -> None:
    """The encoder's tensors have no gradient and stay as they are; every tensor of the adapter moves."""
    encoder_ = opened(tower.folder)
    frozen = encoder_.vectors(TEXTS, 1)
    done = tower.learnt(begun, lesson(tower, begun), "click", 2, np.random.default_rng(3))
    assert done.kept
    assert np.array_equal(encoder_.vectors(TEXTS, 1), frozen)
    assert all(not tensor.requires_grad and tensor.grad is None for tensor in encoder_._weights.values())
    before, after = load(begun[FILE]), load(done.files[FILE])
    assert before.keys() == after.keys()
    assert not any(torch.equal(before[name], tensor) for name, tensor in after.items())


def test_what_is_no_better_is_not_kept(tower: SentenceTower, begun: Files) -> None:
    """Where what comes next has nothing to do with what came before, or nothing says so, files are as they were."""
    asked = lesson(tower, begun)
    nothing = replace(asked, fit=reading(np.random.default_rng(1), 0, range(40)))
    done = tower.learnt(begun, nothing, "click", 1, np.random.default_rng(3))
    assert (done.files, done.kept, done.said) == (begun, 0, (0.0, 0.0))


def test_what_a_user_says_is_a_side_too(tower: SentenceTower, begun: Files) -> None:
    """Without any history, users are told by their own text alone, and that is learnt from as well."""
    rng, own = np.random.default_rng(2), ["k", "q"]
    new, fit = reading(rng, 600, range(40)), reading(rng, 200, range(40))
    new, fit = (replace(one, histories=[[]] * len(one.own), own=(one.texts // 40).tolist()) for one in (new, fit))
    asked = TextLesson(TEXTS, tower.rows(begun, TEXTS), own, tower.rows(begun, own), new, fit)
    done = tower.learnt(begun, asked, "click", 3, np.random.default_rng(3))
    assert max(done.said) > done.said[0]


@pytest.mark.parametrize("said", [False, True])
def test_a_pass_is_judged_by_what_would_be_served(tower: SentenceTower, begun: Files, *, said: bool) -> None:
    """A night of three texts: what fit rows say of the pass that is kept they say of its rows once all texts are encoded."""
    rng, own = np.random.default_rng(2), ["k", "q"] if said else []
    new, fit = reading(rng, 60, range(3)), reading(rng, 300, range(40))
    if said:
        fit = replace(fit, histories=[[]] * 300, own=(fit.texts // 40).tolist())
    asked = TextLesson(TEXTS, tower.rows(begun, TEXTS), own, _rows(tower, begun, own), new, fit)
    done = tower.learnt(begun, asked, "click", 3, np.random.default_rng(3))
    assert done.kept
    after = replace(asked, rows=tower.rows(done.files, TEXTS), own_rows=_rows(tower, done.files, own))
    again = tower.learnt(done.files, after, "click", 1, np.random.default_rng(3))
    assert again.said[0] == pytest.approx(done.said[done.kept], abs=0.5 / len(TEXTS))  # a text may lie as far as itself or not


def test_fit_rows_look_at_few_texts() -> None:
    """The newest that together look at no more texts than may be, histories no longer than they are read, and one at least."""
    histories = [[5, 6], [], [*range(7, 67)], [3, 4]]
    fit = Reading(histories, [0, 1, -1, -1], np.array([1, 2, 3, 3]), np.zeros(4, np.float32), np.ones(4, np.float32))
    rows = np.zeros((102, 1), np.float32)
    lesson = TextLesson([str(number) for number in range(100)], rows[:100], ["x", "y"], rows[100:], fit, fit)
    for most, count, texts in ((1, 1, {3, 4}), (51, 1, {3, 4}), (52, 2, {3, 4, *range(17, 67)}), (54, 3, {2, 101})):
        found, looked = _looked(lesson, most)
        assert (found.histories, len(found.weights)) == (histories[4 - count :], count)
        assert texts <= looked
        assert len(looked) <= max(most, 2)


def test_a_loss_that_is_none_is_said(tower: SentenceTower, begun: Files) -> None:
    """A value that is no number ends the lesson before anything is moved by it."""
    asked = lesson(tower, begun, rated=True)
    asked = replace(asked, new=replace(asked.new, values=np.full(600, np.inf, np.float32)))
    with pytest.raises(DataError, match="text.learn: expected a finite loss, found inf on a batch of"):
        tower.learnt(begun, asked, "rating", 1, np.random.default_rng(3))


def _rows(tower: SentenceTower, files: Files, texts: list[str]) -> Vectors:
    return tower.rows(files, texts) if texts else np.empty((0, 4), np.float32)
