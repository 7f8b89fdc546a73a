"""When a feature row is valid: strictly after its event, and strictly after it could be known."""

TICK_US = 1
"""What a row's two stamps are later by than the event's time and the arrival of the newest event it depends on."""
