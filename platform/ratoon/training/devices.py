"""What torch can compute on, in words."""

import torch


def devices() -> str:
    """Torch's CUDA family and its devices, for people."""
    if not torch.cuda.is_available():
        return f"cpu only (built for CUDA {torch.version.cuda or 'none'}), {torch.get_num_threads()} threads"
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"CUDA {torch.version.cuda}: {', '.join(names)}"
