"""What users were found to have had: a log only grows, so that of each only what came since has to be looked for.

Where somebody was forgotten since, all of it is looked for again: it may be them.
"""

from collections import OrderedDict
from collections.abc import Callable

from ratoon.domain.labels import Types

USERS = 20_000
"""Whose items are kept: a few tens of megabytes."""

After = Callable[[str, Types, int], list[str]]
"""User, types and offset -> the items that the user met after it, without duplicates."""


class Met:
    """The items of the users who were asked about last. Any number of threads may ask."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, tuple[str, ...] | None], tuple[int, list[str]]] = OrderedDict()

    def of(self, user_id: str, types: Types, end: int, after: After, forgot: Callable[[int], bool]) -> list[str]:
        """All items a user met up to the log's end, in order of first sight.

        Args:
            end: the log's, read before this is called: what comes meanwhile may be among them.
            forgot: whether anybody was forgotten after an offset.
        """
        key = user_id, None if types is None else tuple(types)
        since, items = self._known.get(key, (0, []))
        if since > end or (0 < since < end and forgot(since)):  # the log is another one now, or shorter, or clear of somebody
            since, items = 0, []
        if since < end:
            fresh = after(user_id, types, since)
            items = list(dict.fromkeys([*items, *fresh])) if fresh else items
            self._known[key] = end, items
            if len(self._known) > USERS:
                self._known.popitem(last=False)
        return items
