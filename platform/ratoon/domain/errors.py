"""Every error Ratoon raises on purpose, as one tree.

RatoonError
├── UsageError        exit 2   the command, the configuration or the request is wrong
├── GateRefused       exit 3   a candidate release is worse than what is served
├── DataError         exit 4   the data cannot be used as it is
└── StoreError        exit 5   a file, a database or a library under us failed
    ├── Conflict               somebody else published first
    └── Overloaded             too much waits already, or the disk is nearly full; nothing was taken
"""

from typing import ClassVar


class RatoonError(Exception):
    """An error that says where it is, what was expected, what was found and what to do next.

    Args:
        field: the name of the setting, column, file or parameter at fault.
        expected: what would have been right.
        found: what was there instead.
        fix: the reader's next step, as a sentence.
    """

    exit_code: ClassVar[int] = 5

    def __init__(self, field: str, *, expected: str, found: str, fix: str) -> None:
        self.field, self.expected, self.found, self.fix = field, expected, found, fix
        super().__init__(f"{field}: expected {expected}, found {found.removesuffix('.')}. {fix}")


class UsageError(RatoonError):
    """The caller asked for something that cannot be."""

    exit_code = 2


class GateRefused(RatoonError):
    """The quality gate refused a candidate; the last good release keeps serving."""

    exit_code = 3


class DataError(RatoonError):
    """The data are missing, malformed or blocked."""

    exit_code = 4


class StoreError(RatoonError):
    """Something that holds state is missing, damaged or out of reach."""

    exit_code = 5


class Conflict(StoreError):
    """A compare-and-swap lost: the current release is no longer the expected one."""


class Overloaded(StoreError):
    """No more can be taken now; what was refused left nothing behind, and may be sent again later."""
