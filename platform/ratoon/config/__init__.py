"""What Ratoon is told: ratoon.toml and the environment, read in one place."""

from ratoon.config.jobs import Alerts, Job, Operation, Upkeep, When
from ratoon.config.plan import Plan, Policy, policies
from ratoon.config.sections import Clock, Events, Explored, Gate, Index, Paths, Section, Serving, Surface, Training
from ratoon.config.settings import Processes, Settings, key, load, processes
from ratoon.places import CONFIG, HOME

__all__ = [
    "CONFIG",
    "HOME",
    "Alerts",
    "Clock",
    "Events",
    "Explored",
    "Gate",
    "Index",
    "Job",
    "Operation",
    "Paths",
    "Plan",
    "Policy",
    "Processes",
    "Section",
    "Serving",
    "Settings",
    "Surface",
    "Training",
    "Upkeep",
    "When",
    "key",
    "load",
    "policies",
    "processes",
]
