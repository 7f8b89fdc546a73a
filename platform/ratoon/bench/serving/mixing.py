"""A hundred thousand answers across adoptions and rollbacks, each held against the release that it says it is of."""

import json
from collections import Counter
from collections.abc import Iterator
from statistics import fmean

from ratoon.bench.row import Row, at_least, at_most
from ratoon.bench.serving import asking, beside, servers
from ratoon.bench.serving.editions import SHARES
from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.publishing import USER_FILE, edition_hashes
from ratoon.bench.serving.setting import MANY, Setting
from ratoon.bench.serving.streams import closed_loop
from ratoon.bench.serving.truth import Found, Truth
from ratoon.bench.serving.world import Tell, World

REQUESTS, ADOPTIONS, ROLLBACKS = 100_000, 20, 3
USERS = 500
EXACT_EVERY = 47
"""Of so many answers one is held against the exact one too, which costs a look at every item; users are asked for
in turns, so it shares no factor with their number."""

TOLD_EVERY = 5_000
PAUSE = 0.5


class Judge:
    """Hears answers and counts what is wrong with them."""

    def __init__(self, world: World, users: list[int], tell: Tell) -> None:
        self._world, self._tell = world, tell
        self._truths = [Truth(world, edition, users) for edition in range(len(SHARES))]
        self._editions: dict[str, int] = {}
        self.faults: Counter[str] = Counter()
        self.answers = 0
        self.releases: set[str] = set()
        self.recalls: list[float] = []

    def prepare(self) -> None:
        """Score everything before anything is asked."""
        for truth in self._truths:
            truth.ready()

    def judge(self, answer: Heard) -> None:
        """One answer; its place is that of the user."""
        self.answers += 1
        if self.answers % TOLD_EVERY == 0:
            self._tell(f"{self.answers:,} answers", 0.0)
        if not answer.ok:
            self.faults[f"status {answer.status}"] += 1
            return
        found = Found.of(answer.body)
        truth = self._truths[self._edition(found.release)]
        self.releases.add(found.release)
        if fault := truth.wrong(answer.place, found, asking.K):
            self.faults[fault] += 1
        if self.answers % EXACT_EVERY == 0:
            self.recalls.append(truth.recall(answer.place, found, asking.K))

    def _edition(self, release: str) -> int:
        if release not in self._editions:
            hashes = edition_hashes(self._world)
            self._editions = {one.id: hashes[one.files[USER_FILE]] for one in self._world.registry().releases()}
        return self._editions[release]


def mixed(setting: Setting) -> Iterator[Row]:
    """Ask on while releases come and go."""
    wanted, count = round(REQUESTS * setting.share), max(4, round(ADOPTIONS * setting.share))
    rollbacks = ROLLBACKS if count >= ADOPTIONS else 1
    users = asking.askers(setting.world, USERS, seed=53)
    judge = Judge(setting.world, users, setting.tell)
    setting.tell("every item is scored for every edition", 0.0)
    judge.prepare()
    with servers.ratoon(setting.world) as server:
        bodies = [json.dumps(body).encode() for body in asking.bodies(users)]
        requests = [request("/v1/retrieve", body, server.headers) for body in bodies]
        with beside.adopting(server, setting.world, count, PAUSE, rollbacks) as other:
            broken = closed_loop(server.port, requests, MANY, judge.judge, lambda: judge.answers < wanted or other.running)
            published = len(other.told)
    against = (
        f"{judge.answers:,} answers over {published} publications, {rollbacks} of them rollbacks; {len(judge.releases)} served"
    )
    failed = sum(times for fault, times in judge.faults.items() if fault.startswith("status"))
    yield at_most("answers other than 2xx, and broken connections", failed + broken, 0, against, "answers")
    faults = Counter({fault: times for fault, times in judge.faults.items() if not fault.startswith("status")})
    told = (
        ", ".join(f"{times} {fault}" for fault, times in faults.items()) or "none short, seen before or scored by another release"
    )
    yield at_most("answers that are not their release's", faults.total(), 0, f"{judge.answers:,} checked: {told}", "answers")
    against = f"{len(judge.recalls)} of them against every item's score in the release that they name"
    yield at_least("recall@100 meanwhile", fmean(judge.recalls), 0.95, against, "share")
    yield at_least(
        "releases that answered", len(judge.releases), published + 1, "the first, and each that was published", "releases"
    )
    yield at_least("answers checked", judge.answers, wanted, f"{published} publications", "answers")
