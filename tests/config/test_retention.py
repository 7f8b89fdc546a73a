"""What is kept is said in spans of time and in numbers of which at least one stays."""

from datetime import timedelta
from pathlib import Path

import pytest

from ratoon import config
from ratoon.domain.errors import UsageError
from ratoon.domain.retention import Retention


def read(folder: Path, text: str) -> Retention:
    path = folder / "ratoon.toml"
    path.write_text(f"[retention]\n{text}\n")
    return config.load(path, environment={}).retention.policy


def test_spans_and_numbers(tmp_path: Path) -> None:
    """What is written is what those who clear get; what is not written has its default."""
    policy = read(tmp_path, 'releases = 3\ncheckpoints = "36 h"')
    assert (policy.releases, policy.checkpoints, policy.unfinished) == (3, timedelta(hours=36), timedelta(days=1))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("releases = 0", r"retention\.releases: .* greater than or equal to 1"),
        ("runs = 201", r"retention\.runs: .* less than or equal to 200"),
        ("checkpoints = 90", r"retention\.checkpoints: .*a span such as `30 d`"),
        ('unfinished = "40000 d"', r"retention\.unfinished: .*of at most 36500 d"),
    ],
)
def test_what_would_keep_nothing_or_is_no_span(tmp_path: Path, text: str, mistake: str) -> None:
    """Each is refused with the setting's name and what is asked."""
    with pytest.raises(UsageError, match=mistake):
        read(tmp_path, text)
