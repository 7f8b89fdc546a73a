"""What refreshes leave behind for people."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.report import Stage
from ratoon.registry import FileRegistry
from ratoon.registry.runs import KEPT, Runs
from tests.fakes.runs import STAGES, T0, report
from tests.registry.releases import content, published, release


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """An empty record under a clock that a day passes on at each look."""
    times = iter(T0 + timedelta(days=day) for day in range(10_000))
    return Runs(tmp_path / "runs", lambda: next(times))


def test_a_run_is_read_as_it_was_kept(runs: Runs) -> None:
    """Every figure comes back, and the lists that grow with the catalogue are left out."""
    kept = runs.keep(report(), "parent", {"index.faiss": 3})
    assert runs.all() == [kept] == [runs.get("1")] == [runs.get("")]
    assert (kept.finished, kept.parent, kept.files) == (T0, "parent", {"index.faiss": 3})
    assert kept.report == report().brief()
    assert (kept.report.plan.writable, kept.report.window and kept.report.window.cursors) == ((), {})
    assert (kept.report.verdict, kept.report.losses, kept.report.drift) == (report().verdict, report().losses, report().drift)


def test_the_same_work_done_again_is_the_same_run(runs: Runs, tmp_path: Path) -> None:
    """Run again over the same window with the same result a run keeps its number and name; any other gets the next ones."""
    first = runs.keep(report(), "p", {})
    (name,) = [path.name for path in (tmp_path / "runs").glob("*.json")]
    slower = tuple(Stage(stage.name, 2 * stage.seconds, 3 * stage.cpu_seconds, stage.rows) for stage in STAGES)
    again = runs.keep(report(stages=slower), "p", {})
    assert (again.number, again.report.stages) == (1, slower)
    assert again.finished > first.finished
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [name.removesuffix(".json"), name]
    skipped = report(outcome="skipped", plan=RefreshPlan("skip", "nothing changed"), verdict=None, stages=())
    assert [runs.keep(told, "p", {}).number for told in (skipped, skipped, report(), skipped)] == [2, 2, 3, 4]
    assert [run.number for run in runs.all()] == [4, 3, 2, 1]


def test_a_bounded_number_is_kept(runs: Runs, tmp_path: Path) -> None:
    """The oldest runs go; numbers go on, in the order of time, and sort as names too."""
    for number in range(KEPT + 3):
        runs.keep(report(number + 1), "p", {})
    kept = [run.number for run in runs.all()]
    assert kept == list(range(KEPT + 3, 3, -1))
    names = sorted(path.name for path in (tmp_path / "runs").glob("*.json"))
    assert [int(name[:6]) for name in names] == kept[::-1]
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir())
    assert [f"{name}.json" for name in folders] == names, "figures for TensorBoard go with their run"


def test_an_unknown_run(runs: Runs) -> None:
    """What is not kept is a usage error that names the newest ones, or says how to get one."""
    with pytest.raises(UsageError, match="run: expected a run that was kept, found none. `ratoon refresh` leaves one."):
        runs.get("")
    for number in range(7):
        runs.keep(report(number + 1), "p", {})
    with pytest.raises(UsageError, match="run: expected 7, 6, 5, 4, 3 or 2 older, found '99'. `ratoon report --list`"):
        runs.get("99")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("{", "run: Invalid JSON: EOF"),
        ("[]", "run: Input should be an object"),
        ('{"number": "x"}', r"number: Input should be a valid integer.*; finished: Field required"),
        ("\udcff", "UnicodeDecodeError"),
    ],
)
def test_a_damaged_run_is_named(runs: Runs, tmp_path: Path, damage: str, what: str) -> None:
    """A file that cannot be read is named with what to do about it, and keeps nobody from adding runs."""
    runs.keep(report(), "p", {})
    (path,) = (tmp_path / "runs").glob("*.json")
    path.write_text(damage, errors="surrogateescape")
    with pytest.raises(StoreError, match=rf"{path.name}: expected the JSON that was written there, found .*{what}.* Delete it"):
        runs.get("1")
    assert runs.keep(report(8), "p", {}).number == 2


def test_a_figure_that_came_later_has_its_default(runs: Runs, tmp_path: Path) -> None:
    """A run kept before a field with a default existed is still read, and one with a field that is gone as well."""
    runs.keep(report(), "p", {})
    (path,) = (tmp_path / "runs").glob("*.json")
    raw = json.loads(path.read_text())
    del raw["report"]["losses"]
    path.write_text(json.dumps({**raw, "forgotten": 1}))
    assert runs.get("1").report.losses == {}


def test_the_registry_adds_parent_and_bytes(tmp_path: Path) -> None:
    """A publication is kept with the release it replaced and its files' bytes, any other outcome with the one that stays."""
    clock: list[datetime] = [T0]
    registry = FileRegistry(tmp_path / "releases", "home", clock.pop)
    (first,) = published(registry, 1)
    made = registry.publish(release(first, content(1)), content(1))
    registry.record(report(surface="home", release=made.id, sequence=2))
    kept = registry.runs.get("1")
    assert (kept.finished, kept.parent) == (T0, first.id)
    assert {name: kept.files[name] for name in made.files} == {name: len(data) for name, data in content(1).items()}
    clock.append(T0)
    registry.record(report(surface="home", release=made.id, sequence=2, outcome="refused"))
    assert (registry.runs.get("2").parent, registry.runs.get("2").files) == (made.id, {})
