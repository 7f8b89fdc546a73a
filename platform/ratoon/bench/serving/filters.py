"""Recall with and without filters, and what a filter costs: again and again, for the first time, and another one every time."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean, median, stdev
from typing import Any

import httpx
import numpy as np

from ratoon.bench.row import Row, at_least, told
from ratoon.bench.serving import asking, servers, wrk
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import MANY, REPEATS, Setting
from ratoon.bench.serving.truth import Found, Truth, masks
from ratoon.bench.serving.wrk import Load

JUDGED, NARROWED = 1_000, 200
"""Users whose answers are held against the exact ones, without a filter and with each. Few of them are found next to nothing,
most all, so that of 200 users the mean is known to a hundredth and no better; with a filter far more is looked at."""

WARMING = 60
"""Requests with a filter that nobody has asked before, one after the other, of which the last third are as they stay."""


def filters(setting: Setting) -> Iterator[Row]:
    """What a filter costs at first, recall, and requests a second at 5 % over those without."""
    judged = asking.askers(setting.world, max(NARROWED, round(JUDGED * setting.share)), seed=52)
    truth, through = Truth(setting.world, 0, judged), masks(setting.world)
    with servers.ratoon(setting.world) as server:
        yield from _first(setting, server)
        with server.client() as http:
            for share, mask in (None, None), *through.items():
                setting.tell(f"recall, {share or 'no filter'}", 0.0)
                only = None if share is None else asking.FILTERS[share]
                recalls = list(_recalls(http, truth, judged if share is None else judged[:NARROWED], only, mask))
                quantity = "recall@100" if share is None else f"recall@100 with a filter that lets {share:.0%} through"
                error = stdev(recalls) / len(recalls) ** 0.5
                against = f"exact answers to {len(recalls)} users, of {setting.world.items:,} items; standard error {error:.3f}"
                yield at_least(quantity, fmean(recalls), 0.95, against, "share")
        yield from _cost(setting, server)


def _recalls(http: httpx.Client, truth: Truth, judged: list[int], only: object, mask: np.ndarray | None) -> Iterator[float]:
    for place, body in enumerate(asking.bodies(judged)):
        asked = body if only is None else {**body, "filter": only}
        answer = http.post("/v1/retrieve", json=asked).raise_for_status()
        yield truth.recall(place, Found.of(answer.content), asking.K, mask)


def _first(setting: Setting, server: Server) -> Iterator[Row]:
    """Each filter for the first time, while others ask without one."""
    users = asking.askers(setting.world)
    with ThreadPoolExecutor(1) as beside, server.client() as http:
        wrk.run(server.retrieve, asking.bodies(users), 1, 1.0, server.headers)
        alone = wrk.run(server.retrieve, asking.bodies(users), 1, setting.seconds, server.headers)
        others = beside.submit(wrk.run, server.retrieve, asking.bodies(users), 1, setting.seconds, server.headers)
        time.sleep(0.5)
        took = {
            share: [_took(http, body) for body in asking.bodies(users[:WARMING], only)] for share, only in asking.FILTERS.items()
        }
        waited = others.result()
    for share, spent in took.items():
        stays = median(spent[-WARMING // 3 :])
        settled = next(place for place in range(len(spent)) if median(spent[place : place + 3]) <= 2 * stays)
        against = f"then {max(spent[1:]):.1f} ms at most, and after {settled} requests {stays:.2f}; others ask meanwhile"
        yield told(f"the first request with a filter that lets {share:.0%} through", spent[0], "ms", against)
    against = f"p99 {waited.p99:.2f} ms; without filters {alone.longest:.1f} ms, p99 {alone.p99:.2f}"
    yield told("the longest that a request without a filter takes meanwhile", waited.longest, "ms", against)


def _took(http: httpx.Client, body: Mapping[str, Any]) -> float:
    begun = time.perf_counter()
    http.post("/v1/retrieve", json=body).raise_for_status()
    return 1e3 * (time.perf_counter() - begun)


def _cost(setting: Setting, server: Server) -> Iterator[Row]:
    users = asking.askers(setting.world)
    kinds = {
        "no filter": asking.bodies(users),
        **{f"{share:.0%}": asking.bodies(users, only) for share, only in asking.FILTERS.items()},
        "another 5% each time": [{**body, "filter": asking.another(place)} for place, body in enumerate(asking.bodies(users))],
    }
    loads: dict[str, list[Load]] = {name: [] for name in kinds}
    for repeat in range(REPEATS):
        for name, bodies in kinds.items():
            setting.tell(f"{name}, {repeat + 1} of {REPEATS}", repeat / REPEATS)
            loads[name].append(wrk.run(server.retrieve, bodies, MANY, setting.seconds, server.headers))
    middle = {name: wrk.middle(found) for name, found in loads.items()}
    plain = middle["no filter"].qps
    against = "; ".join(f"{name} {load.qps:,.0f}/s, p99 {load.p99:.2f} ms" for name, load in middle.items())
    yield at_least("QPS with a 5 % filter / without one", middle["5%"].qps / plain, 0.5, f"asked again and again: {against}")
    other = middle["another 5% each time"].qps / plain
    yield told("QPS where every request has another 5 % filter / without one", other, "ratio", "nothing is kept of these")
