"""Texts as vectors by a sentence encoder that is taken as it is: all-MiniLM-L6-v2, from the wheel of the extra `text`.

Six layers of BERT (Devlin et al. 2019, arXiv:1810.04805) distilled by Wang et al. 2020 (arXiv:2002.10957) and taught pairs of
sentences (Reimers and Gurevych 2019, arXiv:1908.10084); a text's vector is the mean over its pieces, of length 1. Only the
wheel's files are read, so what the wheel asks for beside them need not be there.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from ratoon.domain.embedding import Vectors
from ratoon.domain.wordpiece import pieces
from ratoon.training.repeatable import repeatable

BATCH = 64
"""Texts at once, of about equal length."""


class Sentences:
    """A sentence encoder.

    Args:
        folder: with `config.json`, `sentence_bert_config.json`, `vocab.txt` and `model.safetensors` as transformers has them.
    """

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self._most: int = json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"]
        self._layers, self._heads = int(config["num_hidden_layers"]), int(config["num_attention_heads"])
        self._width, self._small = int(config["hidden_size"]), float(config["layer_norm_eps"])
        self._weights: Mapping[str, Tensor] = load_file(folder / "model.safetensors")
        lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
        self._vocabulary = {piece: number for number, piece in enumerate(lines) if piece}

    def vectors(self, texts: Sequence[str], threads: int) -> Vectors:
        """One vector per text, the same for the same text up to rounding, whatever is beside it; shape (n, width)."""
        cut = [pieces(text, self._vocabulary, self._most) for text in texts]
        found = np.empty((len(texts), self._width), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(cut[place]))
        with repeatable(threads), torch.no_grad():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                found[places] = self._encoded([cut[place] for place in places]).numpy()
        return found

    def _encoded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        longest = len(rows[-1])
        numbers = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
        there = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows])
        table = self._weights["embeddings.word_embeddings.weight"][numbers]
        places = self._weights["embeddings.position_embeddings.weight"][:longest]
        state = self._norm(table + places + self._weights["embeddings.token_type_embeddings.weight"][0], "embeddings")
        for layer in range(self._layers):
            state = self._layer(state, there, f"encoder.layer.{layer}")
        mean = (state * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return functional.normalize(mean)

    def _layer(self, state: Tensor, there: Tensor, name: str) -> Tensor:
        shape = (*state.shape[:2], self._heads, -1)
        query, key, value = (
            self._linear(state, f"{name}.attention.self.{part}").view(shape).transpose(1, 2) for part in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=there[:, None, None, :])
        mixed = self._linear(mixed.transpose(1, 2).reshape(state.shape), f"{name}.attention.output.dense")
        state = self._norm(state + mixed, f"{name}.attention.output")
        wide = functional.gelu(self._linear(state, f"{name}.intermediate.dense"))
        return self._norm(state + self._linear(wide, f"{name}.output.dense"), f"{name}.output")

    def _linear(self, state: Tensor, name: str) -> Tensor:
        return functional.linear(state, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, state: Tensor, name: str) -> Tensor:
        weight, bias = self._weights[f"{name}.LayerNorm.weight"], self._weights[f"{name}.LayerNorm.bias"]
        return functional.layer_norm(state, (self._width,), weight, bias, self._small)


@cache
def opened(folder: Path) -> Sentences:
    """The encoder in a folder, read once."""
    return Sentences(folder)
