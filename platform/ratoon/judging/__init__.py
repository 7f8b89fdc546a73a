"""How good a release is on interactions that it has not learnt: what refreshes are planned, refused and published by."""

from ratoon.judging.asking import answers, index_recall, timeline, user_vectors
from ratoon.judging.jury import Jury, recorded
from ratoon.judging.pair import Pair
from ratoon.judging.pricing import priced
from ratoon.judging.questions import Questions, askable, questions
from ratoon.judging.weighing import weighed

__all__ = [
    "Jury",
    "Pair",
    "Questions",
    "answers",
    "askable",
    "index_recall",
    "priced",
    "questions",
    "recorded",
    "timeline",
    "user_vectors",
    "weighed",
]
