"""Tests of the settings of learning."""

import re
from dataclasses import fields

import pytest

from ratoon.domain.errors import UsageError
from ratoon.training import TrainingSettings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"dim": 0}, "training.dim: expected at least 1, found 0."),
        ({"epochs": 0}, "training.epochs: expected at least 1, found 0."),
        ({"threads": -1}, "training.threads: expected at least 1, found -1."),
        ({"temperature": 0.0}, "training.temperature: expected more than 0, found 0.0."),
        ({"lr_rows": float("nan")}, "training.lr_rows: expected more than 0, found nan."),
        ({"gradient_norm": 0.0}, "training.gradient_norm: expected more than 0, found 0.0."),
        ({"row_bound": -1.0}, "training.row_bound: expected more than 0, found -1.0."),
        ({"warmup": -1}, "training.warmup: expected 0 or more, found -1."),
        ({"dropout": 1.0}, "training.dropout: expected at least 0 and below 1, found 1.0."),
        ({"negatives": -1}, "training.negatives: expected 0 or more, found -1."),
        ({"id_dropout": 1.0}, "training.id_dropout: expected at least 0 and below 1, found 1.0."),
        ({"objective": "bce"}, "training.metric: expected dot for objective bce, found 'cosine'."),
    ],
)
def test_what_cannot_be_trained_with_is_refused(setting: dict[str, int], message: str) -> None:
    """A setting outside its range is refused by name, with what would be right."""
    with pytest.raises(UsageError, match=re.escape(message)):
        TrainingSettings(**setting)  # type: ignore[arg-type]  # wrong on purpose


def test_every_setting_is_described() -> None:
    """The docstring has a line for every field."""
    assert [f.name for f in fields(TrainingSettings) if f"\n        {f.name}: " not in (TrainingSettings.__doc__ or "")] == []
