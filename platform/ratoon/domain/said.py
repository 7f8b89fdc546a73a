"""What callers say in JSON: times, and what is shown of it in errors."""

from datetime import datetime


def moment_of(text: str) -> datetime | None:
    """The time that RFC 3339 text names; None if it names none, or one without a zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def shown(raw: object) -> str:
    """What was found, cut short."""
    said = repr(raw)
    return said if len(said) <= 80 else said[:77] + "..."
