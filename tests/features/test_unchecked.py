"""What typeguard would do to Feast."""

import sys
from typing import Any

import pytest
import typeguard

from ratoon.features.unchecked import Unchecked, as_it_is, install


def test_the_checks_are_taken_away_when_feast_is_imported_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another module's import changes nothing, Feast's does, and both are found by whoever finds them otherwise."""
    before = object()
    monkeypatch.setattr(typeguard, "typechecked", before)
    assert Unchecked().find_spec("feasts", None) is None
    assert typeguard.typechecked is before
    assert Unchecked().find_spec("feast", None) is None
    assert typeguard.typechecked is as_it_is


def test_a_marked_class_stays_what_it_was() -> None:
    """With arguments and without, the decorator gives back the very object."""

    class Marked:
        pass

    assert as_it_is(Marked) is Marked
    assert as_it_is(forward_ref_policy=None)(Marked) is Marked


def test_it_is_installed_once_and_first() -> None:
    """Importing this room has put it before all other finders, and installing it again adds none."""
    assert sum(isinstance(one, Unchecked) for one in sys.meta_path) == 1
    finders: list[Any] = [object()]
    install(finders)
    install(finders)
    assert [isinstance(one, Unchecked) for one in finders] == [True, False]
