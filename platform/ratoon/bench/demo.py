"""`ratoon demo`: the loop told on one screen, ending serving."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ratoon import config, data
from ratoon.bench import faults, picture
from ratoon.bench.api import server, unused
from ratoon.bench.faults import Check
from ratoon.bench.loop import POLICIES, K, Loop, Slice
from ratoon.domain.errors import StoreError

console = Console()
CAPTION = f"recall@{K} of the API's answers, CPU seconds so far beneath"
_FEW = "Harm is judged on a tenth of the users: with few of them, or few events, nothing is certain, and more data are needed. "


def demo(*, once: bool, folder: Path | None, port: int) -> None:
    """Run the loop on MovieLens-100K or on `folder`, print and draw it, then serve until interrupted.

    Args:
        once: stop after checking the answers instead.

    Raises:
        UsageError: something else listens on the port. The home of the demo before this one is still there then.
        StoreError: if anything the story promises did not hold.
    """
    settings = config.load()
    home = settings.paths.home / "demo"
    unused(port)
    world, events = world_of(folder, settings.paths.home)
    shutil.rmtree(home, ignore_errors=True)
    with _screen(f"Ratoon: the loop on {world}") as screen:
        loop = Loop(home, settings.paths.feature_repo, events, screen.tell)
        screen.say(f"first release: {loop.bootstrap().plan.reason}")
        user = busiest(events.slice(0, loop.cut))
        title = "title" if "title" in loop.house.features("default").schema().display else None
        with server(port, loop.environment) as (api, process):
            for one in loop.play(api, user):
                screen.add(one)
            found = []
            for check in faults.checks(loop, api, user, title):
                found.append(check)
                screen.check(check)
            screen.stop()
            page = home / "loop.html"
            verdict = plainly(screen.slices)
            picture.write(page, world, screen.slices, found, verdict)
            _tell_how(verdict, page, api.url, user, items=loop.house.log.seen(user))
            _say(f"Commands see this home as RATOON_CONFIG='{home / 'ratoon.toml'}' ratoon status")
            if broken := [check for check in found if not check.holds]:
                raise StoreError(
                    "demo",
                    expected="every check to hold",
                    found="; ".join(f"{check.name}: {check.seen}" for check in broken),
                    fix=(_FEW if folder else "") + "Run it again; if it repeats, report it with this text.",
                )
            if not once:
                console.print(f"Serving on {api.url} until you press Ctrl-C.")
                process.wait()


def world_of(folder: Path | None, home: Path) -> tuple[str, pa.Table]:
    """A name and the events of the folder, or of MovieLens-100K, fetched if it is not there yet."""
    name = folder.resolve().name if folder else "MovieLens-100K"
    source = folder or data.fetch("movielens-100k", home / "cache")
    found = data.read(source, home / "quarantine" / f"{source.resolve().name}.csv")
    return name, found.events


def busiest(events: pa.Table) -> str:
    """A user with many interactions, to ask for."""
    users = events.column("user_id").drop_null().value_counts().to_pylist()
    return str(max(users, key=lambda row: (row["counts"], row["values"]))["values"])


def plainly(slices: list[Slice]) -> str:
    """Where refreshing wins on this world and where it does not, from the figures; the first slice is before any refresh."""
    later = slices[1:] or slices
    mean = {policy: sum(one.recall[policy] for one in later) / len(later) for policy in POLICIES}
    ours, cost = mean.pop("Ratoon"), slices[-1].cpu_seconds
    said = [f"Mean recall@{K} after the first refresh: Ratoon {ours:.3f}."]
    for policy, recall in mean.items():
        word = "wins over" if ours > recall * 1.01 else "loses to" if ours < recall * 0.99 else "does not win over"
        said.append(f"It {word} {policy} ({recall:.3f}).")
    share = cost["Ratoon"] / cost["full retrain"] if cost["full retrain"] else 0.0
    return " ".join([*said, f"It used {share:.0%} of the CPU seconds that retraining took, feature joins for both included."])


class _Screen:
    """The table of slices, the checks and the progress bar, redrawn in place."""

    def __init__(self, title: str) -> None:
        self.slices: list[Slice] = []
        self._checks: list[Check] = []
        self._title, self._said = title, ""
        self._bar = Progress(TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn(), console=console)
        self._task = self._bar.add_task("starting", total=1.0)
        self._live = Live(self._drawn(), console=console, refresh_per_second=4, transient=False)

    def tell(self, what: str, share: float) -> None:
        self._bar.update(self._task, description=what, completed=share)

    def say(self, text: str) -> None:
        self._said = text
        self._shown(text)

    def add(self, one: Slice) -> None:
        self.slices.append(one)
        self._shown(f"slice {one.number}: " + ", ".join(f"{policy} {recall:.3f}" for policy, recall in one.recall.items()))

    def check(self, check: Check) -> None:
        self._checks.append(check)
        self._shown(_marked(check))

    def _shown(self, news: str) -> None:
        self._live.update(self._drawn())
        if not console.is_terminal:  # where nothing is redrawn all comes at the end, minutes later
            _say(news)

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._bar.update(self._task, description="done", completed=1.0)
        self._live.stop()

    def _drawn(self) -> Group:
        table = Table(
            title=self._title, caption=f"recall@{K} of the API's answers, CPU seconds so far beneath", title_justify="left"
        )
        table.add_column("slice")
        for policy in POLICIES:
            table.add_column(policy, justify="right", style="bold" if policy == "Ratoon" else "")
        for one in self.slices:
            best = max(one.recall.values())
            cells = (f"{one.recall[p]:.3f}{'*' if one.recall[p] == best else ' '}\n{one.cpu_seconds[p]:.1f} s " for p in POLICIES)
            table.add_row(str(one.number), *cells)
        marks = [Text(f"  {_marked(check)}") for check in self._checks]
        return Group(Text(self._said), table, *marks, self._bar)


@contextmanager
def _screen(title: str) -> Iterator[_Screen]:
    screen = _Screen(title)
    screen.start()
    try:
        yield screen
    finally:
        screen.stop()


def _marked(check: Check) -> str:
    return f"{'✓' if check.holds else '✗'} {check.name}: {check.seen}"


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)


def _tell_how(verdict: str, page: Path, url: str, user: str, items: list[str]) -> None:
    curl = f"curl -s {url}/v1"
    json_header = "-H 'content-type: application/json'"
    lines = [
        verdict,
        f"The picture: {page}",
        f"Open {url}/ and {url}/docs, or paste:",
        f'  {curl}/retrieve {json_header} -d \'{{"user_id": "{user}"}}\'',
        f'  {curl}/retrieve {json_header} -d \'{{"user_id": "nobody-knows-me"}}\'',
        f'  {curl}/events {json_header} -d \'{{"user_id": "me", "item_id": "{items[0]}", "type": "rating", "value": 5}}\'',
        f'  {curl}/retrieve {json_header} -d \'{{"user_id": "me"}}\'',
    ]
    console.print()
    for line in lines:
        _say(line)
