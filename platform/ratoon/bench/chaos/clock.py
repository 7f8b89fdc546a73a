"""The machine's clock as this process sees it, set back by an hour when a signal comes."""

import signal
import sys
from datetime import datetime, timedelta, tzinfo
from typing import Any

BACK = timedelta(hours=1)


class _Alike(type):
    """All datetimes are instances: whoever asks means the one that everybody knows."""

    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


class _Late(datetime, metaclass=_Alike):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) - BACK


def back_at_a_signal() -> None:
    """From the next SIGUSR1 on every clock of ours goes an hour late."""
    signal.signal(signal.SIGUSR1, lambda _number, _frame: set_back())


def set_back() -> None:
    """Every clock of ours goes an hour late from now on."""
    for name, module in list(sys.modules.items()):
        if name.startswith("ratoon.") and name != __name__ and vars(module).get("datetime") is datetime:
            vars(module)["datetime"] = _Late
