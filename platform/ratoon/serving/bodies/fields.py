"""What single fields of requests may be."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    WithJsonSchema,
)
from pydantic.json_schema import SkipJsonSchema


def _number(value: object) -> object:
    # JSON has one number type, so 50.0 is a fine integer; a string or a boolean is not a number at all.
    if isinstance(value, str | bool):
        raise ValueError("must be a number")
    return value


def _in_utc(moment: datetime) -> datetime:
    """The same moment in UTC: with some libraries loaded, PyArrow drops the offset of any other zone."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # the last hours of the year 9999, and the first of year 1
        raise ValueError("must be a time between 1970 and 2100") from error


def _moment(value: object) -> object:
    # Pydantic would also read numbers, and digits in a string, as seconds or milliseconds since 1970: a guess.
    if isinstance(value, datetime) or (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[Tt ]", value)):
        return value
    raise ValueError("must be a time like 2026-03-01T12:00:00Z (RFC 3339)")


Id = Annotated[str, Field(min_length=1, max_length=256)]
# Something that is no white space, whoever reads the expression: the sets of ECMAScript, Rust and Python differ in these.
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"[^\s\u0085\ufeff\u001c-\u001f]")]
_MOMENT = {"type": "string", "format": "date-time", "pattern": r"^(19[7-9]|20)\d"}
Moment = Annotated[AwareDatetime, BeforeValidator(_moment), AfterValidator(_in_utc), WithJsonSchema(_MOMENT)]
_Count = Annotated[int, Field(ge=1, le=1_000)]
Count = Annotated[_Count, BeforeValidator(_number, json_schema_input_type=_Count)]
_Milliseconds = Annotated[int, Field(ge=1, le=60_000)]
Milliseconds = Annotated[_Milliseconds, BeforeValidator(_number, json_schema_input_type=_Milliseconds)]
Strength = Annotated[float, BeforeValidator(_number, json_schema_input_type=float), Field(allow_inf_nan=False)]
Features = dict[Annotated[str, Field(min_length=1, max_length=256)], JsonValue]
_Dimension = Annotated[float, Strict(), Field(allow_inf_nan=False, ge=-1e15, le=1e15)]  # float32 ends at 3e38, its squares do too
Dimensions = Annotated[list[_Dimension], Field(min_length=1, max_length=4_096)]


def _said(value: object) -> object:
    # Left out and null are two things where exactly one of several fields says whom an answer is for.
    if value is None:
        raise ValueError("must be left out instead of null")
    return value


Said = BeforeValidator(_said)
Unsaid = SkipJsonSchema[None]
"""`Annotated[T | Unsaid, Said]`: a field that is a T or not there."""


class Body(BaseModel):
    """A body that refuses fields it does not know: a misspelt option must not pass for a default."""

    model_config = ConfigDict(extra="forbid")
