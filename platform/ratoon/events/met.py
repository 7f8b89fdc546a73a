"""What users were found to have had: a log only grows, so that of each only what came since has to be looked for."""

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

    def of(self, user_id: str, types: Types, end: int, after: After) -> list[str]:
        """All items a user met up to the log's end, in order of first sight.

        Args:
            end: the log's, read before this is called: what comes meanwhile may be among them.
        """
        key = user_id, None if types is None else tuple(types)
        since, items = self._known.get(key, (0, []))
        if since > end:  # the log is another one now, or shorter
            since, items = 0, []
        if since < end:
            fresh = after(user_id, types, since)
            items = list(dict.fromkeys([*items, *fresh])) if fresh else items
            self._known[key] = end, items
            if len(self._known) > USERS:
                self._known.popitem(last=False)
        return items
