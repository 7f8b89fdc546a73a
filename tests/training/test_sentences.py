"""The sentence encoder computes what BERT's layers compute, and with the real weights what their authors' library gives."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ratoon.domain.errors import StoreError
from ratoon.features.folds.texts import DIM, WHEEL, weights
from ratoon.training.sentences import BATCH, Sentences, opened
from tests.fakes.encoders import encoder

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]
GOLDEN = [-0.082835, 0.05303, 0.053577, -0.027935]
TEXTS = ["a", "a b c d e f g h a b", "", "b a", "zzz", "h g f"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An encoder of two layers with random weights, as transformers stores one."""
    return encoder(tmp_path, WORDS)


def _layer(stored: dict[str, torch.Tensor], name: str) -> nn.TransformerEncoderLayer:
    """A layer of torch's own with the stored weights."""
    layer = nn.TransformerEncoderLayer(8, 2, 20, 0.0, "gelu", 1e-12, batch_first=True)
    parts = {"self_attn.out_proj": "attention.output.dense", "linear1": "intermediate.dense", "linear2": "output.dense"}
    parts |= {"norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm"}
    state = {f"{ours}.{kind}": stored[f"{name}.{theirs}.{kind}"] for ours, theirs in parts.items() for kind in ("weight", "bias")}
    for kind in ("weight", "bias"):
        joined = [stored[f"{name}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
        state[f"self_attn.in_proj_{kind}"] = torch.cat(joined)
    layer.load_state_dict(state)
    return layer


def test_the_layers_are_those_of_bert(folder: Path) -> None:
    """One text through torch's own encoder layers, averaged over all its pieces, scaled to length 1, is its vector."""
    stored = load_file(folder / "model.safetensors")
    numbers = torch.tensor([2, 4, 5, 6, 3])
    state = stored["embeddings.word_embeddings.weight"][numbers] + stored["embeddings.position_embeddings.weight"][:5]
    state = state + stored["embeddings.token_type_embeddings.weight"][0]
    norm = (stored["embeddings.LayerNorm.weight"], stored["embeddings.LayerNorm.bias"])
    state = nn.functional.layer_norm(state, (8,), *norm, 1e-12)[None]
    for number in range(2):
        state = _layer(stored, f"encoder.layer.{number}")(state)
    expected = nn.functional.normalize(state.mean(1)).detach().numpy()
    np.testing.assert_allclose(Sentences(folder).vectors(["a b c"], 1), expected, atol=1e-5)


def test_a_text_is_encoded_as_among_others(folder: Path) -> None:
    """Order, batch and padding do not show; equal texts are equal; lengths are 1; texts too long are cut off."""
    tiny = Sentences(folder)
    many = TEXTS * (BATCH // 3)
    found = tiny.vectors(many, 1)
    assert found.shape == (len(many), 8)
    assert found.dtype == np.float32
    for text, vector in zip(many, found, strict=True):
        np.testing.assert_allclose(vector, tiny.vectors([text], 1)[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-5)
    assert np.allclose(tiny.vectors(["a b c d e f g"], 1), tiny.vectors(["a b c d e f g h h h"], 1), atol=1e-6)
    assert not np.allclose(found[0], found[3], atol=1e-3)
    assert tiny.vectors([], 1).shape == (0, 8)


def test_an_encoder_is_read_once(folder: Path) -> None:
    """Asked for again, the same folder is not read again."""
    assert opened(folder) is opened(folder)


@pytest.mark.skipif(weights() is None, reason="the extra `text` is not installed")
def test_the_real_weights_give_the_published_vectors() -> None:
    """The vector of a title begins as the library of the weights' authors has it, and like texts lie near each other."""
    found = weights()
    assert found is not None
    vectors = opened(found).vectors(["Toy Story (1995)", "Toy Story 2 (1999)", "The Silence of the Lambs (1991)"], 1)
    assert vectors.shape == (3, DIM)
    np.testing.assert_allclose(vectors[0, :4], GOLDEN, atol=1e-5)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.7
    assert far < 0.4


def test_the_weights_are_where_the_wheel_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is found by its module, without importing it; where there is none, there are no weights."""
    (tmp_path / WHEEL).mkdir()
    (tmp_path / WHEEL / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    assert weights() == tmp_path / WHEEL / "model"
    monkeypatch.setattr("sys.path", [])
    assert weights() is None


@pytest.mark.parametrize("name", ["config.json", "sentence_bert_config.json", "vocab.txt", "model.safetensors"])
def test_a_damaged_encoder_is_refused_by_name(folder: Path, name: str) -> None:
    """A file that is cut short or missing is said with the folder, and how to have it again."""
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:20])
    for found in (".*", ".*No such file.*"):
        with pytest.raises(StoreError, match=f"the encoder of texts in {folder}: .*{found} Run `pip install --force-reinstall"):
            Sentences(folder)
        (folder / name).unlink(missing_ok=True)
