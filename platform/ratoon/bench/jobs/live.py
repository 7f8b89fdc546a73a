"""Live replay of MovieLens-100K: how soon an event is in what is served, and what dying workers do to a server's clients."""

import math
from pathlib import Path

import pyarrow as pa

from ratoon import config
from ratoon.bench.demo import world_of
from ratoon.bench.jobs import idle
from ratoon.bench.row import Row, at_most
from ratoon.bench.soaking.figures import failures, share, unseen, waits
from ratoon.bench.soaking.home import Home, bootstrapped
from ratoon.bench.soaking.playing import Play, play
from ratoon.bench.soaking.seen import Seen
from ratoon.bench.soaking.strikes import Fate

CALM, ROUGH = 180.0, 120.0
"""Seconds of replay with nobody struck, and with the worker killed and told to end again and again."""
PACE, PAST = 20.0, 0.6


def rows(folder: Path, scale: float) -> list[Row]:
    """Replay for `CALM` and then for `ROUGH` seconds, both x `scale`, then refresh with nothing new."""
    settings = config.load()
    _, events = world_of(None, settings.paths.home)
    past = int(events.num_rows * PAST)
    home = bootstrapped(folder / "home", settings.paths.feature_repo, events.slice(0, past))
    calm, rough = max(1, round(PACE * CALM * scale)), max(1, round(PACE * ROUGH * scale))
    quiet = _played(home, events.slice(past, calm), CALM * scale, Fate(victims=()))
    beaten = _played(home, events.slice(past + calm, rough), ROUGH * scale, Fate(victims=("worker",)))
    return [waited(quiet), failed(beaten), *idle.rows(home)]


def _played(home: Home, events: pa.Table, seconds: float, fate: Fate) -> Seen:
    return play(home, events, Play(seconds, fate=fate), lambda _what, _share: None)


def waited(seen: Seen) -> Row:
    """How long events waited; one that no answer has seen makes it endless."""
    found = [seconds for _, seconds in waits(seen.sent, seen.asked, seen.published)]
    worst = math.inf if unseen(seen.sent, seen.asked, seen.published) or not found else share(found, 0.95)
    against = (
        f"{len(found):,} events over {seen.replayed - seen.opened:.0f} s, a refresh every 5 s, nobody killed; "
        f"{len(seen.published) - 1} releases, p50 {share(found, 0.5):.1f} s"
    )
    return at_most("posted event -> answer whose release has learnt it, p95", worst, 10, against, "s")


def failed(seen: Seen) -> Row:
    """Requests of a server that nobody strikes."""
    _, others = failures(seen)
    struck = sum(life.struck is not None for life in seen.lives["worker"][:-1])
    against = f"{len(seen.asked) + len(seen.sent):,} requests, while the worker and its runs died {struck} times"
    return at_most("answers that are not 2xx while workers die", len(others), 0, against, "requests")
