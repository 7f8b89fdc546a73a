"""Who has come and when, as files beside the model's; only models with vocabularies under admission have them."""

import json
from collections.abc import Mapping

from safetensors.numpy import load as loaded
from safetensors.numpy import save

from ratoon.domain.admission import Attendance
from ratoon.ports import Files

SEEN, WAITING = "attendance.safetensors", "attendance.json"
"""The times by row, which a release stores as what changed of them; and everything about values without a row."""


def dump(attendances: Mapping[str, Attendance]) -> dict[str, bytes]:
    """The files of a model's attendances, equal bytes for equal ones; none if there is nothing under admission."""
    if not attendances:
        return {}
    waiting = {
        name: {"newest": one.newest, "waiting": dict(one.waiting), **({"after": one.after} if one.after > 1 else {})}
        for name, one in attendances.items()
    }
    return {
        WAITING: json.dumps(waiting, sort_keys=True, ensure_ascii=False).encode(),
        SEEN: save({name: attendances[name].seen for name in sorted(attendances)}),
    }


def load(files: Files) -> dict[str, Attendance]:
    """The inverse of `dump`."""
    if WAITING not in files:
        return {}
    seen = loaded(files[SEEN])
    return {
        name: Attendance(
            {value: (count, at) for value, (count, at) in one["waiting"].items()}, seen[name], one["newest"], one.get("after", 1)
        )
        for name, one in json.loads(files[WAITING]).items()
    }
