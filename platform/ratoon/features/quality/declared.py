"""Reads the tags `ratoon.expect` of one view and refuses what does not make sense there."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ratoon.domain.errors import DataError
from ratoon.features.quality.rules import ACTIONS, BATCH, KINDS, Action, Anchor, Kind, Rule
from ratoon.features.views import View, ViewField

EXPECT_TAG = "ratoon.expect"

_RULE = re.compile(r"^(?P<kind>[a-z_]+)\((?P<arguments>[^()]*)\)(?:\s+(?P<action>[a-z]+))?$")
_BOUND = re.compile(r"^(arrival|now)(?:\s*([+-])\s*([1-9]\d*)([smhd]))?$")
_RATE = re.compile(r"^([1-9]\d*)\s*/\s*([1-9]\d*)([smhd])$")
_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_NUMBERS = ("INT32", "INT64", "FLOAT", "DOUBLE")
_COLUMNS = {"value": "DOUBLE", "type": "STRING"}
"""An interaction's own columns that a rule of its view may look at."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a rule stands, for errors and for what may stand there."""

    view: View
    field: ViewField | None

    def wrong(self, expected: str, found: str, fix: str) -> DataError:
        field = f"field {self.field.name!r} of " if self.field else ""
        return DataError(f"tag {EXPECT_TAG} of {field}view {self.view.name!r}", expected=expected, found=found, fix=fix)


def declared(view: View, tag: str, field_tags: Mapping[str, str]) -> tuple[Rule, ...]:
    """The rules of `view`.

    Args:
        tag: the view's own tag; empty for none.
        field_tags: field name -> its tag; empty for none.

    Raises:
        DataError: a rule is malformed or cannot stand where it does; names view, field and what was found.
    """
    rules = [*_rules(_Place(view, None), tag)]
    for field in view.fields:
        rules += _rules(_Place(view, field), field_tags.get(field.name, ""))
    return tuple(rules)


def _rules(place: _Place, tag: str) -> Iterator[Rule]:
    if not tag.strip():
        return
    if place.field and place.field.aggregate:
        raise place.wrong(
            "no rule on a folded field: what is folded follows from the events",
            repr(tag),
            "State on the view what an event has to be, such as range(value, 0, 5) or rate(user_id, 1000/1h).",
        )
    for text in tag.split(";"):
        yield _rule(place, text.strip())


def _rule(place: _Place, text: str) -> Rule:
    shape = _RULE.match(text)
    kind: Kind | None = next((kind for kind in KINDS if shape and shape["kind"] == kind), None)
    if shape is None or kind is None:
        raise place.wrong(f"rules such as {', '.join(f'{kind}(...)' for kind in KINDS)}, parted by `;`", repr(text), _CORRECT)
    arguments = [part.strip() for part in shape["arguments"].split(",")] if shape["arguments"].strip() else []
    column, dtype, rest = _column(place, kind, arguments)
    blank = Rule(
        view=place.view.name,
        origin=place.view.origin,
        field=column,
        dtype=dtype,
        text=text.removesuffix(shape["action"] or "").strip(),
        kind=kind,
        action=_action(place, kind, shape["action"]),
    )
    _fits(place, blank)
    return _bounded(place, blank, rest)


def _column(place: _Place, kind: Kind, arguments: list[str]) -> tuple[str, str, list[str]]:
    """The column a rule looks at, that column's type, and the arguments that are left."""
    if place.field:
        return place.field.name, place.field.dtype, arguments
    if kind in ("range", "one_of", "robust_z", "null_share"):
        if place.view.origin != "interaction" or not arguments or arguments[0] not in _COLUMNS:
            raise place.wrong(
                f"{kind} on a field, or on the view of interactions with {' or '.join(_COLUMNS)} as its first argument",
                f"{kind}({', '.join(arguments)})",
                "Move it to the field it is about.",
            )
        return arguments[0], _COLUMNS[arguments[0]], arguments[1:]
    return "", "", arguments


