"""A server that is asked all the while refreshes beside it are killed, fail and are run again."""

import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ratoon.bench.chaos.cells import WAYS, Cell, cells
from ratoon.bench.chaos.matrix import calm_homes, ended, started
from ratoon.bench.chaos.victims import Victim, ratoon, run
from ratoon.bench.chaos.world import EVENTS, house, post
from ratoon.bench.row import Row, not_run

ROUNDS = 16
"""Faults, one after the other: each strikes a refresh of a few new events, which is then run again."""
PAUSE = 0.02
"""Seconds between two requests."""
FEW = 5


def served(world: Path, folder: Path, tell: Callable[[str, float], None]) -> list[Row]:
    """Non-2xx answers, and answers from anything but a published release."""
    tell("a server under load, and refreshes that fail beside it", 0.0)
    ended(started(_walk, world, folder))
    told = json.loads((folder / "told.json").read_text())
    if told["why"]:
        return [not_run("non-2xx answers under constant load", "= 0", told["why"])]
    asked, bad, foreign = told["asked"], told["bad"], told["foreign"]
    against = f"of {asked:,}, while {told['struck']} refreshes were struck and run again, from {told['releases']} releases"
    return [
        Row("non-2xx answers under constant load", bad, "answers", "= 0", bad == 0 < asked, against),
        Row("answers that no published release gave", foreign, "answers", "= 0", foreign == 0 < asked, against),
    ]


def _walk(world: Path, folder: Path) -> None:
    home, port = folder / "home", _free_port()
    folder.mkdir(parents=True)
    shutil.copytree(world / "ingested", home)
    server = Victim(folder, ratoon, home, "serve", "--port", str(port))
    asker = Victim(folder, _ask, port)
    struck, why = 0, ""
    try:
        why = "" if _ready(server, port) else "the server did not start"
        chosen = [] if why else _spread(cells({name: calm.passed for name, calm in calm_homes(world)[0].items()}))
        for number, cell in enumerate(chosen):
            run(folder, post, home, world / EVENTS, 650 + number * FEW, FEW)
            failed = run(folder, ratoon, home, "refresh", fault=f"{cell.point}:{cell.nth}:{WAYS[cell.fault]}")
            again = run(folder, ratoon, home, "refresh")
            struck += failed.code != 0
            why = why or ("" if again.code in (0, 3) else f"{cell.name}: run again it ended with {again.code}")
        time.sleep(2.0)
    finally:
        asker.signal(signal.SIGTERM)
        heard = asker.ended()
        server.signal(signal.SIGTERM)
        server.ended()
    answers = heard.value
    releases = {release.id for release in house(home).registry("default").releases()}
    foreign = sum(count for release, count in answers["releases"].items() if release not in releases)
    told = {"asked": answers["asked"], "bad": answers["bad"], "foreign": foreign, "releases": len(answers["releases"])}
    (folder / "told.json").write_text(json.dumps({**told, "struck": struck, "why": why}))


def _spread(found: list[Cell]) -> list[Cell]:
    """Some of the cells that strike a refresh, of every stage and fault."""
    there = [cell for cell in found if cell.work == "refresh" and cell.fault in WAYS and not cell.file]
    return [there[place * len(there) // ROUNDS] for place in range(ROUNDS)]


def _ask(port: int) -> None:
    """Ask for one user after the other until SIGTERM; prints how many were asked, failed, and which releases answered."""
    import httpx

    asked, bad, releases, begun = 0, 0, dict[str, int](), False
    over = list[int]()
    signal.signal(signal.SIGTERM, lambda number, _frame: over.append(number))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as http:
        while not over:
            time.sleep(PAUSE)
            try:
                told = http.post("/v1/retrieve", json={"user_id": f"u{asked % 40}", "k": 5})
            except httpx.HTTPError:
                bad += begun  # before the first answer the server is starting
                continue
            begun = begun or told.status_code == 200
            asked += begun
            bad += begun and told.status_code != 200
            if told.status_code == 200:
                release = told.json()["release"]
                releases[release] = releases.get(release, 0) + 1
    sys.stdout.write(json.dumps({"asked": asked, "bad": bad, "releases": releases}))


def _ready(server: Victim, port: int) -> bool:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.alive():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
