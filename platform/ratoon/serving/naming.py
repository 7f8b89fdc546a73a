"""Which answers interactions named: the log's request ids, read on."""

import pyarrow.compute as pc

from ratoon.ports import EventLog

PAGE = 20_000
"""Events of the log read at once."""


class Naming:
    """The request ids that interactions name, from the log's end at the beginning on."""

    def __init__(self, log: EventLog) -> None:
        self._log, self._read = log, log.end()

    def newest(self) -> list[str]:
        """Those of the interactions since the last look."""
        log, end = self._log, self._log.end()
        named = [one for start in range(self._read, end, PAGE) for one in _requests(log, start, min(start + PAGE, end))]
        self._read = end
        return named


def _requests(log: EventLog, after: int, upto: int) -> list[str]:
    events = log.read(after, upto)
    named = events.filter(pc.and_(pc.equal(events.column("kind"), "interaction"), pc.is_valid(events.column("request_id"))))
    requests: list[str] = named.column("request_id").to_pylist()
    return requests
