"""A refresh's part in a process of its own, at the lowest priority: it publishes releases, goes back, or rebuilds an index.

    HOME ITEMS USERS adopt [--count N] [--rollbacks N] [--pause SECONDS] [--url URL --headers JSON]
    HOME ITEMS USERS rebuild

With a server's URL it waits after each release until that is served. It says in one line of JSON for each release when it was
published, by the machine's monotonic clock, and its edition.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from pathlib import Path

import httpx

from ratoon import durable
from ratoon.bench.serving import editions
from ratoon.bench.serving.crowd import Crowd
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError
from ratoon.domain.release import Release

USER_FILE = "user.safetensors"
TUNED = 300
SERVED_SECONDS = 60.0


def edition_hashes(world: World) -> dict[str, int]:
    """SHA-256 of an edition's users' side -> the edition."""
    folder = world.home / "editions"
    return {durable.sha256((folder / str(one) / USER_FILE).read_bytes()): one for one in range(len(editions.SHARES))}


def adopt(
    world: World, count: int, rollbacks: int, pause: float, await_served: Callable[[Release], None] = lambda _: None
) -> Iterator[dict[str, object]]:
    """Publish edition after edition, each unlike the one before, with rollbacks in between."""
    registry, hashes = world.registry(), edition_hashes(world)
    every = count // (rollbacks + 1) if rollbacks else count + 1
    window = registry.get(None).window
    shared = registry.load(registry.get(None))
    own = {number: {**shared, **editions.kept(world.home / "editions", number)} for number in hashes.values()}
    coming = _after(hashes[registry.get(None).files[USER_FILE]])
    for number in range(1, count + 1):
        time.sleep(pause)
        release = editions.publish(registry, own[next(coming)], window)
        await_served(release)
        yield _told(release, hashes)
        if number % every == 0 and number // every <= rollbacks:
            time.sleep(pause)
            release = registry.rollback(None, "a bench went back")
            registry.resume()
            await_served(release)
            yield _told(release, hashes)
            coming = _after(hashes[release.files[USER_FILE]])


def _after(edition: int) -> Iterator[int]:
    """Editions in turns, this one last."""
    return cycle([one for one in (1, 2, 0) if one != edition] + [edition])


def awaiting(url: str, headers: Mapping[str, str]) -> Callable[[Release], None]:
    """Waits until a server answers from a release.

    Raises:
        StoreError: it does not within SERVED_SECONDS.
    """

    def wait(release: Release) -> None:
        end = time.perf_counter() + SERVED_SECONDS
        with httpx.Client(base_url=url, headers=dict(headers)) as http:
            while time.perf_counter() < end:
                if http.get("/v1/releases/current").raise_for_status().json()["id"] == release.id:
                    return
                time.sleep(0.05)
        raise StoreError(
            url,
            expected=f"release {release.sequence} served within {SERVED_SECONDS:.0f} s",
            found="another",
            fix="Look at what the server printed.",
        )

    return wait


def _told(release: Release, hashes: dict[str, int]) -> dict[str, object]:
    return {
        "release": release.id,
        "sequence": release.sequence,
        "edition": hashes[release.files[USER_FILE]],
        "scope": release.scope,
        "at": time.perf_counter(),
    }


def rebuild(world: World) -> Iterator[dict[str, object]]:
    """Lay an index of all items out anew, again and again."""
    _, index = world.opened(0)
    queries = editions.widened(Crowd(world.items, TUNED).tastes())
    while True:
        begun = time.perf_counter()
        index.rebuild(queries=queries)  # type: ignore[attr-defined]  # FAISS's, which the port does not promise
        yield {"seconds": time.perf_counter() - begun}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("items", type=int)
    parser.add_argument("users", type=int)
    parser.add_argument("what", choices=("adopt", "rebuild"))
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--rollbacks", type=int, default=0)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--url", default="")
    parser.add_argument("--headers", type=json.loads, default={})
    asked = parser.parse_args()
    os.nice(19)
    world = World(asked.home, asked.items, asked.users)
    served = awaiting(asked.url, asked.headers) if asked.url else lambda _: None
    adopting = adopt(world, asked.count, asked.rollbacks, asked.pause, served)
    for told in adopting if asked.what == "adopt" else rebuild(world):
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
