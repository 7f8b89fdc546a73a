"""What two schemas have in common, and what became of each feature."""

from dataclasses import replace

import pytest

from ratoon.domain.evolution import Change, Effect, changes, effect
from ratoon.domain.schema import Feature, TowerSchema

AGE = Feature("age", "profile", "user", "number")
SEEN = Feature("seen", "activity", "user", "count", ttl=60, fold="count")
PRICE = Feature("price", "prices", "item", "number")
OLD = TowerSchema("p", (AGE,), (PRICE,), display=("title",), filters=("kind",))


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (OLD, "same"),
        (replace(OLD, project="q"), "same"),
        (replace(OLD, display=("title", "subtitle")), "shown"),
        (replace(OLD, filters=()), "shown"),
        (replace(OLD, user=(SEEN, AGE)), "gained"),
        (replace(OLD, user=(AGE, SEEN), display=()), "gained"),
        (replace(OLD, user=()), "changed"),
        (replace(OLD, user=(SEEN,)), "changed"),
        (replace(OLD, user=(replace(AGE, ttl=1),)), "changed"),
        (replace(OLD, user=(replace(AGE, ttl=1), SEEN)), "changed"),
    ],
)
def test_effect(new: TowerSchema, expected: Effect) -> None:
    """A model fits as it is, fits with other columns, can be widened, or cannot be used."""
    assert effect(OLD, new) == expected


def test_changes_are_told_feature_by_feature() -> None:
    """New, changed and left-out inputs are told apart, with what differs, and so are columns that no tower reads."""
    new = TowerSchema("p", (SEEN, replace(AGE, kind="category", vocabulary="age")), (), ("subtitle", "kind"), ())
    assert changes(OLD, new) == (
        Change("seen", "activity", "user", "new", "count, folded by count"),
        Change("age", "profile", "user", "changed", "kind 'number' -> 'category'; vocabulary '' -> 'age'"),
        Change("price", "prices", "item", "left out", "number"),
        Change("subtitle", "", "item", "shown", "display"),
        Change("title", "", "item", "not shown", "display"),
        Change("kind", "", "item", "shown", "display, before: filter"),
    )
    assert changes(OLD, OLD) == ()


def test_services_have_hashes_of_their_own() -> None:
    """A service's hash follows its own inputs and no other's."""
    new = replace(OLD, user=(AGE, SEEN))
    assert new.service_hash("user") != OLD.service_hash("user")
    assert new.service_hash("item") == OLD.service_hash("item")


def test_another_table_for_a_text_is_another_input() -> None:
    """More rows or longer n-grams cannot be learnt on top of what was hashed otherwise."""
    title = Feature("title", "profile", "item", "text", "title", 64, buckets=16, ngram=3)
    old, new = replace(OLD, item=(title,)), replace(OLD, item=(replace(title, buckets=32, ngram=4),))
    assert effect(old, new) == "changed"
    assert changes(old, new) == (Change("title", "profile", "item", "changed", "buckets 16 -> 32; ngram 3 -> 4"),)
    assert effect(OLD, replace(OLD, item=(PRICE, title))) == "gained"
