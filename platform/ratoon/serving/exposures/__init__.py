"""The exposure log: what was shown, how likely it was, what followed, and what another policy would have earned."""

from ratoon.serving.exposures.exposure import Exposure, Kept
from ratoon.serving.exposures.joining import Coverage, coverage, interactions_since, joined
from ratoon.serving.exposures.log import Counts, ExposureLog
from ratoon.serving.exposures.showing import Chance, exposed
from ratoon.serving.exposures.stored import StoredExposures
from ratoon.serving.exposures.targets import released, unlogged
from ratoon.serving.exposures.valuing import Question, Target, Worth, worth

FILE = "exposures/exposures.sqlite"
"""Where it is under the home."""

__all__ = [
    "FILE",
    "Chance",
    "Counts",
    "Coverage",
    "Exposure",
    "ExposureLog",
    "Kept",
    "Question",
    "StoredExposures",
    "Target",
    "Worth",
    "coverage",
    "exposed",
    "interactions_since",
    "joined",
    "released",
    "unlogged",
    "worth",
]
