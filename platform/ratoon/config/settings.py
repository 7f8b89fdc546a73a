"""ratoon.toml and the environment, read once, validated whole. Nothing else reads either."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from ratoon.config.jobs import Alerts, Costs, Job, check
from ratoon.config.plan import Drift, Plan
from ratoon.config.retention import Retention
from ratoon.config.sections import (
    Clock,
    Events,
    Exposures,
    Gate,
    Index,
    Paths,
    Section,
    Serving,
    Surface,
    Tracing,
    Training,
    mistakes,
)
from ratoon.config.watched import Guard, Trial
from ratoon.domain.errors import UsageError
from ratoon.places import CONFIG, config_file, home

KEY, WEBHOOK = "RATOON_KEY", "RATOON_WEBHOOK"
"""Environment variables: what to ask a server with, and where alerts are posted; where things are says `places`."""


class Settings(Section):
    """Everything in ratoon.toml."""

    paths: Paths = Paths()
    clock: Clock = Clock()
    events: Events = Events()
    training: Training = Training()
    gate: Gate = Gate()
    plan: Plan = Plan()
    drift: Drift = Drift()
    index: Index = Index()
    serving: Serving = Serving()
    tracing: Tracing = Tracing()
    exposures: Exposures = Exposures()
    trial: Trial = Trial()
    guard: Guard = Guard()
    retention: Retention = Retention()
    surfaces: dict[str, Surface] = Field({"default": Surface()}, description="Surface name -> its services and policies.")
    jobs: dict[str, Job] = Field({}, description="Job name -> what is done by itself, and when.")
    alerts: Alerts = Alerts()
    costs: Costs = Costs()

    @field_validator("jobs")
    @classmethod
    def _known(cls, jobs: dict[str, Job], info: ValidationInfo) -> dict[str, Job]:
        return check(jobs, info.data.get("surfaces", {job.surface: None for job in jobs.values()}))

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


@dataclass(frozen=True, slots=True)
class Processes:
    """How this process was started.

    Attributes:
        rank, world: which of how many that train together.
        local: which on this machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 0


def processes(environment: Mapping[str, str] = os.environ) -> Processes:
    """What torchrun says of this process; one alone where it says nothing.

    Raises:
        UsageError: it says something else than numbers.
    """
    names = {"rank": "RANK", "world": "WORLD_SIZE", "local": "LOCAL_RANK"}
    said = {field: environment[name] for field, name in names.items() if name in environment}
    wrong = [f"{names[field]}={value}" for field, value in said.items() if not value.isdigit()]
    if wrong:
        fix = "Start processes that train together by torchrun, or take these out of the environment."
        raise UsageError("environment", expected="numbers", found=", ".join(wrong), fix=fix)
    return Processes(**{field: int(value) for field, value in said.items()})


def load(path: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings from `path`, from the file RATOON_CONFIG names, or from ./ratoon.toml; defaults where there is none.

    Raises:
        UsageError: with every mistake in the file at once.
    """
    file = config_file(environment, path)
    if file.is_dir() or ((path is not None or CONFIG in environment) and not file.exists()):
        found = f"the folder {file}" if file.is_dir() else str(file)
        raise UsageError(CONFIG, expected="an existing file", found=found, fix="Correct the path.")
    raw = _parsed(file) if file.exists() else {}
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise UsageError(
            str(file),
            expected="valid settings",
            found="; ".join(mistakes(error)),
            fix="Correct these; the shipped ratoon.toml lists every setting.",
        ) from error
    state = home(environment, file, settings.paths.home)
    paths = Paths(home=state, feature_repo=(file.parent / settings.paths.feature_repo).absolute())
    pem = {
        name: str(file.parent / value) for name in ("certificate", "private_key") if (value := getattr(settings.serving, name))
    }
    serving = settings.serving.model_copy(update=pem)
    alerts = settings.alerts.model_copy(update={"webhook": environment.get(WEBHOOK) or settings.alerts.webhook})
    return settings.model_copy(update={"paths": paths, "serving": serving, "alerts": alerts})


def key(environment: Mapping[str, str] = os.environ) -> str | None:
    """The API key to ask a server with, if there is one."""
    return environment.get(KEY)


def _parsed(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(str(file), expected="TOML", found=str(error), fix="Correct the syntax at that line.") from error
