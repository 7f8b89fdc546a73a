"""Recall with and without filters, and what a filter costs."""

from collections.abc import Iterator
from statistics import fmean

import httpx
import numpy as np

from ratoon.bench.row import Row, at_least
from ratoon.bench.serving import asking, servers, wrk
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import MANY, REPEATS, Setting
from ratoon.bench.serving.truth import Found, Truth, masks
from ratoon.bench.serving.wrk import Load

JUDGED = 200
"""Users whose answers are held against the exact ones."""


def filters(setting: Setting) -> Iterator[Row]:
    """Recall at three selectivities and without a filter; requests a second at 5 % over those without."""
    judged = asking.askers(setting.world, JUDGED, seed=52)
    truth, through = Truth(setting.world, 0, judged), masks(setting.world)
    with servers.ratoon(setting.world) as server:
        with server.client() as http:
            for share, mask in (None, None), *through.items():
                setting.tell(f"recall, {share or 'no filter'}", 0.0)
                only = None if share is None else asking.FILTERS[share]
                recall = fmean(_recalls(http, truth, judged, only, mask))
                quantity = "recall@100" if share is None else f"recall@100 with a filter that lets {share:.0%} through"
                against = f"the exact answers to {JUDGED} users, of {setting.world.items:,} items"
                yield at_least(quantity, recall, 0.95, against, "share")
        yield from _cost(setting, server)


def _recalls(http: httpx.Client, truth: Truth, judged: list[int], only: object, mask: np.ndarray | None) -> Iterator[float]:
    for place, body in enumerate(asking.bodies(judged)):
        asked = body if only is None else {**body, "filter": only}
        answer = http.post("/v1/retrieve", json=asked).raise_for_status()
        yield truth.recall(place, Found.of(answer.content), asking.K, mask)


def _cost(setting: Setting, server: Server) -> Iterator[Row]:
    users = asking.askers(setting.world)
    loads: dict[float, list[Load]] = {1.0: [], **{share: [] for share in asking.FILTERS}}
    for repeat in range(REPEATS):
        for share, found in loads.items():
            setting.tell(f"{share:.0%} of the items, {repeat + 1} of {REPEATS}", repeat / REPEATS)
            bodies = asking.bodies(users, asking.FILTERS.get(share))
            found.append(wrk.run(server.retrieve, bodies, MANY, setting.seconds, server.headers))
    middle = {share: wrk.middle(found) for share, found in loads.items()}
    plain, filtered = middle[1.0], middle[0.05]
    told = "; ".join(f"{share:.0%} {load.qps:,.0f}/s, p99 {load.p99:.2f} ms" for share, load in middle.items())
    yield at_least("QPS with a 5 % filter / without one", filtered.qps / plain.qps, 0.5, told)
