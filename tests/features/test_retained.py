"""What must not be taken out of the repository while a release reads it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.features.retained import Retained, drops, refuse
from ratoon.features.views import View, ViewField

PROFILE = View("p", "profile", "user", "user", "/p/*", "at", (ViewField("age", "INT64"), ViewField("job", "STRING")))
PRICES = View("p", "prices", "item", "foreign", "/i/*", "at", (ViewField("price", "FLOAT"),), online=False)
VIEWS = (PROFILE, PRICES)
SCHEMA = TowerSchema(
    "p",
    (Feature("user_id", "", "user", "id", "user_id"), Feature("age", "profile", "user", "number")),
    (Feature("price", "prices", "item", "number"),),
)
RELEASE = Retained("home", "a" * 64, 3, True, SCHEMA)


def with_fields(view: View, **fields: str) -> View:
    return replace(view, fields=tuple(ViewField(name, dtype) for name, dtype in fields.items()))


@pytest.mark.parametrize(
    ("wanted", "lost"),
    [
        (VIEWS, []),
        ((with_fields(PROFILE, age="FLOAT"), PRICES), []),
        ((with_fields(PROFILE, job="STRING"), PRICES), [("age", "taken out")]),
        ((PRICES,), [("age", "taken out")]),
        ((replace(PROFILE, online=False), PRICES), [("age", "taken out")]),
        ((with_fields(PROFILE, age="STRING"), PRICES), [("age", "dtype STRING instead of INT64")]),
        ((PROFILE,), [("price", "taken out")]),
        ((PROFILE, replace(PRICES, name="costs")), [("price", "taken out")]),
    ],
)
def test_drops(wanted: Sequence[View], lost: list[tuple[str, str]]) -> None:
    """A release keeps its inputs by view, name and kin dtype, the user's online; what it does not read may go."""
    assert [(drop.feature, drop.found) for drop in drops(VIEWS, wanted, [RELEASE])] == lost
    assert drops(VIEWS, wanted, []) == ()


def test_a_drop_that_happened_is_not_refused_again() -> None:
    """What the applied views lack already is no drop; before anything was applied all of it has to be there."""
    without = (with_fields(PROFILE, job="STRING"), PRICES)
    assert drops(without, without, [RELEASE]) == ()
    assert [drop.feature for drop in drops(None, without, [RELEASE])] == ["age"]
    assert drops(None, VIEWS, [RELEASE]) == ()


def test_a_refusal_names_features_releases_and_ways_out() -> None:
    """Every feature is named with what reads it; the fix names the newest release that would have to be forgotten."""
    old = [replace(RELEASE, id=f"{number}" * 64, sequence=number, current=False) for number in (2, 1)]
    with pytest.raises(DataError) as refused:
        refuse(drops(VIEWS, (), [RELEASE, *old, replace(RELEASE, surface="ads")]))
    said = str(refused.value)
    assert said.startswith(
        "feature_repo/: expected every feature that a retained release reads, found 'age' of view 'profile': taken out, but "
        "read by home 3 (aaaaaaaaaaaa, current), home 2 (222222222222), home 1 (111111111111) and 1 more; "
        "'price' of view 'prices': taken out, but read by home 3 "
    )
    assert "then `ratoon releases --surface home --forget 222222222222`." in said
    refuse(())
