"""Files of policies: read whole, and every mistake in all of them is told at once."""

import re
from pathlib import Path

import pytest

from ratoon.config import Plan, policies
from ratoon.domain.errors import UsageError
from ratoon.domain.plan import PlanPolicy

GOOD = """
every = "6 h"

[plan]
scope = "dense"
least = 100
patience = "2 d"
budget = 3600

[drift]
psi_full = 2.0
"""


def written(folder: Path, name: str, text: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_a_policy_is_named_after_its_file(tmp_path: Path) -> None:
    """What is not said is as in ratoon.toml; spans are read as there."""
    found = policies([written(tmp_path, "often.toml", GOOD), written(tmp_path, "default.toml", "")])
    assert list(found) == ["often", "default"]
    often = found["often"]
    assert (often.every, often.drift.psi_full, often.drift.psi_refuse) == (21_600.0, 2.0, 8.0)
    assert often.plan.policy == PlanPolicy("dense", least=100, patience=172_800.0, budget=3_600.0)
    assert found["default"].plan == Plan()
    assert found["default"].plan.policy == PlanPolicy()


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Settings that do not exist or fit, files that are no TOML, no text, missing or named alike: all in one error."""
    (tmp_path / "other").mkdir()
    files = [
        written(tmp_path, "a.toml", 'every = "soon"\n[plan]\nleast = 0\nscope = "index"\nhow = 1\n[drift]\npsi_full = 9.0\n'),
        written(tmp_path, "b.toml", "[plan\n"),
        written(tmp_path, "c.toml", b"\xff"),
        tmp_path / "d.toml",
        written(tmp_path, "e.toml", ""),
        written(tmp_path / "other", "e.toml", ""),
    ]
    with pytest.raises(UsageError, match=re.escape("--policies: expected valid policies, found ")) as refused:
        policies(files)
    said = str(refused.value)
    for mistake in (
        "a.toml: every: Value error, a span such as `12 h`",
        "a.toml: plan.least: Input should be greater than or equal to 1 (found 0)",
        "a.toml: plan.scope: Input should be 'auto', 'rows', 'dense' or 'full' (found 'index')",
        "a.toml: plan.how: Extra inputs are not permitted",
        "a.toml: drift: Value error, psi_warn <= psi_full <= psi_refuse is asked",
        "b.toml: Expected ']'",
        "c.toml: 'utf-8' codec can't decode",
        "d.toml: [Errno 2] No such file",
        "other/e.toml: another file has the same name",
    ):
        assert mistake in said, (mistake, said)
