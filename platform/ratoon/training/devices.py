"""What torch can compute on."""

import torch

from ratoon.domain.errors import UsageError


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
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
