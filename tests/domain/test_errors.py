"""Errors say where, what was expected, what was found and what to do, and end with the exit code of their kind."""

import pytest

from ratoon.domain import errors
from ratoon.domain.errors import Conflict, DataError, GateRefused, RatoonError, StoreError, UsageError


@pytest.mark.parametrize(("kind", "code"), [(UsageError, 2), (GateRefused, 3), (DataError, 4), (StoreError, 5), (Conflict, 5)])
def test_rendering_and_exit_code(kind: type[RatoonError], code: int) -> None:
    """Every error is one sentence of facts and one of advice, keeps its parts, and has its exit code."""
    error = kind("port", expected="1 to 65535", found="0", fix="Set `serving.port`.")
    assert str(error) == "port: expected 1 to 65535, found 0. Set `serving.port`."
    assert (error.field, error.expected, error.found, error.fix) == ("port", "1 to 65535", "0", "Set `serving.port`.")
    assert error.exit_code == code
    assert isinstance(error, RatoonError)


def test_the_tree_in_the_docstring_is_complete() -> None:
    """Every error class of the module is drawn in its docstring, so a reader sees the whole tree."""
    classes = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert all(name in (errors.__doc__ or "") for name in classes)
    assert issubclass(Conflict, StoreError)
