"""What a surface has to remember beside its releases: the pinned window, refusals, and whether refreshing is on hold."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.window import Ranges, Window

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A window that the gate refused, and why."""

    window: Window
    reasons: tuple[str, ...]


class Notes:
    """One surface's small files. Each is replaced whole, so that a crash leaves the old one or the new one."""

    def __init__(self, root: Path) -> None:
        self._pinned, self._refused, self._hold = root / "pinned.json", root / "refused.jsonl", root / "hold.json"

    def pinned(self) -> Window | None:
        """The window that a refresh has started on and not finished."""
        return parsed(self._pinned, Window.from_json, "Delete it: the next refresh looks at the present instead.")

    def pin(self, window: Window) -> None:
        """Remember the window until it is published or refused."""
        durable.write(self._pinned, window.to_json().encode())

    def unpin(self) -> None:
        """Forget the pinned window, if there is one."""
        if self._pinned.exists():
            self._pinned.unlink()
            durable.sync_folder(self._pinned.parent)

    def refused(self) -> list[Refusal]:
        """Every refusal, oldest first."""
        return parsed(self._refused, _refusals, "Move it away: it is a record for people.") or []

    def refuse(self, window: Window, reasons: Sequence[str]) -> None:
        """Add a refusal to the record."""
        line = json.dumps({"window": json.loads(window.to_json()), "reasons": list(reasons)}, sort_keys=True)
        before = self._refused.read_bytes() if self._refused.exists() else b""
        durable.write(self._refused, before + line.encode() + b"\n")

    def hold(self) -> tuple[str, Ranges]:
        """Why refreshing is on hold (empty if it is not), and the ranges of offsets that are left out."""
        return parsed(self._hold, _hold, "Delete it to refresh again with nothing left out.") or ("", ())

    def set_hold(self, reason: str, left_out: Ranges) -> None:
        """Replace both."""
        durable.write(self._hold, json.dumps({"reason": reason, "left_out": left_out}).encode())


def parsed(path: Path, read: Callable[[str], T], fix: str) -> T | None:
    """What `read` makes of a file's text; None if there is no file; StoreError if it cannot be read."""
    try:
        return read(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(str(path), expected="the JSON that was written there", found=repr(error), fix=fix) from error


def merged(ranges: Ranges) -> Ranges:
    """Ranges of offsets, both ends included, sorted, with neighbours and overlaps made one.

    Raises:
        UsageError: a range ends before it starts, or starts below 1.
    """
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if not 1 <= first <= last:
            raise UsageError(
                "left_out",
                expected="ranges of offsets, first <= last, from 1",
                found=f"{first}-{last}",
                fix="Take the offsets from the refused window, or from `ratoon releases`.",
            )
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def _refusals(text: str) -> list[Refusal]:
    raw = [json.loads(line) for line in text.splitlines()]
    return [Refusal(Window.from_json(json.dumps(row["window"])), tuple(row["reasons"])) for row in raw]


def _hold(text: str) -> tuple[str, Ranges]:
    raw = json.loads(text)
    return str(raw["reason"]), tuple((int(first), int(last)) for first, last in raw["left_out"])
