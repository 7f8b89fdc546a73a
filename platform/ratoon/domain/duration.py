"""Spans of time in words."""

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
