"""`ratoon ope`, called as a script calls it, on a real release."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.exploration import Exploration
from ratoon.domain.query import Answer
from ratoon.serving.exposures import FILE, Chance, ExposureLog, exposed
from ratoon.towers import open_towers
from ratoon.wiring import House

K = 4
CHANCE = Chance(Exploration(1, 0.5, 4), "salt")


@pytest.fixture
def here(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A home whose users are answered by the release, the last position explored; the best of the pool is always clicked."""
    monkeypatch.setenv(config.CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)
    return house


def served(house: House) -> None:
    registry = house.registry("default")
    files = registry.load(release := registry.get(None))
    schema, towers, index, online = registry.schema(release), open_towers(files), house.indexes.load(files), house.online()
    online.catch_up()
    now, clicks = house.log.now(), []
    users = sorted({user for _, user, _ in house.log.recent(house.log.end(), 3_000)})
    with closing(ExposureLog(house.home / FILE, share=0.9)) as log:
        for number, user in enumerate(users * 4):
            values = online.user(user, schema)
            assert values is not None
            (found,) = index.search(towers.user(values), K + CHANCE.exploration.pool)
            request = f"r{number}"
            searched = Answer(found, "tower", release.id, release.sequence, now, values=values)
            answer, exposure = exposed(searched, K, request, now, "default", user, CHANCE)
            log.add(exposure)
            if answer.found[-1] == found[K]:
                click = {"event_id": request, "kind": "interaction", "user_id": user, "item_id": found[K][0], "type": "click"}
                clicks.append({**click, "event_timestamp": now + timedelta(seconds=1), "request_id": request})
    later = {**clicks[0], "event_id": "later", "event_timestamp": now + timedelta(days=2), "request_id": None}
    house.log.append(pa.Table.from_pylist([*clicks, later], EVENT_SCHEMA))


def ope(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["ope", *arguments])


def found(*arguments: str) -> Any:
    done = ope(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_policies_and_releases(here: House) -> None:
    """The release that answered, and its ranking, never show the pool and are worth nothing; popular and the log are between."""
    served(here)
    release = here.registry("default").get(None).id
    ranked = found("--policy", "ranked", "--type", "click")
    own = found("--release", release[:8], "--type", "click")
    for said in (ranked, own):
        values = {one["estimator"]: one["value"] for one in said["worth"]["estimates"]}
        assert (values["ips"], values["snips"], values["naive"]) == (0, 0, 0)
        assert values["logged"] > 0.05
    assert own["worth"]["matched"] == ranked["worth"]["matched"]
    assert (own["unranked"], own["young"], own["horizon_seconds"]) == (0, 0, 86_400)
    assert own["coverage"]["sampled"] == pytest.approx(0.9)
    assert 0.8 < own["coverage"]["known"] < 1
    assert own["coverage"]["unknown"] > 0
    logged = {one["estimator"]: one["value"] for one in found("--policy", "logged", "--type", "click")["worth"]["estimates"]}
    assert logged["ips"] == pytest.approx(logged["logged"]) == pytest.approx(0.125, abs=0.06)
    popular = found("--policy", "popular", "--type", "click")
    assert popular == found("--policy", "popular", "--type", "click")
    assert popular["worth"]["effective"] < popular["worth"]["n"]
    assert np.isfinite([one["value"] for one in popular["worth"]["estimates"]]).all()


def test_what_people_read(here: House) -> None:
    """Estimators by name with their bounds, how much they rest on, what was left out, the coverage, and what to beware of."""
    served(here)
    said = " ".join(ope("--policy", "popular").stdout.split())
    rest = ("decisions of", "left out: 0 answers younger than the horizon", "name one of them", "a sample of 90.0%")
    for part in ("IPS", "SNIPS", "doubly robust", "naive, ignoring propensities", "as logged", "low", "high", *rest):
        assert part in said
    assert "Beware: " in " ".join(ope("--policy", "ranked", "--type", "none").stdout.split())


def test_a_feature_that_was_not_logged_is_told(here: House) -> None:
    """A release that reads what no logged row has is valued without it, and that is said."""
    release = here.registry("default").get(None)
    served(here)
    with closing(ExposureLog(here.home / FILE)) as log:
        assert log.counts().written == 0
    with closing(sqlite3.connect(here.home / FILE)) as db, db:
        db.execute("""UPDATE exposures SET features = json_object('user_id', user_id)""")
    warnings = found("--release", release.id)["warnings"]
    assert any(one.startswith("not in any logged row, and so missing for this release: ") for one in warnings)


@pytest.mark.usefixtures("here")
def test_without_exploration() -> None:
    """Before anything was explored it says how to turn that on."""
    done = ope("--policy", "popular")
    assert isinstance(done.exception, DataError)
    assert "Turn exploration on" in str(done.exception)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "ope: expected --release or --policy, found neither"),
        (("--release", "ab", "--policy", "popular"), "ope: expected --release or --policy, found both"),
        (("--policy", "best"), "--policy: expected popular, ranked or logged, found 'best'"),
        (
            ("--policy", "popular", "--horizon", "soon"),
            "--horizon: expected a span such as `1 d` or `30 min`, at most 3650 d, found 'soon'",
        ),
        (("--policy", "popular", "--horizon", "999999999 d"), "at most 3650 d, found '999999999 d'"),
    ],
)
def test_what_cannot_be(arguments: tuple[str, ...], said: str) -> None:
    """Nothing or two things to value, an unknown policy, and a horizon that is no span are refused by name."""
    done = ope(*arguments)
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
