"""The tag `ratoon.expect`, strictly."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError
from ratoon.features.quality import rules
from ratoon.features.quality.declared import declared
from ratoon.features.quality.rules import Rule
from ratoon.features.views import Origin, View, ViewField

DAY = 86_400_000_000


def view(origin: Origin = "user", *fields: ViewField) -> View:
    return View("p", "profile", "user", origin, "/x/*.parquet", "event_timestamp", fields)


def on_field(text: str, dtype: str = "INT64", origin: Origin = "user") -> Rule:
    (rule,) = declared(view(origin, ViewField("age", dtype)), "", {"age": text})
    return rule


def on_view(text: str, origin: Origin = "interaction") -> Rule:
    (rule,) = declared(view(origin), text, {})
    return rule


def test_rules_of_a_field() -> None:
    """Each kind of rule on a field is read with its bounds, its column and what happens when it is broken."""
    ranged = on_field("range(0, 120)")
    assert (ranged.kind, ranged.field, ranged.low, ranged.high, ranged.action) == ("range", "age", 0.0, 120.0, "quarantine")
    dates = on_field("range(1970-01-02, 1970-01-03T00:00:00+00:00)", "UNIX_TIMESTAMP")
    assert (dates.low, dates.high) == (DAY, 2 * DAY)
    assert on_field("one_of(M, F)", "STRING").allowed == ("M", "F")
    assert on_field("robust_z(8)", "FLOAT").high == 8.0
    share = on_field("null_share(0.2)", "STRING_LIST")
    assert (share.high, share.action) == (0.2, "block")
    assert on_field("null_share(0.2) warn").action == "warn"
    assert on_field("range(0, 1) block").action == "block"
    assert on_field("range(0, 1)", origin="foreign").action == "warn"


def test_rules_of_a_view() -> None:
    """Each kind of rule on a view is read with its bounds; bounds in time count from a date, the arrival or now."""
    assert (on_view("not_before(1970-01-02)").span, on_view("not_before(1970-01-02)").low) == (DAY, 0.0)
    late = on_view("not_before(arrival - 30d)")
    assert (late.anchor, late.span, late.low, late.high) == ("arrival", -30 * DAY, 0.0, math.inf)
    ahead = on_view("not_after(now + 2h)", "item")
    assert (ahead.anchor, ahead.span, ahead.low, ahead.high) == ("now", 7_200_000_000, -math.inf, 0.0)
    assert on_view("not_after(now)").span == 0
    rate = on_view("rate(user_id, 1000/2h)")
    assert (rate.high, rate.span) == (1000.0, 7_200_000_000)
    assert on_view("range(value, 0, 5)").field == "value"
    assert on_view("one_of(type, rating, click)").allowed == ("rating", "click")
    assert on_view("robust_z(value, 8)").high == 8.0
    assert on_view("schema()", "user").action == "quarantine"
    assert on_view("schema()", "foreign").action == "block"


def test_several_rules_in_one_tag() -> None:
    """Rules are parted by semicolons, and no tag means no rule."""
    found = declared(view("user", ViewField("age", "INT64")), "not_before(1990-01-01)", {"age": "range(0, 9); null_share(0.5)"})
    assert [rule.key for rule in found] == [
        "profile:not_before(1990-01-01)",
        "profile.age:range(0, 9)",
        "profile.age:null_share(0.5)",
    ]
    assert declared(view("user", ViewField("age", "INT64")), "", {"age": " "}) == ()


@pytest.mark.parametrize(
    ("text", "dtype", "message"),
    [
        ("between(0, 120)", "INT64", "expected rules such as range(...)"),
        ("range(0, 120", "INT64", "found 'range(0, 120'"),
        ("range(0, 120); ", "INT64", "found ''"),
        ("range(0)", "INT64", "expected range(low, high) with numbers"),
        ("range(9, 1)", "INT64", "found 'range(9, 1)'"),
        ("range(a, b)", "INT64", "found 'range(a, b)'"),
        ("range(nan, 1)", "INT64", "found 'range(nan, 1)'"),
        ("range(0, 1)", "UNIX_TIMESTAMP", "dates for a time"),
        ("range(0, 1)", "STRING", "expected range on a number or a time, found range(0, 1) on STRING"),
        ("one_of()", "STRING", "expected one_of(value, ...)"),
        ("one_of(1, 2)", "INT64", "expected one_of on a STRING"),
        ("robust_z(0)", "FLOAT", "a number above 0"),
        ("null_share(1)", "FLOAT", "a number from 0 to below 1"),
        ("null_share(0.1) quarantine", "FLOAT", "expected block or warn after a rule about whole batches, found 'quarantine'"),
        ("range(0, 1) explode", "FLOAT", "expected quarantine or block or warn after this rule, found 'explode'"),
        ("rate(user_id, 5/1h)", "INT64", "expected rate on a view"),
        ("schema()", "INT64", "expected schema on a view"),
        ("not_after(now)", "INT64", "expected not_after on a view"),
    ],
)
def test_a_wrong_rule_of_a_field_is_refused(text: str, dtype: str, message: str) -> None:
    """The error names the tag, the field, the view, what was expected and what was found."""
    where = "tag ratoon.expect of field 'age' of view 'profile': expected "
    with pytest.raises(DataError, match=re.escape(where)) as refused:
        on_field(text, dtype)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "origin", "message"),
    [
        ("range(0, 5)", "interaction", "with value or type as its first argument, found range(0, 5)"),
        ("range(value, 0, 5)", "user", "found range(value, 0, 5)"),
        ("range(type, 0, 5)", "interaction", "expected range on a number or a time, found range(type, 0, 5) on STRING"),
        ("rate(item_id, 5/1h)", "interaction", "expected rate(user_id, 1000/1h)"),
        ("rate(user_id, 5)", "interaction", "expected rate(user_id, 1000/1h)"),
        ("rate(user_id, 5/1h)", "user", "expected rate on a view whose ratoon.source is interaction"),
        ("schema(strict)", "user", "expected schema() without arguments"),
        ("schema()", "interaction", "expected schema on a view of user, item or foreign rows"),
        ("not_before(yesterday)", "user", "expected not_before(1990-01-01 | arrival - 30d | now - 30d)"),
        ("not_after(now + 5x)", "user", "expected not_after("),
        ("schema() quarantine", "foreign", "after a view whose files somebody else writes, found 'quarantine'"),
    ],
)
def test_a_wrong_rule_of_a_view_is_refused(text: str, origin: Origin, message: str) -> None:
    """A rule of a view that cannot stand there is refused by the view's name."""
    with pytest.raises(DataError, match=re.escape("tag ratoon.expect of view 'profile': expected ")) as refused:
        on_view(text, origin)
    assert message in str(refused.value)


def test_a_folded_field_carries_no_rule() -> None:
    """What is folded follows from events that were accepted: the error says to state the rule about the events."""
    field = ViewField("age", "INT64", "count")
    with pytest.raises(DataError, match="expected no rule on a folded field.* State on the view what an event has to be"):
        declared(view("interaction", field), "", {"age": "range(0, 3)"})


def test_rules_are_kept_in_a_file(tmp_path: Path) -> None:
    """What is saved is loaded again, infinite bounds included; before any repository is applied there are no rules."""
    some = (on_field("one_of(M, F)", "STRING"), on_view("not_after(now)"), replace(on_view("rate(user_id, 3/1s)"), view="b"))
    rules.save(tmp_path / "rules.json", some)
    assert rules.load(tmp_path / "rules.json") == some
    assert rules.load(tmp_path / "none.json") == ()
