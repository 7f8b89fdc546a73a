"""ratoon.toml and the environment, read once, validated whole. Nothing else reads either."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ratoon.domain.duration import seconds
from ratoon.domain.errors import UsageError

HOME, CONFIG = "RATOON_HOME", "RATOON_CONFIG"
"""Environment variables: where state lives, and which configuration file to read."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Paths(_Section):
    """Where things are; relative paths are relative to the configuration file."""

    home: Path = Field(Path("var"), description="All state: events, features, releases. RATOON_HOME overrides it.")
    feature_repo: Path = Field(Path("feature_repo"), description="The Feast repository.")


class Clock(_Section):
    """What time it is."""

    mode: Literal["wall", "log"] = Field(
        "wall", description="`wall`: the machine's; `log`: the newest acknowledged event's, for replays of old data."
    )


def _half_life(said: object) -> float | None:
    """Seconds, or None for `never`."""
    span = seconds(said) if isinstance(said, str) and said != "never" else None
    if not span and said != "never":
        raise ValueError("a span such as `30 d`, `12 h`, `5 min` or `20 s`, longer than nothing, or `never` is asked")
    return span


class Training(_Section):
    """The towers and how they learn."""

    objective: Literal["softmax", "bce", "mse"] = Field("softmax", description="What is minimised.")
    metric: Literal["cosine", "dot"] = Field("cosine", description="How vectors are compared, in training and in the index.")
    dim: int = Field(64, ge=2, le=4096, description="Length of the vectors.")
    epochs: int = Field(3, ge=1, description="Most passes over history when learning from nothing.")
    passes: int = Field(1, ge=1, description="Passes over new and replayed rows when refreshing.")
    replay_half_life: Annotated[float | None, BeforeValidator(_half_life)] = Field(
        None, description="Age that halves the odds of a past interaction to be replayed, as `30 d`; `never`: the same odds."
    )
    seed: int = Field(0, ge=0, description="Of every random choice.")
    threads: int = Field(1, ge=1, description="CPU threads of training; more of them spin where cores are shared.")


class Gate(_Section):
    """What a candidate must hold."""

    k: int = Field(50, ge=1, description="Depth at which recall is judged.")
    tolerance: float = Field(0.05, ge=0, lt=1, description="Relative loss of recall that is let pass.")
    index_recall: float = Field(0.95, ge=0, le=1, description="Least share of the exact top k that the index returns.")
    rows: int = Field(2000, ge=1, description="Most interactions judged per slice.")


class Drift(_Section):
    """How far the towers' inputs may move from what a release learnt; each limit is a PSI beyond what chance explains."""

    psi_warn: float = Field(0.25, ge=0, description="Said in reports from here on.")
    psi_full: float = Field(5.0, ge=0, description="Learnt anew from all history from here on.")
    psi_refuse: float = Field(8.0, ge=0, description="Not published from here on.")
    least: int = Field(50, ge=1, description="With fewer new users (or items, for an item's input) nothing is concluded.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.psi_warn <= self.psi_full <= self.psi_refuse:
            raise ValueError("psi_warn <= psi_full <= psi_refuse is asked")
        return self


class Surface(_Section):
    """One place where recommendations are shown; it has its own releases."""

    user_service: str = Field("user_tower", description="FeatureService that feeds the user tower.")
    item_service: str = Field("item_tower", description="FeatureService that feeds the item tower.")
    repeat: Literal["mask", "allow"] = Field("mask", description="Whether items a user has had may be offered again.")


class Serving(_Section):
    """The retrieval API."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 for any free one.")
    poll_seconds: float = Field(0.5, gt=0, description="How often to look for a new release.")


class Settings(_Section):
    """Everything in ratoon.toml."""

    paths: Paths = Paths()
    clock: Clock = Clock()
    training: Training = Training()
    gate: Gate = Gate()
    drift: Drift = Drift()
    serving: Serving = Serving()
    surfaces: dict[str, Surface] = Field({"default": Surface()}, description="Surface name -> its services and policies.")

    def surface(self, name: str) -> Surface:
        """One surface by name."""
        if name not in self.surfaces:
            raise UsageError(
                "surface",
                expected=f"one of {', '.join(self.surfaces)}",
                found=repr(name),
                fix="Add it to ratoon.toml under [surfaces], or name another.",
            )
        return self.surfaces[name]


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings from `path`, from the file RATOON_CONFIG names, or from ./ratoon.toml; defaults where there is none.

    Raises:
        UsageError: with every mistake in the file at once.
    """
    named = path or (Path(environment[CONFIG]) if CONFIG in environment else None)
    file = (named or Path("ratoon.toml")).absolute()
    if named is not None and not file.exists():
        raise UsageError(CONFIG, expected="an existing file", found=str(file), fix="Correct the path.")
    raw = _parsed(file) if file.exists() else {}
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, one['loc']))}: {one['msg']} (found {one['input']!r})" for one in error.errors()]
        raise UsageError(
            str(file),
            expected="valid settings",
            found="; ".join(mistakes),
            fix="Correct these; the shipped ratoon.toml lists every setting.",
        ) from error
    home = Path(environment.get(HOME) or file.parent / settings.paths.home).absolute()
    paths = Paths(home=home, feature_repo=(file.parent / settings.paths.feature_repo).absolute())
    return settings.model_copy(update={"paths": paths})


def _parsed(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(str(file), expected="TOML", found=str(error), fix="Correct the syntax at that line.") from error
