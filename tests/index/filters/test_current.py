"""What is evaluated, and what is not evaluated again."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest

from ratoon.domain.matching import Bools, Column, matching
from ratoon.domain.predicate import All, Equals, Has, Predicate, Range
from ratoon.index.filters import current
from ratoon.index.filters.current import MOST, Filters
from ratoon.index.filters.encoded import Encoded
from ratoon.index.items.journal import FEW
from ratoon.index.items.slots import Slots

ASKED = All((Range("n", 100, 199), Has("l", "even")))


@pytest.fixture
def evaluated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each evaluation looked at."""
    rows: list[int] = []

    def counted(predicate: Predicate, columns: Mapping[str, Column]) -> Bools:
        found = matching(predicate, columns)
        rows.append(len(found))
        return found

    monkeypatch.setattr(current, "matching", counted)
    return rows


def put(slots: Slots, numbers: list[int], **columns: list[object]) -> None:
    """Items i0, i1, ... with their numbers and whether these are even."""
    told: dict[str, object] = {"n": numbers, "l": [["even"] if number % 2 == 0 else ["odd"] for number in numbers], **columns}
    ids = [f"i{number}" for number in numbers]
    slots.put(ids, pa.table({"item_id": ids, **told}))


def filled(count: int) -> Slots:
    """Slots with `count` items."""
    slots = Slots()
    put(slots, list(range(count)))
    return slots


def test_only_edited_slots_are_evaluated_again(evaluated: list[int]) -> None:
    """The first question looks at every slot, the next at none, and after an edit at those that it was about, each once."""
    slots = filled(2_000)
    asking = Filters(slots)
    assert asking.matches(ASKED).count == 50
    assert asking.matches(ASKED).count == 50
    assert evaluated == [2_000]
    put(slots, [150, 151], n=[0, 100])
    put(slots, [150], n=[7])
    slots.free(["i120", "i121"])
    put(slots, [5_000], n=[110])
    assert asking.matches(ASKED).count == 49
    assert evaluated == [2_000, 5 - (1 if "i5000" in slots and slots.of(["i5000"])[0] in (120, 121) else 0)]
    assert asking.matching(["i150", "i5000", "i120", "i100", "nobody"], ASKED) == ["i5000", "i100"]


def test_who_is_too_far_behind_looks_at_all(evaluated: list[int]) -> None:
    """When more was edited than is remembered, or a column has another type, everything is evaluated, and right."""
    slots = filled(3_000)
    asking = Filters(slots)
    asking.matches(ASKED)
    put(slots, list(range(FEW + 1)), n=[150] * (FEW + 1))
    assert asking.matches(ASKED).count == (FEW + 2) // 2
    put(slots, [4_000], n=[0.5])
    assert asking.matches(ASKED).count == (FEW + 2) // 2
    assert evaluated == [3_000, 3_000, 3_001]


def test_few_predicates_are_kept(evaluated: list[int]) -> None:
    """Of more predicates than are kept the one that was asked for longest ago is evaluated again."""
    asking = Filters(filled(10))
    for number in range(MOST + 1):
        asking.matches(Equals("n", number))
        asking.matches(Equals("n", 1))
    assert len(evaluated) == MOST + 1
    asking.matches(Equals("n", 1))
    assert len(evaluated) == MOST + 1
    asking.matches(Equals("n", 0))
    assert len(evaluated) == MOST + 2


def test_strings_that_went_are_forgotten(evaluated: list[int]) -> None:
    """A column through which more strings went than there are items is made anew, with the ones of now."""
    slots = Slots()
    asking = Filters(slots)
    for number in range(1_100):
        slots.put(["a"], pa.table({"item_id": ["a"], "w": [f"w{number}"]}))
        assert asking.matches(Equals("w", f"w{number}")).all.tolist() == [0]
        assert asking.matches(Equals("w", "w0")).count == (number == 0)
    assert asking._columns["w"].column().size < 1_100
    assert set(evaluated) == {1}


def test_an_emptied_index_and_its_slots_filled_again() -> None:
    """What took the slots of items that are gone is found, and no more than that."""
    slots = filled(300)
    asking = Filters(slots)
    assert asking.matches(ASKED).count == 50
    slots.reuse(slots.free([f"i{number}" for number in range(300)]))
    assert asking.matches(ASKED).count == 0
    put(slots, [100, 102, 7])
    assert len(slots.ids) == 300
    assert sorted(slots.ids.take(asking.matches(ASKED).all)) == ["i100", "i102"]


def test_a_new_filter_is_not_ready_among_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to be evaluated is not ready, what was is, and what cannot be evaluated makes nobody wait."""
    monkeypatch.setattr(current, "FEW", 100)
    slots = filled(300)
    asking = Filters(slots)
    assert not asking.ready(ASKED)
    asking.matches(ASKED)
    assert asking.ready(ASKED)
    assert not asking.ready(Equals("n", 7))
    assert asking.ready(Equals("l", 7))
    put(slots, [7], n=[8])
    assert asking.ready(ASKED)
    put(slots, list(range(300)), n=[0.5] * 300)
    assert not asking.ready(ASKED)
    monkeypatch.setattr(current, "FEW", 1_000)
    assert asking.ready(ASKED)


def test_a_column_is_read_while_items_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes of items while a column is read for the first time is in what matches, and others ask meanwhile."""
    slots = filled(400)
    asking = Filters(slots)
    assert asking.matches(Equals("n", 150)).count == 1

    class Slow(Encoded):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            put(slots, [151, 500], l=[["both"], ["both"]])
            slots.free(["i152"])
            assert asking.matches(Equals("n", 500)).count == 1
            assert asking.matches(Equals("n", 152)).count == 0

    monkeypatch.setattr(current, "Encoded", Slow)
    assert sorted(slots.ids.take(asking.matches(Has("l", "both")).all)) == ["i151", "i500"]
    assert asking.matches(Has("l", "even")).count == 199


def test_a_column_is_read_again_if_too_much_became_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more changes than is remembered while a column is read, or its type does, it is read anew."""
    slots = filled(400)
    turns: Iterator[list[object]] = iter([[7] * (FEW + 1), [0.5] * (FEW + 1)])
    asking, numbers = Filters(slots), list(range(FEW + 1))

    class Slow(Encoded):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            for values in turns:
                put(slots, numbers, n=values)
                break

    monkeypatch.setattr(current, "Encoded", Slow)
    assert asking.matches(Equals("n", 0.5)).count == FEW + 1
