"""What commands are forked from: it has imported what they need, and knows nothing of the home that they work on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratoon import config
from ratoon.jobs.child import Child, Ended
from ratoon.jobs.warm import Warm
from ratoon.refresh import refresh
from ratoon.wiring import House
from tests.fakes.ratoon_late import INTO
from tests.fakes.work import over

HEAVY = {"duckdb", "faiss", "feast", "pandas", "pandera", "polars", "pyarrow", "scipy", "sqlalchemy", "torch", "ratoon"}


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INTO, str(tmp_path_factory.mktemp("late") / "imports"))
        with Warm("tests.fakes.ratoon_late", "ratoon.cli.warm") as made:
            yield made


def ratoon(warm: Warm, *words: str) -> Ended:
    return over(Child(words, ["/nowhere"], warm=warm))


def test_a_forked_refresh_is_like_any_other(
    warm: Warm, copied: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes the release that another process makes, dies where it is told to, sees what was changed, and imports little.

    Afterwards what it was forked from has no file of the home open.
    """
    file = copied("forked")
    monkeypatch.setenv(config.CONFIG, str(file))
    monkeypatch.delenv(config.HOME, raising=False)
    monkeypatch.setenv(INTO, str(tmp_path / "imports"))

    monkeypatch.setenv("RATOON_FAULT", "refresh.embedded")
    assert ratoon(warm, "refresh", "--json").code == -9
    monkeypatch.delenv("RATOON_FAULT")
    done = ratoon(warm, "refresh", "--json")
    assert done.code == 0, done.complained
    other, said = House(config.load(copied("other"), environment={})), json.loads(done.said)
    report = refresh(other.workshop("default"), other.stopwatch())
    assert (said["outcome"], said["release"]) == ("published", report.release)
    late = {name.partition(".")[0] for name in (tmp_path / "imports").read_text().split()}
    assert not late & HEAVY

    users = file.parent / "feature_repo" / "users.py"
    users.write_text(users.read_text() + "\nraise RuntimeError('as it is now')\n")
    changed = ratoon(warm, "refresh", "--json")
    assert changed.code != 0
    assert "as it is now" in changed.complained
    file.write_text("[paths]\nhom = 1\n")
    assert "hom" in ratoon(warm, "refresh", "--json").complained

    opened = {str(one.readlink()) for one in Path(f"/proc/{warm.pid}/fd").iterdir()}
    assert {one.partition(":")[0].removesuffix(" (deleted)").rpartition("#")[0] for one in opened} <= {"", "/tmp/"}, opened
