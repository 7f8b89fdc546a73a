"""The eleven steps of a recommender's life, as the articles this project grew from name them, one test each.

acquire -> preprocess -> train -> compress -> prune -> fuse -> deploy -> store -> restore -> infer -> feed back
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ratoon import config, durable
from ratoon.bench.api import Api, server
from ratoon.cli.app import app
from ratoon.refresh import refresh
from ratoon.registry import FileRegistry
from ratoon.wiring import House


@pytest.fixture(scope="module")
def file(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("life")
    shutil.copytree(bootstrapped, folder, dirs_exist_ok=True)
    return folder / "ratoon.toml"


@pytest.fixture(scope="module")
def life(file: Path) -> House:
    return House(config.load(file, environment={}))


@pytest.fixture(scope="module")
def api(file: Path) -> Iterator[Api]:
    environment = {**os.environ, config.CONFIG: str(file), "OMP_NUM_THREADS": "1"}
    with server(0, environment) as (api, _process):
        yield api


def test_acquire(life: House, events: pa.Table) -> None:
    """Every event of the world is in the log, acknowledged once."""
    logged = life.log.read(0).column("event_id").to_pylist()
    assert logged[:3_500] == events.slice(0, 3_500).column("event_id").to_pylist()


def test_preprocess(life: House) -> None:
    """Events have become rows of every feature view."""
    for view in life.features("default").repository.views:
        assert pq.read_table(view.folder).num_rows > 0


def test_train(life: House) -> None:
    """The learned towers rank held-out interactions far above chance."""
    registry = life.registry("default")
    first = registry.releases()[-1]
    files = registry.load(first)
    shop = life.workshop("default")
    towers, index = shop.open_towers(files), shop.indexes.load(files)
    examples = life.features("default").delta(first.window, None, []).interactions
    rows = examples.slice(examples.num_rows - 500)
    found = index.search(towers.users(rows), 20)
    hits = [item in {name for name, _ in row} for item, row in zip(rows.column("item_id").to_pylist(), found, strict=True)]
    assert sum(hits) / len(hits) > 2 * 20 / len(index)


@pytest.mark.parametrize("operation", ["quantise", "prune", "fuse"])
def test_compress_prune_fuse(operation: str, file: Path) -> None:
    """`ratoon upkeep` gives a smaller, pruned or fused candidate release, which is judged; what is served stays."""
    environment = {config.CONFIG: str(file)}
    served = House(config.load(file, environment={})).registry("default").get(None).sequence
    done = CliRunner(env=environment).invoke(app, ["upkeep", operation, "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["outcome"], said["sequence"], said["upkeep"]["operation"]) == ("rehearsed", served, operation)


def test_deploy(api: Api) -> None:
    """A server answers from the published release."""
    assert api.call("GET", "/v1/releases/current?surface=default")["sequence"] >= 1


def test_store(life: House) -> None:
    """A release's files lie on disk under the hashes that its manifest states."""
    registry = life.registry("default")
    release = registry.releases()[-1]
    files = registry.load(release)
    assert {name: durable.sha256(data) for name, data in files.items()} == dict(release.files)


def test_restore(life: House) -> None:
    """A registry opened anew gives the same release, byte for byte."""
    release = life.registry("default").releases()[-1]
    again = FileRegistry(life.home / "releases", "default")
    assert again.load(again.get(release.id)) == life.registry("default").load(release)


def test_infer(api: Api, life: House) -> None:
    """A known user gets k candidates from the towers, none of them seen before."""
    user = life.log.read(0).column("user_id").drop_null()[0].as_py()
    answer = api.retrieve(user, k=20)
    assert answer["source"] == "tower"
    assert len(answer["candidates"]) == 20
    assert not {one["item_id"] for one in answer["candidates"]} & set(life.log.seen(user))


def test_feed_back(api: Api, life: House) -> None:
    """What a user did through the API is in the next release's window, and the server comes to serve that release."""
    item = life.log.catalogue(life.log.end())[0]
    body = {"event_id": "fed-back", "user_id": "fed-back", "item_id": item, "type": "rating", "value": 5.0}
    offset = api.call("POST", "/v1/events", body)["offset"]
    report = refresh(life.workshop("default"), life.stopwatch())
    assert report.window is not None
    assert report.window.start < offset <= report.window.end
    assert report.outcome == "published"
    api.await_release("default", report.sequence)
