"""What schemathesis is told that a JSON Schema cannot say; the environment names this module."""

from collections.abc import Mapping

import schemathesis
from schemathesis import HookContext

from ratoon.domain.filters import CONDITIONS


@schemathesis.hook
def filter_body(_: HookContext, body: object) -> bool:
    """Whether no filter in a body has more conditions than one may have, over all its levels together."""
    asked = body.get("requests") if isinstance(body, Mapping) else None
    each = [body, *asked] if isinstance(asked, list) else [body]
    return all(_conditions(one["filter"]) <= CONDITIONS for one in each if isinstance(one, Mapping) and "filter" in one)


def _conditions(tree: object) -> int:
    if isinstance(tree, list):
        return sum(map(_conditions, tree))
    if not isinstance(tree, Mapping):
        return 0
    parts = [tree[key] for key in ("all", "any", "not") if key in tree]
    return _conditions(parts) if parts else 1