def _action(place: _Place, kind: Kind, stated: str | None) -> Action:
    foreign = place.view.origin == "foreign"
    batch = kind in BATCH
    allowed = tuple(action for action in ACTIONS if action != "quarantine" or not (foreign or batch))
    if stated is None:
        return "block" if batch or (foreign and kind == "schema") else "warn" if foreign else "quarantine"
    for action in allowed:
        if action == stated:
            return action
    why = "a rule about whole batches" if batch else "a view whose files somebody else writes" if foreign else "this rule"
    raise place.wrong(f"{' or '.join(allowed)} after {why}", repr(stated), _CORRECT)


def _fits(place: _Place, rule: Rule) -> None:
    numeric, in_field = rule.dtype in _NUMBERS, place.field is not None
    fit = {
        "range": numeric or rule.dtype == "UNIX_TIMESTAMP",
        "robust_z": numeric,
        "one_of": rule.dtype == "STRING",
        "null_share": True,
        "rate": not in_field and rule.origin == "interaction",
        "schema": not in_field and rule.origin != "interaction",
        "not_before": not in_field,
        "not_after": not in_field,
    }[rule.kind]
    if not fit:
        raise place.wrong(
            _WHERE[rule.kind], f"{rule.text} on {rule.dtype or f'a view of {rule.origin} rows'}", "Move it or take it away."
        )


def _bounded(place: _Place, rule: Rule, arguments: list[str]) -> Rule:
    """`rule` with its arguments read."""
    match rule.kind, arguments:
        case "range", [first, second]:
            read = _moment if rule.dtype == "UNIX_TIMESTAMP" else _number
            least, most = read(first), read(second)
            if least is not None and most is not None and least <= most:
                return replace(rule, low=least, high=most)
        case "one_of", [_, *_] if all(arguments):
            return replace(rule, allowed=tuple(arguments))
        case "robust_z", [limit] if (number := _number(limit)) is not None and number > 0:
            return replace(rule, high=number)
        case "null_share", [limit] if (number := _number(limit)) is not None and 0 <= number < 1:
            return replace(rule, high=number)
        case ("not_before" | "not_after") as kind, [bound] if (read_bound := _bound(bound)) is not None:
            anchor, span = read_bound
            low, high = (0.0, math.inf) if kind == "not_before" else (-math.inf, 0.0)
            return replace(rule, anchor=anchor, span=span, low=low, high=high)
        case "rate", ["user_id", limit] if rate := _RATE.match(limit):
            return replace(rule, high=float(rate[1]), span=int(rate[2]) * _UNITS[rate[3]])
        case "schema", []:
            return replace(rule, high=0.0)
    raise place.wrong(_SHAPE[rule.kind], repr(rule.text), _CORRECT)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _moment(text: str) -> float | None:
    """Microseconds since 1970 of an ISO 8601 date or time, UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6


def _bound(text: str) -> tuple[Anchor, int] | None:
    if moved := _BOUND.match(text):
        anchor: Anchor = "arrival" if moved[1] == "arrival" else "now"
        span = int(moved[3]) * _UNITS[moved[4]] if moved[3] else 0
        return anchor, -span if moved[2] == "-" else span
    moment = _moment(text)
    return None if moment is None else ("", int(moment))


_CORRECT = "Correct the tag in feature_repo/."
_SHAPE: dict[Kind, str] = {
    "range": "range(low, high) with numbers, or dates for a time, in order",
    "one_of": "one_of(value, ...) with at least one value",
    "robust_z": "robust_z(limit) with a number above 0",
    "null_share": "null_share(limit) with a number from 0 to below 1",
    "not_before": "not_before(1990-01-01 | arrival - 30d | now - 30d)",
    "not_after": "not_after(2100-01-01 | arrival + 5m | now + 5m)",
    "rate": "rate(user_id, 1000/1h): at most so many events of one user in such a time",
    "schema": "schema() without arguments",
}
_WHERE: dict[Kind, str] = {
    "range": "range on a number or a time",
    "one_of": "one_of on a STRING",
    "robust_z": "robust_z on a number",
    "null_share": "null_share on a field",
    "rate": "rate on a view whose ratoon.source is interaction",
    "schema": "schema on a view of user, item or foreign rows",
    "not_before": "not_before on a view",
    "not_after": "not_after on a view",
}
