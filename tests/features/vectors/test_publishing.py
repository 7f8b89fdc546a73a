"""Vectors as rows: what is written and what is not, what holds at any time, and dying on the way."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.features.vectors.parts import EPOCH, US, as_of, written
from ratoon.features.vectors.publishing import Served, Vectored, publish, retire
from ratoon.features.vectors.view import VectorView
from tests.fakes.events import START, at

ROOT = Path(__file__).parents[3]
DIM = 3

Vectors = Mapping[str, Sequence[float]]


def view_in(folder: Path) -> VectorView:
    return VectorView("item_vectors", "item", folder / "item_vectors")


def served(number: int, vectors: Vectors, space: str = "s", since: datetime | None = None) -> Served:
    """Release number n, first served n seconds after START."""
    matrix = np.array(list(vectors.values()), np.float32).reshape(len(vectors), -1 if vectors else DIM)
    return Served("default", f"r{number}", number, space, since or at(number), list(vectors), matrix)


def rows_of(done: Vectored) -> list[tuple[object, ...]]:
    return [tuple(row.values())[:4] for row in pq.read_table(done.file).to_pylist()]


def held(view: VectorView, moment: datetime, space: str = "s") -> dict[str, list[float]]:
    """What a join at a moment finds: item -> vector."""
    frame = as_of(view, written(view, "default"), (moment - EPOCH) // US)
    return {row["item_id"]: row["vector"] for row in frame.to_dicts() if row["space"] == space}


def test_a_release_adds_what_differs_and_ends_what_is_gone(tmp_path: Path) -> None:
    """The first release writes every vector, the next one changed and new ones and a null for the item that is gone.

    No byte of the first file changes.
    """
    view = view_in(tmp_path)
    first = publish(view, served(1, {"a": [1, 0, 0], "b": [2, 0, 0], "c": [3, 0, 0]}), at(1))
    before = Path(first.file).read_bytes()
    second = publish(view, served(2, {"a": [1, 0, 0], "b": [2, 0.5, 0], "d": [4, 0, 0]}), at(2))
    assert [(one.rows, one.ended, one.unchanged) for one in (first, second)] == [(3, 0, 0), (2, 1, 1)]
    assert rows_of(second) == [("b", "s", [2, 0.5, 0], "r2"), ("d", "s", [4, 0, 0], "r2"), ("c", "s", None, "r2")]
    assert Path(first.file).read_bytes() == before
    assert [Path(one.file).name for one in (first, second)] == ["default-000001-r1.parquet", "default-000002-r2.parquet"]


def test_bits_are_compared(tmp_path: Path) -> None:
    """A zero that became a negative zero is a change; a vector that is the same to the bit is none."""
    view = view_in(tmp_path)
    publish(view, served(1, {"a": [0.0, 0.1, 0.2], "b": [0.0, 0.1, 0.2]}), at(1))
    again = publish(view, served(2, {"a": [-0.0, 0.1, 0.2], "b": [0.0, 0.1, 0.2]}), at(2))
    assert [row[0] for row in rows_of(again)] == ["a"]


def test_a_release_is_written_once(tmp_path: Path) -> None:
    """Publishing again, and two at once, leave one file per release; the later one says that nothing was written."""
    view = view_in(tmp_path)
    one = served(1, {f"i{number}": [number, 1, 2] for number in range(2_000)})
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: publish(view, one, at(1)), range(2)))
    assert sorted(bool(each.file) for each in done) == [False, True]
    before = {path: path.read_bytes() for path in view.folder.glob("*.parquet")}
    third = publish(view, one, at(9))
    assert (third.file, third.rows, third.unchanged) == ("", 0, 2_000)
    assert {path: path.read_bytes() for path in view.folder.glob("*.parquet")} == before
    assert len(before) == 1


def test_rows_are_valid_from_when_the_release_was_served(tmp_path: Path) -> None:
    """event_timestamp is the release's first moment, created_timestamp the present, and never before it."""
    view = view_in(tmp_path)
    late, early = publish(view, served(1, {"a": [1, 1, 1]}), at(50)), publish(view, served(2, {"a": [2, 1, 1]}), START)
    times = [pq.read_table(one.file).select(["event_timestamp", "created_timestamp"]).to_pylist()[0] for one in (late, early)]
    assert [tuple(row.values()) for row in times] == [(at(1), at(50)), (at(2), at(2))]


def test_two_spaces_lie_side_by_side(tmp_path: Path) -> None:
    """A release of a new space writes all its vectors; the old one's stay as they are, but for items that are gone."""
    view = view_in(tmp_path)
    publish(view, served(1, {"a": [1, 0, 0], "b": [2, 0, 0]}), at(1))
    new = publish(view, served(2, {"a": [1, 0, 0]}, "t"), at(2))
    assert rows_of(new) == [("a", "t", [1, 0, 0], "r2"), ("b", "s", None, "r2")]
    assert (held(view, at(3)), held(view, at(3), "t")) == ({"a": [1, 0, 0]}, {"a": [1, 0, 0]})
    assert held(view, at(2) - US) == {"a": [1, 0, 0], "b": [2, 0, 0]}
    wider = publish(view, served(3, {"a": [1, 0, 0, 9]}, "u"), at(3))
    assert wider.rows == 1


