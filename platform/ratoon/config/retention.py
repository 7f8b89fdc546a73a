"""The section of ratoon.toml that says what is kept, and how long. What was shown has a section of its own, `exposures`."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from ratoon.config.sections import Section
from ratoon.domain import retention
from ratoon.domain.duration import seconds


def _span(said: object) -> timedelta:
    span = seconds(said) if isinstance(said, str) else None
    if isinstance(said, timedelta):
        return said
    if span is None or span > _LONGEST:
        raise ValueError("a span such as `30 d`, `12 h`, `5 min` or `20 s`, of at most 36500 d, is asked")
    return timedelta(seconds=span)


_LONGEST = 36_500 * 86_400.0

Span = Annotated[timedelta, BeforeValidator(_span)]
"""A span of time, as text."""


class Retention(Section):
    """What `ratoon gc` and `ratoon backup` leave."""

    releases: int = Field(20, ge=1, description="Newest releases of a surface, the served one among them.")
    runs: int = Field(200, ge=1, le=200, description="Newest records of what refreshes did.")
    checkpoints: Span = Field(timedelta(days=7), description="How long the checkpoint of a training that died is kept.")
    unfinished: Span = Field(timedelta(days=1), description="How long a file is kept that was never finished.")
    backups: int = Field(14, ge=1, description="Newest backups in a folder.")
    stream: Span | Literal["never"] = Field(
        "never", description="How long events stay in the stream of `[events] store = redis`, once every server has them."
    )

    @property
    def policy(self) -> retention.Retention:
        """The same for those who clear."""
        return retention.Retention(**{**self.model_dump(), "stream": None if self.stream == "never" else self.stream})
