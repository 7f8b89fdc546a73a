"""What torch can compute on."""

import os

import torch
from torch import Tensor

from ratoon.domain.errors import UsageError

CPU = torch.device("cpu")

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
"""The environment variable that makes cuBLAS repeat itself; torch's deterministic mode refuses to multiply without it."""


def devices() -> str:
    """The devices of this machine as torch sees them, for people."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda:{number} {torch.cuda.get_device_name(number)}" for number in range(torch.cuda.device_count())]
    return f"{', '.join(found)} (torch {torch.__version__}, CUDA {torch.version.cuda or 'none'})"


def chosen(device: str) -> torch.device:
    """The device that a setting means.

    Args:
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.

    Raises:
        UsageError: CUDA was asked for, and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "training.device", expected="a CUDA device", found=devices(), fix="Set it to auto, or install a torch with CUDA."
        )
    found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if found.type == "cuda":
        os.environ.setdefault(CUBLAS, ":4096:8")
    return found


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on its way to `device`: from the processor's memory through pinned memory, while both go on working."""
    if tensor.device.type == "cpu" and device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
