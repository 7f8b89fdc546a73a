"""The sections of ratoon.toml that say what a release must hold in front of users: on trial, and as everybody's."""

from pydantic import Field

from ratoon.config.jobs import Period
from ratoon.config.sections import Section
from ratoon.domain.guard import Limits
from ratoon.domain.trial import Guards


class Trial(Section):
    """What a release on trial must hold, or it falls back (`ratoon refresh --trial`)."""

    errors: float = Field(0.001, gt=0, lt=0.1, description="Share of its answers that may fail.")
    latency: float = Field(2.0, ge=1, description="How many times the current release's time its stages may take.")
    overlap: float = Field(0.1, ge=0, lt=1, description="In shadow: least share of candidates that both would show.")
    loss: float = Field(0.1, ge=0, lt=1, description="In a canary: relative loss of interactions per answer that is let pass.")
    alpha: float = Field(0.05, gt=0, lt=1, description="Probability that one that holds all of this ever falls back.")
    least: int = Field(200, ge=2, description="Answers, and users on either side, before a mean says anything.")

    @property
    def guards(self) -> Guards:
        """The same for those who judge."""
        return Guards(**self.model_dump())


class Guard(Section):
    """What a release must hold once it is everybody's, or the one before it is published again and refreshing held."""

    span: Period | None = Field(
        None, description="How long after its adoption a release is watched, as `1 h`; without it, never."
    )
    errors: float = Field(0.01, gt=0, lt=0.1, description="Share of its answers that may fail.")
    popular: float = Field(0.2, gt=0, lt=1, description="Rise let pass of the share of users who are shown what is popular.")
    latency: float = Field(3.0, ge=1, description="How many times the earlier releases' time its stages may take.")
    loss: float = Field(0.2, ge=0, lt=1, description="Relative loss of interactions per answer that is let pass.")
    wait: Period = Field(600.0, description="How long after an answer an interaction may name it, as `10 min`.")
    alpha: float = Field(0.001, gt=0, lt=1, description="Probability that one that holds all of this is taken back.")
    least: int = Field(500, ge=2, description="Answers, and users, of either side before a mean says anything.")

    @property
    def limits(self) -> Limits | None:
        """The same for those who judge; None where nothing is watched."""
        return Limits(**self.model_dump()) if self.span is not None else None
