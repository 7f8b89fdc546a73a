"""The command line, called as a person or a script calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ratoon import data
from tests.flow.children import ratoon_in_child

ROOT = Path(__file__).parents[1]


def ratoon(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform"), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    for name in ("RATOON_HOME", "RATOON_CONFIG"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "ratoon", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path = tmp_path / "here"
    tmp_path.mkdir()
    (tmp_path / "ratoon.toml").write_text(f'[paths]\nfeature_repo = "{ROOT / "feature_repo"}"\n[clock]\nmode = "log"\n')
    return tmp_path


def test_a_life_by_hand(folder: Path) -> None:
    """Import, bootstrap, refresh, status, releases, rollback, resume, doctor: each does its part and speaks JSON."""
    data.write_generic(folder / "world", data.synth(100, 160, 1_500, seed=1))

    done = ratoon_in_child(folder, "bootstrap", "--data", "world", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["outcome"] == "published"

    assert json.loads(ratoon_in_child(folder, "refresh", "--scope", "dense", "--json").stdout)["sequence"] == 2
    rolled = json.loads(ratoon_in_child(folder, "rollback", "--reason", "to see", "--json").stdout)
    assert rolled["sequence"] == 3
    assert rolled["scope"] == "rollback"
    status = json.loads(ratoon_in_child(folder, "status", "--json").stdout)
    assert status["surfaces"][0]["on_hold"] == "to see"
    assert json.loads(ratoon_in_child(folder, "resume", "--leave-out", "3:5", "--json").stdout) == {"left_out": [[3, 5]]}
    releases = json.loads(ratoon_in_child(folder, "releases", "--json").stdout)
    assert [one["sequence"] for one in releases] == [3, 2, 1]
    assert all(one["bytes"] > 10_000 for one in releases)
    doctor = ratoon_in_child(folder, "doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    assert {"event log", "online store", "releases of default", "tiny search", "index"} <= {
        one["name"] for one in json.loads(doctor.stdout)
    }


def test_history_comes_before_life(folder: Path) -> None:
    """History older than what has arrived is refused, since its rows would look as if they had arrived too late to use."""
    world = data.synth(100, 160, 1_500, seed=1)
    data.write_generic(folder / "late", world.slice(800))
    data.write_generic(folder / "early", world.slice(0, 800))
    assert ratoon_in_child(folder, "data", "import", "late").returncode == 0
    again = ratoon_in_child(folder, "data", "import", "late", "--json")
    assert json.loads(again.stdout)["events"] == 0
    refused = ratoon_in_child(folder, "data", "import", "early")
    assert refused.returncode == 4
    assert "event_timestamp: expected history younger than the newest event that has arrived" in refused.stderr


def test_a_world_in_parts_is_imported(folder: Path) -> None:
    """What `data synth --out` writes, `data import` takes whole; a bad row is counted with its reason and place."""
    (folder / "here").mkdir()
    here = ratoon_in_child(folder / "here", "data", "synth", ".", "--users", "30", "--items", "40", "--events", "50")
    assert here.returncode == 0, here.stderr
    assert list((folder / "here").iterdir())
    made = ratoon_in_child(folder, "data", "synth", "--out", "big", "--users", "30", "--items", "40", "--events", "500", "--json")
    assert json.loads(made.stdout) == {"folder": "big", "parts": 1}
    taken = json.loads(ratoon_in_child(folder, "data", "import", "big", "--json").stdout)
    assert (taken["events"], taken["rejected"], taken["quarantine"]) == (570, 0, None)
    (folder / "weeks").mkdir()
    (folder / "weeks" / "period_2000.txt").write_text("1 2\n3\n")
    told = ratoon_in_child(folder, "data", "import", "weeks").stdout
    assert "1 events" in told
    assert "1 x wrong number of fields" in told
    assert (folder / "var" / "quarantine" / "weeks.csv").read_text().splitlines()[1:] == [
        "period_2000.txt,2,wrong number of fields,3"
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("refresh", "--scope", "everything"), 2, "--scope: expected auto, skip, index, rows, dense or full, found 'everything'"),
        (("releases", "--surface", "basement"), 2, "surface: expected one of default, found 'basement'"),
        (("resume", "--leave-out", "9:3"), 2, "--leave-out: expected FIRST:LAST, two log offsets in order, found '9:3'"),
        (("rollback",), 2, "roll"),
        (("data", "import", "nowhere"), 4, "nowhere"),
        (("data", "synth"), 2, "data synth: expected a folder, or --out with one, found both or none"),
        (("no-such-command",), 2, "no-such-command"),
    ],
)
def test_what_cannot_be(folder: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A mistake exits with the code of its kind and one line that names it, without a traceback."""
    # One as a person starts it; the others in processes that have imported already what it would.
    done = (ratoon if arguments == ("rollback",) else ratoon_in_child)(folder, *arguments)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
