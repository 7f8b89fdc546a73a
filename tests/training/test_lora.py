"""What is learnt beside an encoder."""

import numpy as np
import pytest
import torch

from ratoon.training.lora import MEAN, SECOND, WEIGHT, Adapter
from ratoon.training.repeatable import generator
from ratoon.training.sentences import Sentences
from tests.fakes.encoders import WIDTH, encoder

WORDS = ["red fox", "blue fox", "x", "the sea 1999", "green"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Sentences:
    return Sentences(encoder(tmp_path_factory.mktemp("encoder")))


@pytest.fixture
def adapter(tiny: Sentences) -> Adapter:
    return Adapter.fresh(tiny, torch.from_numpy(tiny.vectors(WORDS, 1)), 3, 2, generator(1))


def test_before_anything_is_learnt_the_encoder_is_what_it_was(tiny: Sentences, adapter: Adapter) -> None:
    """With zeros in every second factor vectors are the frozen encoder's to the bit; with others they are not."""
    cut = [tiny.cut(text) for text in WORDS]
    frozen = tiny.all(cut)
    assert np.array_equal(tiny.all(cut, adapter.adapted), frozen)
    for name, tensor in adapter.tensors.items():
        if name.endswith(SECOND):
            tensor.fill_(0.5)
    assert not np.allclose(tiny.all(cut, adapter.adapted), frozen, atol=1e-3)


def test_query_and_value_of_every_layer_are_adapted(tiny: Sentences, adapter: Adapter) -> None:
    """Both of each layer, of the rank that was asked for, and nothing else."""
    names = {f"encoder.layer.{layer}.attention.self.{part}" for layer in (0, 1) for part in ("query", "value")}
    assert set(adapter.adapted) == set(tiny.adaptable) == names
    assert all((first.shape, second.shape) == ((2, WIDTH), (WIDTH, 2)) for first, second in adapter.adapted.values())


def test_a_low_rank_product_is_added(tiny: Sentences, adapter: Adapter) -> None:
    """Adapted by a product, an encoder is the one whose maps have had it added to them."""
    for name, tensor in adapter.tensors.items():
        if name.endswith(SECOND):
            tensor.copy_(torch.randn(tensor.shape, generator=generator(2, name)))
    cut = [tiny.cut(text) for text in WORDS]
    adapted = tiny.all(cut, adapter.adapted)
    merged = dict(tiny._weights)  # the sum cannot be asked for from outside
    for name, (first, second) in adapter.adapted.items():
        merged[f"{name}.weight"] = merged[f"{name}.weight"] + second @ first
    other = Sentences.__new__(Sentences)
    other.__dict__.update({**tiny.__dict__, "_weights": merged})
    np.testing.assert_allclose(adapted, other.all(cut), atol=1e-5)


def test_it_begins_with_the_directions_in_which_texts_differ(tiny: Sentences, adapter: Adapter) -> None:
    """Centred vectors keep as much of their squares as three numbers can keep of them; rows are of length 1."""
    vectors = tiny.vectors(WORDS, 1)
    apart = vectors - vectors.mean(axis=0)
    kept = apart @ adapter.tensors[WEIGHT].numpy().T
    best = np.linalg.svd(apart, compute_uv=False)
    np.testing.assert_allclose(np.square(kept).sum(), np.square(best[:3]).sum(), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(adapter.projected(torch.from_numpy(vectors)), axis=1), 1.0, rtol=1e-5)


def test_more_numbers_than_texts(tiny: Sentences) -> None:
    """One text differs from no other, and still each direction is another one of length 1."""
    found = Adapter.fresh(tiny, torch.from_numpy(tiny.vectors(["x"], 1)), WIDTH, 1, generator(1)).tensors[WEIGHT]
    np.testing.assert_allclose(found @ found.T, np.eye(WIDTH), atol=1e-5)


def test_it_survives_its_files(adapter: Adapter) -> None:
    """Loaded again it has the same tensors, and dumped again the same bytes."""
    again = Adapter.load(adapter.dump())
    assert again.tensors.keys() == adapter.tensors.keys()
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in adapter.tensors.items())
    assert again.dump() == adapter.dump()


def test_what_differs_by_rounding_alone_has_no_direction(tiny: Sentences) -> None:
    """Of one text, or of one in two spellings, rows are about 0, whatever stands beside it when it is encoded."""
    one = Adapter.fresh(tiny, torch.from_numpy(tiny.vectors(["sea"], 1)), 3, 2, generator(1))
    rows = one.projected(torch.from_numpy(tiny.vectors(["sea", "Sea", *WORDS], 1))).numpy()
    assert np.linalg.norm(rows[:2], axis=1).max() < 0.01
    np.testing.assert_allclose(np.linalg.norm(rows[2:], axis=1), 1.0, rtol=1e-5)
    noise = torch.full((1, WIDTH), 1e-8).requires_grad_()
    one.projected(one.tensors[MEAN] + noise).sum().backward()
    assert noise.grad is not None
    assert noise.grad.norm() < 1e5
