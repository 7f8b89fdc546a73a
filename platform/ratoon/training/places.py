"""Which devices, and which processes, a training uses."""

from collections.abc import Iterable

from ratoon.training.devices import CPU, chosen
from ratoon.training.group import Group
from ratoon.training.hosting import Compute, CutOut, HostRows, InPlace
from ratoon.training.model import Model
from ratoon.training.settings import TrainingSettings
from ratoon.training.sharding import Shared


class Place:
    """Where models are computed.

    Attributes:
        selecting: the device that examples wait on and batches are chosen on: where the tables are, which are asked for
            the batch's rows.

    Args:
        group: the processes that compute together; None where there is only this one.

    Raises:
        UsageError: CUDA is asked for, and there is none.
    """

    def __init__(self, settings: TrainingSettings, group: Group | None = None) -> None:
        self._settings, self._group, self._device = settings, group, chosen(settings.device)
        self.selecting = CPU if settings.tables == "host" else self._device

    def take(self, model: Model, moving: Iterable[str]) -> Compute:
        """Bring a model, which is in the processor's memory, to where it is computed.

        Args:
            moving: names of the tensors that may move.
        """
        if self._group:
            return Shared(model, moving, self._settings, self._device, self._group)
        if self._settings.tables == "host":
            names = list(moving)
            return CutOut(model, names, HostRows(model, names), self._settings, self._device)
        return InPlace(model, moving, self._settings, self._device)
