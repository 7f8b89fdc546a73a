"""A sentence encoder that is small enough for every test that needs one."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

LETTERS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"0123456789abcdefghijklmnopqrstuvwxyz",
    *(f"##{one}" for one in "0123456789abcdefghijklmnopqrstuvwxyz"),
)
"""Pieces that any word of letters and digits can be cut into."""

WIDTH = 8


def encoder(folder: Path, words: Sequence[str] = LETTERS, spread: float = 1.0) -> Path:
    """The folder, with an encoder of two layers with random weights in it, as transformers stores one.

    Args:
        words: its pieces, the first four as here.
        spread: of the weights of linear maps; where it is small the encoder is smooth enough to learn beside.
    """
    source = torch.Generator().manual_seed(3)
    sizes = {"word_embeddings": (len(words), WIDTH), "position_embeddings": (16, WIDTH), "token_type_embeddings": (2, WIDTH)}
    shapes: dict[str, tuple[int, ...]] = {f"embeddings.{name}.weight": size for name, size in sizes.items()}
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        parts = {f"attention.self.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value")}
        parts |= {"attention.output.dense": (WIDTH, WIDTH), "intermediate.dense": (20, WIDTH), "output.dense": (WIDTH, 20)}
        for name, shape in parts.items():
            shapes |= {f"{layer}.{name}.weight": shape, f"{layer}.{name}.bias": shape[:1]}
    for name in ("embeddings", *(f"encoder.layer.{n}.{part}" for n in (0, 1) for part in ("attention.output", "output"))):
        shapes |= {f"{name}.LayerNorm.weight": (WIDTH,), f"{name}.LayerNorm.bias": (WIDTH,)}
    spreads = {name: spread if name.endswith("dense.weight") or ".self." in name else 1.0 for name in shapes}
    tensors = {name: spreads[name] * torch.randn(shape, generator=source) for name, shape in shapes.items()}
    save_file(tensors, folder / "model.safetensors")
    config = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": WIDTH, "layer_norm_eps": 1e-12}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 9}')
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder
