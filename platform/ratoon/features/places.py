"""Paths that `features/` writes down about itself: relative to it, so that a home that is copied, moved or restored is whole.

An absolute one would make a copy write into the home that it was made from.
"""

from pathlib import Path


def written(path: str, folder: Path) -> str:
    """A path as it is written down in `folder`: relative to it if it leads inside, else as it is."""
    inside = "://" not in path and Path(path).is_relative_to(folder)
    return str(Path(path).relative_to(folder)) if inside else path


def found(path: str, folder: Path) -> str:
    """The inverse of `written`, for wherever `folder` is now."""
    return path if "://" in path else str(folder.absolute() / path)
