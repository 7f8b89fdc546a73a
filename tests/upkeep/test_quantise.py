"""Rows and layers in fewer bits: what they take, what they cost, and what refreshes on top make of them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from ratoon import config
from ratoon.domain.errors import UsageError
from ratoon.towers import open_own
from ratoon.upkeep.quantise import Quantise
from ratoon.wiring import House
from tests.upkeep.remade import current, interrupted, learnt, remade, vectors


def test_a_release_takes_less_room_everywhere_and_answers_as_well(house: House) -> None:
    """The smallest form that fit rows allow is taken and told; files and memory shrink, and vectors hardly turn."""
    source = current(house)
    report = remade(house, Quantise())
    assert (report.outcome, report.upkeep is None) == ("published", False)
    assert report.upkeep is not None
    smaller, curve = current(house), report.upkeep.curve
    assert [point.bytes for point in curve] == sorted((point.bytes for point in curve), reverse=True)
    chosen = next(point for point in curve if point.chosen)
    assert chosen.bytes == min(point.bytes for point in curve if point.recall >= 0.995)
    assert report.upkeep.before is not None
    assert report.upkeep.after is not None
    assert report.upkeep.after.memory < report.upkeep.before.memory
    assert report.upkeep.after.disk < report.upkeep.before.disk
    tables = [open_own(pair.model).weights.tables["item_id"].nbytes for pair in (source, smaller)]
    assert tables[1] == tables[0] * (16 + 4) // (16 * 4)
    before, after = (np.array([np.frombuffer(one, np.float32) for one in vectors(pair).values()]) for pair in (source, smaller))
    assert ((before * after).sum(axis=1) >= 0.995).all()


def test_refreshes_on_top_keep_the_form_and_what_they_do_not_move(house: House) -> None:
    """A rows refresh leaves items that it does not write as they were to the bit, and what it writes is in the same form."""
    report = remade(house, Quantise("int8", "int8"))
    assert report.outcome == "published", report.verdict
    before = current(house)
    moved = learnt(house, "rows")
    written = {*house.registry("default").get(None).written_items}
    assert {item: row for item, row in vectors(moved).items() if item not in written} == {
        item: row for item, row in vectors(before).items() if item not in written
    }
    assert set(vectors(before)) - written
    assert _types(moved.model["item.safetensors"]) == {"float32", "int8"}
    assert json.loads(moved.model["model.json"])["forms"] == {"tables": "int8", "layers": "int8"}


def _types(data: bytes) -> set[str]:
    return {str(tensor.dtype) for tensor in load(data).values()}


@pytest.mark.parametrize("scope", ["dense", "full"])
def test_the_form_lasts_until_all_is_learnt_anew(house: House, scope: str) -> None:
    """A dense refresh writes the form again; a full one starts from nothing, in float32."""
    assert remade(house, Quantise("int8", "float16")).outcome == "published"
    after = learnt(house, scope)  # type: ignore[arg-type]  # parametrised as text
    assert _types(after.model["item.safetensors"]) == ({"float32", "float16", "int8"} if scope == "dense" else {"float32"})


def test_an_interrupted_one_is_done_again_to_the_same_bytes(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that failed half-way leaves nothing, and done again is the release of one that did not fail."""
    first, second = (House(config.load(copied(name), environment={})) for name in ("first", "second"))
    assert remade(first, Quantise("int8", "float16")).outcome == "published"
    assert interrupted(second, Quantise("int8", "float16"), monkeypatch) == first.registry("default").get(None).id


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tables": "int4"}, "--tables: expected one of auto, float32, float16, int8, found 'int4'"),
        ({"layers": ""}, "--layers: expected one of"),
        ({"loss": 1.0}, "--loss: expected a share from 0 to below 1, found 1.0"),
        ({"loss": -0.1}, "--loss: expected a share"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, object], message: str) -> None:
    """A form that there is not and a loss that cannot be are refused before anything is made."""
    with pytest.raises(UsageError, match=message):
        Quantise(**settings)  # type: ignore[arg-type]  # wrong on purpose
