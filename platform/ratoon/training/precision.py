"""How many bits the towers' products are computed in."""

from contextlib import AbstractContextManager, nullcontext

import torch

from ratoon.training.settings import TrainingSettings


def lowered(settings: TrainingSettings, device: torch.device) -> AbstractContextManager[object]:
    """Inside, matrix products are computed in `settings.precision`.

    Mixed precision (Micikevicius et al. 2018) in bfloat16, whose range is float32's, so that no loss is scaled. It ends at the
    vectors: weights, their length, scores, losses and updates are float32, for a score is divided by the temperature, and the
    eight bits that were left of it would not tell neighbours apart.
    """
    return torch.autocast(device.type, torch.bfloat16) if settings.precision == "bfloat16" else nullcontext()
