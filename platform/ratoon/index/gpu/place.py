"""The device that vectors lie on, and how much of it may be taken."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ratoon.domain.errors import StoreError

BUDGET = 2**29
"""Bytes of scores that are held at once; what is made of them takes no more again."""


@dataclass(frozen=True, slots=True)
class Place:
    """A device.

    Attributes:
        device: for torch.
        free: how many bytes of it nobody has taken.
        budget: bytes of scores that are held at once.
    """

    device: torch.device
    free: Callable[[], int]
    budget: int = BUDGET

    @classmethod
    def of(cls, name: str) -> "Place":
        """The device that torch calls so."""
        device = torch.device(name)
        if device.type != "cuda":
            return cls(device, _on_processor)
        # How far a score may be off is known for sums in float32 alone.
        torch.set_float32_matmul_precision("highest")
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        return cls(device, lambda: _on_gpu(device))

    @property
    def half(self) -> bool:
        """Whether float16 is multiplied as it is, with the sums in float32."""
        return self.device.type == "cuda"

    def zeros(self, count: int, dim: int, kind: torch.dtype) -> Tensor:
        """A tensor of shape (count, dim).

        Raises:
            StoreError: it does not fit beside what a search takes.
        """
        needed, free = count * dim * kind.itemsize + 2 * self.budget, self.free()
        found = f"{free:,} bytes"
        if needed <= free:
            try:
                return torch.zeros((count, dim), dtype=kind, device=self.device)
            except RuntimeError:  # it was free when asked, or in too many pieces
                found += ", not in one piece"
        raise StoreError(
            "index.device",
            expected=f"{needed:,} bytes free on {self.device} for {count:,} vectors of {dim} numbers, {kind}, and to search them",
            found=found,
            fix='Set index.device = "cpu", keep float16 (index.codec = "fp16"), or use a device with more memory.',
        )


def _on_gpu(device: torch.device) -> int:
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def _on_processor() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
