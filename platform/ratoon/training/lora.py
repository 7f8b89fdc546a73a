"""What is learnt beside a sentence encoder: small additions to its attention, and how its vectors become rows of few numbers.

The additions are of low rank (Hu et al. 2021, arXiv:2106.09685): `second @ first` is added to the query and value maps of every
layer. `second` begins as zeros, so that before anything is learnt the encoder is what it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.nn import functional

from ratoon.ports import Files
from ratoon.training.sentences import Adapted, Sentences

FILE = "adapter.safetensors"

FIRST, SECOND = ".first", ".second"
WEIGHT, MEAN = "projection.weight", "mean"

SMALL = 1e-4
"""What a vector that is no longer is divided by: one that differs from the mean by rounding alone has no direction."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The tensors that are learnt, by name, and the encoder's mean vector, which is taken from all before they are projected.

    `NAME.first` (rank, in) and `NAME.second` (out, rank) of each adapted map, `projection.weight` (dim, width), `mean` (width,).
    What all texts have in common tells nobody from another, and learnt, it would be all that rows say.
    """

    tensors: Mapping[str, Tensor]

    @classmethod
    def fresh(cls, encoder: Sentences, vectors: Tensor, dim: int, rank: int, source: torch.Generator) -> "Adapter":
        """One that adds nothing, and projects on the directions in which these vectors differ most.

        Args:
            vectors: of texts; shape (n, width), with dim <= width.
        """
        tensors: dict[str, Tensor] = {}
        for name in encoder.adaptable:
            tensors[f"{name}{FIRST}"] = torch.randn((rank, encoder.width), generator=source) / encoder.width**0.5
            tensors[f"{name}{SECOND}"] = torch.zeros((encoder.width, rank))
        apart = (vectors - vectors.mean(0)).double()
        weight = torch.linalg.eigh(apart.T @ apart)[1].T.flip(0)[:dim]
        return cls(tensors | {WEIGHT: weight.float().contiguous(), MEAN: vectors.mean(0)})

    @property
    def adapted(self) -> Adapted:
        """What is added to the encoder."""
        names = [name.removesuffix(FIRST) for name in self.tensors if name.endswith(FIRST)]
        return {name: (self.tensors[f"{name}{FIRST}"], self.tensors[f"{name}{SECOND}"]) for name in names}

    def projected(self, vectors: Tensor, mean: Tensor | None = None) -> Tensor:
        """The rows of the encoder's vectors; shape (n, dim), of length 1, or about 0 of what is like the mean.

        Args:
            mean: what is taken from all instead of the mean that is known; shape (width,).
        """
        apart = vectors - (self.tensors[MEAN] if mean is None else mean)
        return functional.normalize(functional.linear(apart, self.tensors[WEIGHT]), eps=SMALL)

    @property
    def learnt(self) -> dict[str, Tensor]:
        """The tensors that are moved by gradients."""
        return {name: tensor for name, tensor in self.tensors.items() if name != MEAN}

    def copied(self) -> "Adapter":
        """The same in tensors of its own, of which gradients reach those that are learnt."""
        return Adapter({name: tensor.detach().clone().requires_grad_(name != MEAN) for name, tensor in self.tensors.items()})

    def centred(self, vectors: Tensor) -> None:
        """Take what these vectors have in common from all from now on; shape (n, width)."""
        self.tensors[MEAN].copy_(vectors.mean(0))

    def dump(self) -> dict[str, bytes]:
        """As files."""
        return {FILE: save({name: tensor.detach().contiguous() for name, tensor in sorted(self.tensors.items())})}

    @classmethod
    def load(cls, files: Files) -> "Adapter":
        """The inverse of `dump`."""
        return cls(load(files[FILE]))
