"""The source root shares its name with a module of the standard library and must never shadow it."""

import subprocess
import sys

from tests.architecture.sources import ROOT, SOURCE


def test_stdlib_platform_wins_from_the_repository_root() -> None:
    """`import platform`, started in the repository root, gives the standard library's module."""
    done = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.system())"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_source_root_is_no_package() -> None:
    """The folder platform/ has no __init__.py."""
    assert not (SOURCE / "__init__.py").exists()
