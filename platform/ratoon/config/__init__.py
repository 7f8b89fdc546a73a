"""What Ratoon is told: ratoon.toml and the environment, read in one place."""

from ratoon.config.jobs import Alerts, Job, Operation, When
from ratoon.config.sections import Clock, Explored, Gate, Index, Paths, Section, Serving, Surface, Training
from ratoon.config.settings import CONFIG, HOME, Processes, Settings, key, load, processes

__all__ = [
    "CONFIG",
    "HOME",
    "Alerts",
    "Clock",
    "Explored",
    "Gate",
    "Index",
    "Job",
    "Operation",
    "Paths",
    "Processes",
    "Section",
    "Serving",
    "Settings",
    "Surface",
    "Training",
    "When",
    "key",
    "load",
    "processes",
]
