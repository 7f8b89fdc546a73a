"""Feast's classes without the checks of types that it asks to be compiled into each of their methods.

Feast marks its classes for typeguard, which reads, rewrites and compiles a class's whole file once for each of its methods. That
was more than half of the CPU seconds that importing Feast takes (10.0 against 4.4), and every refresh is a process that imports
it. typeguard itself leaves everything as it is under `python -O`, which would switch off much more.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def as_it_is(target: Any = None, **_: Any) -> Any:
    """What stands in for `typeguard.typechecked`: the class or function that it was given, unchanged."""
    return target if target is not None else _given


def _given(target: Any) -> Any:
    return target


class Unchecked(MetaPathFinder):
    """Finds nothing; takes typeguard's decorator away just before Feast is imported, and costs nothing where it never is."""

    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Called by the import of any module that is not there yet."""
        if fullname == "feast":
            import typeguard

            typeguard.typechecked = as_it_is
        return None


def install(finders: list[Any] = sys.meta_path) -> None:
    """Once, however often it is called."""
    if not any(isinstance(one, Unchecked) for one in finders):
        finders.insert(0, Unchecked())
