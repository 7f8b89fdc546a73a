"""Figures as people read them."""

from datetime import datetime, timedelta

STEPS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def span(seconds: float | None) -> str:
    """A duration in the largest unit that it has one of, with two or three digits; a dash for none."""
    if seconds is None:
        return "–"
    for size, unit in STEPS:
        if seconds >= size:
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return "0 s" if seconds <= 0 else "< 1 µs"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago a moment was."""
    passed = now - moment
    return f"{span(passed.total_seconds())} ago" if passed >= timedelta(seconds=1) else "just now"


def moment(when: datetime) -> str:
    """A moment, to the minute."""
    return f"{when:%Y-%m-%d %H:%M} UTC"
