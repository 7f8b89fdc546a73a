"""Manifests travel as JSON, and an id is everything that makes a release what it is."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.release import Release, release_id
from ratoon.domain.window import Window

WINDOW = Window(3, 9, datetime(2020, 1, 1, tzinfo=UTC), {"profile": {"a.parquet": "7"}}, ((4, 5),))
PARTS: dict[str, object] = {"parent": "p", "window": WINDOW, "scope": "rows", "seed": 1, "files": {"a": "1", "b": "2"}}


@given(
    id=st.text(max_size=8),
    sequence=st.integers(1, 10**9),
    parent=st.text(max_size=8),
    scope=st.sampled_from(["skip", "rows", "full", "rollback"]),
    metric=st.sampled_from(["cosine", "dot"]),
    seed=st.integers(0, 2**64),
    written=st.lists(st.text(max_size=4)).map(tuple),
    files=st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_manifest_round_trip(written: tuple[str, ...], **fields: object) -> None:
    """JSON gives the same manifest back, and the same bytes."""
    release = Release(
        surface="home",
        window=WINDOW,
        dim=32,
        schema_hash="s",
        written_items=written,
        **fields,  # type: ignore[arg-type]
    )
    again = Release.from_json(release.to_json())
    assert again == release
    assert again.to_json() == release.to_json()


def made(**changes: object) -> Release:
    """A release of the surface `home`, except for `changes`."""
    plain = Release("r", "home", 1, "", WINDOW, "full", 32, "cosine", "s", 0, (), {"item.safetensors": "1"})
    return replace(plain, **changes)  # type: ignore[arg-type]


@given(moment=st.none() | st.datetimes(timezones=st.just(UTC)), space=st.text(max_size=4))
def test_space_and_moment_travel(moment: datetime | None, space: str) -> None:
    """When a release was published and the space it stayed in come back from JSON; older manifests have neither."""
    release = made(published=moment, space=space)
    assert Release.from_json(release.to_json()) == release
    older = json.loads(release.to_json())
    del older["published"], older["space"]
    assert Release.from_json(json.dumps(older)) == made()


def test_a_space_is_named_by_what_began_it() -> None:
    """A release without a parent's space has one of its surface and files, which a rollback to it shares; others have others."""
    first = made()
    assert len(first.vector_space) == 16
    assert made(id="q", sequence=9, parent="r", scope="rollback").vector_space == first.vector_space
    assert made(space=first.vector_space, files={"item.safetensors": "2"}, scope="rows").vector_space == first.vector_space
    others = made(files={"item.safetensors": "2"}), made(surface="similar")
    assert len({first.vector_space, *(other.vector_space for other in others)}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"parent": "q"},
        {"window": replace(WINDOW, start=2)},
        {"window": replace(WINDOW, end=10)},
        {"window": replace(WINDOW, as_of=datetime(2020, 1, 2, tzinfo=UTC))},
        {"window": replace(WINDOW, cursors={})},
        {"window": replace(WINDOW, left_out=())},
        {"scope": "full"},
        {"seed": 2},
        {"files": {"a": "1", "b": "3"}},
        {"files": {"a": "1", "c": "2"}},
        {"files": {"a": "1"}},
    ],
    ids=str,
)
def test_id_changes_with_every_part(change: dict[str, object]) -> None:
    """Another parent, window, scope, seed or file is another release."""
    assert release_id(**PARTS | change) != release_id(**PARTS)  # type: ignore[arg-type]


def test_id_is_reproducible() -> None:
    """The order in which files were listed does not show, and the id is the one that the first version gave."""
    parts = PARTS | {"window": replace(WINDOW, cursors={})}
    turned = release_id(**parts | {"files": {"b": "2", "a": "1"}})  # type: ignore[arg-type]
    assert turned == release_id(**parts) == "5428369b39c0eae30f04cfc4814b4b0c21c5b20d53ba71c5dc16a93ccad17cdd"  # type: ignore[arg-type]
