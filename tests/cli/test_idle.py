"""A refresh with nothing new is answered at once, and only then."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon import config
from ratoon.cli import idle
from ratoon.cli.refreshing import refreshed
from ratoon.idle import SETTLED_NS
from ratoon.wiring import House

HEAVY = ("numpy", "pyarrow", "pydantic", "typer", "feast", "torch", "faiss", "sqlalchemy")

PROBE = f"""
import sys
sys.argv = ["ratoon", "refresh", "--json"]
from ratoon.cli import main
main()
sys.stderr.write(",".join(name for name in {HEAVY} if name in sys.modules))
"""


@pytest.fixture(scope="module")
def learnt(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a home with nothing new, that has yet to find that out."""
    folder = tmp_path_factory.mktemp("learnt") / "home"
    shutil.copytree(bootstrapped, folder)
    house = House(config.load(folder / "ratoon.toml", environment={}))
    assert refreshed(house, "default", None).outcome == "published"
    house.log.close()
    return folder


@pytest.fixture
def settled(learnt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A home with nothing new, whose last refresh has found that out."""
    file = shutil.copytree(learnt, tmp_path / "idle") / "ratoon.toml"
    monkeypatch.setenv("RATOON_CONFIG", str(file))
    monkeypatch.delenv("RATOON_HOME", raising=False)
    house = House(config.load(file))
    while refreshed(house, "default", None).outcome != "skipped":
        pass
    time.sleep(max(0.0, SETTLED_NS / 1e9 - (time.time() - newest(house))) + 0.05)
    before = idle.sight(house, "default")
    report = refreshed(house, "default", None)
    idle.remember(house, "default", before, report, "nothing new")
    return house


def newest(house: House) -> float:
    sight = idle.sight(house, "default")
    assert sight is not None
    return sight.newest() / 1e9


def answered(*words: str) -> bool:
    return idle.answered(["refresh", *words], os.environ)


def test_nothing_new_is_said_without_reading_anything_heavy(settled: House) -> None:
    """The same report as a whole refresh gives, publishing nothing, by a process that imports none of the libraries."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, env={**os.environ})
    assert done.stderr == ""
    report = json.loads(done.stdout)
    current = settled.registry("default").current()
    assert current is not None
    assert (report["outcome"], report["release"], report["sequence"]) == ("skipped", current.id, current.sequence)
    assert report["plan"]["reason"] == "nothing changed since the current release"


def event(house: House) -> None:
    table = house.log.read(0, 1).drop_columns(["offset", "created_timestamp"])
    house.log.append(table.set_column(0, "event_id", [["new"]]))


def another_release(house: House) -> None:
    current, beside = house.home / "releases/default/CURRENT", house.home / "beside"
    shutil.copy(current, beside)
    beside.replace(current)


def settings(_: House) -> None:
    with Path(os.environ["RATOON_CONFIG"]).open("a") as file:
        file.write("\n")


def foreign_file(house: House) -> None:
    folder = Path((house.applied() or ())[0].path)
    (folder if folder.is_dir() else folder.parent).joinpath("late.parquet").write_bytes(b"")


CHANGES: dict[str, Callable[[House], object]] = {
    "event": event,
    "hold": lambda house: house.registry("default").hold("to see"),
    "release": another_release,
    "definition": lambda house: (house.settings.paths.feature_repo / "more.py").write_text(""),
    "settings": settings,
    "foreign file": foreign_file,
}


def test_whatever_may_matter_is_looked_at(settled: House) -> None:
    """An event, a hold, another release, a changed definition, settings or file: then the whole refresh is run."""
    assert answered()
    for name, change in CHANGES.items():
        before = idle.sight(settled, "default")
        assert before == idle.sight(settled, "default")
        change(settled)
        assert before != idle.sight(settled, "default"), name
        assert not answered()


def test_any_other_wish_is_left_to_the_whole_program(settled: House) -> None:
    """A forced plan, a trial, help or something wrong is not answered here, nor is another command."""
    assert settled.registry("default").current() is not None
    for words in (["--scope", "dense"], ["--trial", "shadow"], ["--help"], ["--surface"], ["--surface", "../x"]):
        assert not answered(*words)
    assert answered("--json", "--surface", "default", "--scope", "auto")
    assert not idle.answered(["status"], os.environ)
    assert not idle.answered([], os.environ)


def test_what_has_just_changed_is_not_trusted(settled: House) -> None:
    """A file that changed less than two seconds before it was looked at may change again unseen: nothing is written down."""
    memory = settled.home / "releases/default/idle.json"
    memory.unlink()
    (settled.settings.paths.feature_repo / "more.py").write_text("")
    before = idle.sight(settled, "default")
    idle.remember(settled, "default", before, refreshed(settled, "default", None), "")
    assert not memory.exists()
