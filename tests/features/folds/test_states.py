"""States on disk: the newest of each entity, in few files, never as of another offset than the files say."""

from pathlib import Path

import pyarrow as pa

from ratoon.features.folds.fold import Plan
from ratoon.features.folds.states import States, schema
from ratoon.features.views import View, ViewField


def plan(folder: Path, *expressions: str) -> Plan:
    fields = tuple(ViewField(f"f{place}", "INT64", expression) for place, expression in enumerate(expressions or ["count"]))
    return Plan(View("s", "v", "user", "interaction", f"{folder}/v/*.parquet", "event_timestamp", fields))


def states(of: Plan, counts: dict[str, int]) -> pa.Table:
    rows = [
        {"key": key, "at": count, "newest": f"e{count}", "total count.0": count, "tail time": [count], "tail value": [0.5]}
        for key, count in counts.items()
    ]
    return pa.Table.from_pylist(rows, schema(of))


def loaded(of: States, *keys: str) -> dict[int, int]:
    """Place among `keys` -> what is counted there."""
    table, places = of.load(pa.array(keys, pa.string()))
    return dict(zip(places.tolist(), table.column("total count.0").to_pylist(), strict=True))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "v" / ".state").iterdir())


def test_the_newest_state_is_found(tmp_path: Path) -> None:
    """Of an entity in several files the newest state is read, with its place among the keys asked; unknown ones have none."""
    view = plan(tmp_path)
    kept = States(view)
    assert (kept.position, loaded(kept, "a")) == (0, {})
    kept.save(states(view, dict.fromkeys("abcdefgh", 1)), 10)
    kept.save(states(view, {"b": 2}), 20)
    assert names(tmp_path) == ["state-000000000000-000000000010.arrow", "state-000000000010-000000000020.arrow"]
    for there in (kept, States(view)):
        assert there.position == 20
        assert loaded(there, "x", "h", "b", "a") == {1: 1, 2: 2, 3: 1}


def test_files_are_merged_before_they_are_many(tmp_path: Path) -> None:
    """After a hundred steps there are at most a handful of files, and every entity's newest state is in them."""
    view = plan(tmp_path)
    kept = States(view)
    for step in range(1, 101):
        kept.save(states(view, {f"u{step % 30}": step, f"v{step}": step}), step)
    assert len(names(tmp_path)) <= 6
    newest = {0: 90} | {key: key + (90 if key <= 10 else 60) for key in range(1, 30)}
    assert loaded(States(view), *[f"u{key}" for key in range(30)]) == newest
    assert loaded(States(view), *[f"v{key}" for key in range(101)]) == {key: key for key in range(1, 101)}


def test_what_a_crash_leaves_is_not_trusted(tmp_path: Path) -> None:
    """Killed while merging, the merged file counts and its parts go; behind a missing or broken file nothing counts."""
    view = plan(tmp_path)
    kept = States(view)
    kept.save(states(view, {"a": 1, "b": 1}), 10)
    before = (tmp_path / "v" / ".state" / "state-000000000000-000000000010.arrow").read_bytes()
    kept.save(states(view, {"a": 2, "c": 2}), 20)
    folder = tmp_path / "v" / ".state"
    assert names(tmp_path) == ["state-000000000000-000000000020.arrow"]
    (folder / "state-000000000000-000000000010.arrow").write_bytes(before)
    (folder / "state-000000000030-000000000040.arrow").write_bytes(before)
    (folder / ".state-000000000020-000000000030.arrow.77.new").write_bytes(before[:40])
    (folder / "state-000000000020-000000000030.arrow").write_bytes(before[:-40])
    again = States(view)
    assert names(tmp_path) == ["state-000000000000-000000000020.arrow"]
    assert (again.position, loaded(again, "a", "b", "c")) == (20, {0: 2, 1: 1, 2: 2})


def test_states_of_another_edition_are_not_trusted(tmp_path: Path) -> None:
    """States made by other expressions are removed, not read, even where their columns are the same."""
    view, other = plan(tmp_path, "count", "count(1h)"), plan(tmp_path, "count", "count(2h)")
    States(view).save(states(view, {"a": 1}), 10)
    assert schema(view).equals(schema(other))
    assert States(other).position == 0
    assert names(tmp_path) == []


def test_a_cleared_state_is_as_of_nothing(tmp_path: Path) -> None:
    """After `clear` no entity has a state."""
    view = plan(tmp_path)
    kept = States(view)
    kept.save(states(view, {"a": 1}), 10)
    kept.clear()
    assert (kept.position, loaded(kept, "a"), names(tmp_path)) == (0, {}, [])
