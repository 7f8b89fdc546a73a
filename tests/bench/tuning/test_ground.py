"""What settings are tried on: the past as it was, of which nothing that came later is known."""

import pyarrow as pa
import pytest

from ratoon.bench.tuning import Ground, study_file
from ratoon.domain.errors import DataError
from ratoon.wiring import House


def ground(house: House, count: int = 2, end: int = 3_000) -> Ground:
    return Ground(house, "default", end, count)


def test_settings_are_tried_on_the_past_alone(house: House, events: pa.Table) -> None:
    """The same settings answer the same whatever comes later, other settings otherwise; nothing is published or kept."""
    house.features("default").ingest()
    registry, training = house.registry("default"), house.settings.training
    before = registry.current(), registry.runs.all(), registry.pinned()
    first = ground(house)
    one = first.slices[0]
    hits = first.hits(training, one)
    assert len(hits) == len(first.users(one)) == len(first.weights(one)) > 100
    assert 0.1 < sum(hits) / len(hits) < 0.9
    assert first.hits(training.model_copy(update={"temperature": 0.3, "epochs": 1}), one) != hits
    house.log.append(events.slice(3_500, 500))
    house.features("default").ingest()
    again = ground(house)
    assert again.slices == first.slices
    assert (again.digest(one), again.hits(training, one)) == (first.digest(one), hits)
    assert first.digest(one) != first.digest(first.slices[1])
    assert (registry.current(), registry.runs.all(), registry.pinned()) == before
    assert not (house.home / "tuning").exists()


def test_a_study_is_of_what_its_figures_follow_from(house: House) -> None:
    """The same settings have one file, others or another number of slices another one."""
    other = House(house.settings.model_copy(update={"training": house.settings.training.model_copy(update={"dim": 32})}))
    files = {study_file(one) for one in (ground(house), ground(house), ground(house, 3), ground(other))}
    assert len(files) == 3
    assert {file.parent for file in files} == {house.home / "tuning"}


@pytest.mark.parametrize(("count", "end"), [(2, 1_600), (30, 3_000)])
def test_too_little_past(house: House, count: int, end: int) -> None:
    """Of a thousand events no release learns, and of a few nobody is asked: it is said how many there are."""
    with pytest.raises(DataError, match=r"tune: expected 1,000 events before the first of"):
        _ = ground(house, count, end).slices
