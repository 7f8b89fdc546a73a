"""The Makefile as a person meets it."""

import os
import subprocess

import pytest

from tests.architecture.sources import ROOT


def make(*words: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *words], cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout


def test_make_alone_lists_the_targets() -> None:
    """`make` without a target names every target and does nothing else."""
    listed = [line.split()[0] for line in make().splitlines()[1:]]
    assert listed == ["demo", "test", "check", "chaos", "soak", "bench", "pictures", "clean"]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ([], 'ratoon demo --port "8080"'),
        (["ONCE=1"], 'ratoon demo --port "8080" --once'),
        (["ONCE=0"], 'ratoon demo --port "8080"'),
        (["DATA=my data", "PORT=9000"], 'ratoon demo --port "9000" --data "my data"'),
    ],
)
def test_make_demo_hands_its_variables_on(words: list[str], command: str) -> None:
    """ONCE, DATA (spaces included) and PORT of `make demo` arrive as the command's options."""
    assert make("--dry-run", "demo", *words).splitlines()[-1].split() == f".venv/bin/{command}".split()
