"""What differs between two JSON files that grow at the ends of their lists, as vocabularies do.

A difference is one of: ["same"], ["is", value], ["keys", {key: difference}] for an object, ["grown", tail] for a list. The
whole file is written again as `json.dumps(value, sort_keys=True, ensure_ascii=False)`; one that was written otherwise does not
come back as it was, and whoever stores a difference has to look.
"""

import json
from collections.abc import Sequence
from functools import reduce
from typing import Any


def difference(old: bytes, new: bytes) -> bytes | None:
    """What has to be known beside `old` to have `new`; None if one of them is not JSON."""
    try:
        return _dumped(_change(json.loads(old), json.loads(new)))
    except ValueError:
        return None


def rebuilt(old: bytes, deltas: Sequence[bytes]) -> bytes:
    """`old` after these differences, oldest first.

    Raises:
        ValueError: one of them is no difference from what it is applied to.
    """
    try:
        return _dumped(reduce(_changed, map(json.loads, deltas), json.loads(old)))
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(repr(error)) from error


def _change(old: Any, new: Any) -> list[Any]:
    if _dumped(old) == _dumped(new):  # to Python 0, 0.0 and False are equal, and in a file they are not
        return ["same"]
    if isinstance(old, dict) and isinstance(new, dict):
        return ["keys", {key: _change(old[key], value) if key in old else ["is", value] for key, value in new.items()}]
    if isinstance(old, list) and isinstance(new, list) and _dumped(new[: len(old)]) == _dumped(old):
        return ["grown", new[len(old) :]]
    return ["is", new]


def _changed(old: Any, change: list[Any]) -> Any:
    match change:
        case ["same"]:
            return old
        case ["is", value]:
            return value
        case ["grown", tail]:
            return old + tail
        case ["keys", changes]:
            return {key: _changed(old.get(key), value) for key, value in changes.items()}
    raise ValueError(f"{change!r:.80} is no difference")


def _dumped(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
