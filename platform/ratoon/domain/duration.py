"""Spans of time in words."""

import re

_UNITS = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0))


def duration(seconds: float) -> str:
    """A span with a unit that a person reads at a glance: `3.0 d`, `1.5 h`, `5 min`, `12 s`.

    Args:
        seconds: not negative.
    """
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} min" if unit == "min" else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 or not seconds else f"{seconds:.1g} s"


def seconds(text: str) -> float | None:
    """The span that a text such as `30 d`, `1.5h`, `5 min` or `12 s` says; None if it says none."""
    said = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?(d|h|min|s)", text.strip(), re.ASCII)
    return float(said[1]) * dict((*_UNITS, ("s", 1.0)))[said[2]] if said else None