def test_a_retired_space_ends(tmp_path: Path) -> None:
    """From then on the space is null and the other one is not; before then nothing changed; a second time nothing is written."""
    view = view_in(tmp_path)
    publish(view, served(1, {"a": [1, 0, 0], "b": [2, 0, 0]}), at(1))
    publish(view, served(2, {"a": [5, 0, 0], "b": [6, 0, 0]}, "t"), at(2))
    done = retire(view, "default", "s", at(2))
    assert (done.ended, done.since, rows_of(done)) == (2, at(2) + US, [("a", "s", None, None), ("b", "s", None, None)])
    assert (held(view, at(2)), held(view, at(2) + US)) == ({"a": [1, 0, 0], "b": [2, 0, 0]}, {})
    assert held(view, at(9), "t") == {"a": [5, 0, 0], "b": [6, 0, 0]}
    again = retire(view, "default", "s", at(3))
    assert (again.ended, again.file) == (0, "")
    publish(view, served(4, {"a": [1, 0, 0]}), at(4))
    assert held(view, at(4)) == {"a": [1, 0, 0]}


def test_surfaces_do_not_meet(tmp_path: Path) -> None:
    """The items of one surface are not ended by a release of another."""
    view = view_in(tmp_path)
    publish(view, served(1, {"a": [1, 0, 0]}), at(1))
    other = Served("home", "h1", 1, "h", at(2), ["b"], np.ones((1, DIM), np.float32))
    assert rows_of(publish(view, other, at(2))) == [("b", "h", [1, 1, 1], "h1")]
    assert held(view, at(3)) == {"a": [1, 0, 0]}


RELEASES = st.lists(
    st.tuples(st.sampled_from("st"), st.dictionaries(st.sampled_from("abc"), st.sampled_from([[1.0], [2.0]]), max_size=3)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=20, deadline=None)
@given(releases=RELEASES, data=st.data())
def test_any_order_gives_what_was_served(
    tmp_path_factory: pytest.TempPathFactory, releases: list[tuple[str, Vectors]], data: st.DataObject
) -> None:
    """In whatever order releases are published, at each one's moment its space holds exactly its vectors."""
    view = view_in(tmp_path_factory.mktemp("vectors"))
    for number in data.draw(st.permutations(range(len(releases)))):
        space, vectors = releases[number]
        publish(view, served(number + 1, vectors, space), at(99))
    for number, (space, vectors) in enumerate(releases):
        assert held(view, at(number + 1), space) == vectors
    assert all(one.part.moment < other.part.moment for one, other in pairwise(written(view, "default")))


DYING = """
import sys
from pathlib import Path
import numpy as np
from datetime import UTC, datetime
from ratoon.features.vectors.publishing import Served, publish
from ratoon.features.vectors.view import VectorView

when = datetime.fromisoformat(sys.argv[2])
served = Served("default", "r2", 2, "s", when, ["a"], np.array([[7, 7, 7]], np.float32))
publish(VectorView("item_vectors", "item", Path(sys.argv[1])), served, when)
assert "feast" not in sys.modules
"""


@pytest.mark.parametrize("point", ["vectors.staged", "vectors.written"])
def test_a_kill_leaves_all_or_nothing(tmp_path: Path, point: str) -> None:
    """Killed before the rename there is no new row, after it all of them; run again, what is there is what would have been."""
    view = view_in(tmp_path)
    publish(view, served(1, {"a": [1, 0, 0]}), at(1))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform"), "RATOON_FAULT": point}
    command = [sys.executable, "-c", DYING, str(view.folder), at(2).isoformat()]
    died = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    assert held(view, at(2)) == {"a": [7, 7, 7] if point == "vectors.written" else [1, 0, 0]}
    again = publish(view, served(2, {"a": [7, 7, 7]}), at(2))
    assert bool(again.file) == (point == "vectors.staged")
    assert held(view, at(2)) == {"a": [7, 7, 7]}
    assert len(list(view.folder.glob("*.parquet"))) == 2


def test_files_of_others_are_named(tmp_path: Path) -> None:
    """A file cut short and one that was not written here stop a publication, which writes nothing."""
    view = view_in(tmp_path)
    view.folder.mkdir()
    (view.folder / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"x\.parquet of view 'item_vectors': expected a whole Parquet file, found "):
        publish(view, served(1, {"a": [1, 0, 0]}), at(1))
    pq.write_table(pa.table({"item_id": ["a"]}), view.folder / "x.parquet")
    message = r"x\.parquet of view 'item_vectors': expected one that `ratoon publish-embeddings` wrote, found a footer without"
    with pytest.raises(DataError, match=message):
        retire(view, "default", "s", at(1))
    assert len(list(view.folder.glob("*.parquet"))) == 1


def test_vectors_of_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns written in several chunks hold the same vectors."""
    monkeypatch.setattr("ratoon.features.vectors.publishing.CHUNK", 2)
    view, vectors = view_in(tmp_path), {f"i{number}": [number, 1.0, -2.0] for number in range(5)}
    publish(view, served(1, vectors), at(1))
    assert held(view, at(1) + timedelta(days=400)) == vectors
