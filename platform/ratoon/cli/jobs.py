"""`ratoon jobs`: what runs by itself, as one shot, by hand, and why or why not."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from signal import SIGTERM, signal
from time import sleep
from typing import TYPE_CHECKING, Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.runs import brief
from ratoon.cli.screen import AsJson, show, table
from ratoon.domain.duration import duration
from ratoon.domain.errors import Conflict, UsageError
from ratoon.jobs.due import Decision
from ratoon.jobs.pauses import Pauses
from ratoon.jobs.run import AGAIN, CODES, Run
from ratoon.jobs.slots import Slot, between
from ratoon.wiring import House

if TYPE_CHECKING:
    from ratoon.jobs.book import Book

app = typer.Typer(help="Jobs that run by themselves: list, run, explain.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The job, as ratoon.toml names it.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")]


def now() -> datetime:
    """By the machine's clock."""
    return datetime.now(UTC)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every job with its schedule, its last run and what it waits for."""
    book, pauses = _book(), Pauses(open_house().home)
    rows = []
    for name, job in book.jobs.items():
        decision, past = book.decided(name), book.notes.of_job(name, 1)
        when = job.cron or (f"every {duration(job.every)}" if job.every else "data")
        last = {"last": past[0].status if past else None, "ended": past[0].ended if past else None}
        due = {"next": decision.next, "missed": len(decision.missed), "paused": bool(pauses.why(name)), "why": decision.reason}
        rows.append({"job": name, "do": job.do, "surface": job.surface, "when": when, **last, **due})
    show(rows, as_json, table(rows) if rows else "no jobs; ratoon.toml names none under [jobs]")


@app.command()
def run(
    name: Name,
    slot: Annotated[
        bool,
        typer.Option(
            "--slot", help="Only if its schedule or data ask for it now and nobody else has run that slot; tries again."
        ),
    ] = False,
    dry_run: Dry = False,
    as_json: AsJson = False,
) -> None:
    """Run a job once, now; the exit code is the job's. With --slot, what cron and CronJobs on several machines should call."""
    house = open_house()
    book = _book(house)
    job = book.job(name)
    decision = book.decided(name)
    if dry_run:
        from ratoon.jobs.preview import preview

        shown = preview(house, book, name)
        told = [*_previewed(asdict(shown)), f"its schedule: {decision.reason}"]
        show({**asdict(shown), "due": decision.slot is not None, "why": decision.reason}, as_json, *told)
        return
    if not slot:
        decision = Decision(_by_hand(now()), "hand", "asked for by hand")
    elif decision.slot is None:
        show({"ran": False, "why": decision.reason}, as_json, f"{name}: not now: {decision.reason}")
        return
    with _ending():
        try:
            done = [book.to_completion(name, decision, sleep)]
        except Conflict as taken:
            if not slot:
                raise
            show({"ran": False, "why": taken.found}, as_json, f"{name}: not now: {taken.found}")  # the next call runs the slot
            return
        while slot and done[-1].status in AGAIN and done[-1].attempt <= job.retries:
            sleep(job.backoff * 2 ** (done[-1].attempt - 1))
            done.append(book.to_completion(name, decision, sleep))
    _finished(done[-1:], as_json)


@app.command()
def backfill(
    name: Name,
    since: Annotated[datetime, typer.Option("--from", help="From this moment on, UTC.")],
    until: Annotated[datetime | None, typer.Option("--to", help="Up to this one, UTC; by default up to now.")] = None,
    dry_run: Dry = False,
    as_json: AsJson = False,
) -> None:
    """Run the slots of a time span that have no run that went well, oldest first; ends at the first that fails.

    Every operation brings its subject up to the present, so that unless the job has catch_up = "all" only the newest is run.
    """
    book = _book()
    job = book.job(name)
    if job.when is not None:
        raise UsageError(
            "backfill", expected="a job with every or cron", found=f"{name!r}, which data start", fix="`ratoon jobs run` runs it."
        )
    end = min(_utc(until), now()) if until else now()
    well = {one.slot for one in book.ledger.of_job(name, 10_000) if one.status == "ok"}
    slots = [one for one in between(job, _utc(since), end) if one.key not in well]
    chosen = slots if job.catch_up == "all" else slots[-1:]
    if dry_run:
        rows = [{"slot": one.key, "since": one.since, "runs": one in chosen} for one in slots]
        show(rows, as_json, table(rows) if rows else f"{name}: nothing to make good")
        return
    done = []
    with _ending():
        for one in chosen:
            done.append(book.to_completion(name, Decision(one, "backfill", "asked for by hand"), sleep))
            if done[-1].status != "ok":
                break
    _finished(done, as_json)


@app.command()
def history(
    name: Annotated[str, typer.Argument(help="A job; all of them without it.")] = "",
    count: Annotated[int, typer.Option("-n", "--number", min=1, help="How many runs, the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What became of a job's runs, newest first."""
    book = _book()
    if name:
        book.job(name)
    runs = book.ledger.of_job(name, count) if name else book.ledger.newest(count)
    show(runs, as_json, table([brief(one) for one in runs]) if runs else "no runs yet")


@app.command()
def why(name: Name, as_json: AsJson = False) -> None:
    """Why a job runs now or does not, what it waits for, and what became of its last runs."""
    book = _book()
    book.job(name)
    book.notes.probe()
    decision, past = book.decided(name), book.notes.of_job(name, 5)
    said = {"job": name, "due": decision.slot is not None, "why": decision.reason, "next": decision.next}
    missed = [one.at for one in decision.missed]
    lines = [f"{name}: {'runs as soon as a worker looks' if decision.slot else 'does not run now'}: {decision.reason}"]
    lines += [f"missed: {len(missed)} slots since {missed[0]:%Y-%m-%d %H:%M:%S}; is a worker running?"] if missed else []
    lines += [f"run {one.id} {one.status} ({one.trigger}, try {one.attempt}): {one.reason}" for one in past]
    show({**said, "missed": missed, "runs": past}, as_json, *lines)


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say what is wrong, and tell the webhook what is new or well again, as a worker does; exits with 5 if anything is.

    For homes whose jobs cron or CronJobs run, and to watch a worker from outside: it sees runs that are missing because there is
    none.
    """
    from ratoon.jobs import alarms
    from ratoon.jobs.telling import Herald, webhook

    house = open_house()
    book, alerts = _book(house), house.settings.alerts
    book.notes.probe()
    wrong = alarms.of_all(book, alerts, {name: book.decided(name) for name in book.jobs})
    if trouble := book.notes.trouble:
        wrong["ledger"] = trouble
    herald = Herald(book.notes, webhook(alerts.webhook))
    herald.look(wrong, now())
    herald.close()
    rows = [{"alert": key, "text": text} for key, text in wrong.items()]
    show(rows, as_json, table(rows) if rows else "nothing is wrong")
    if wrong:
        raise typer.Exit(Conflict.exit_code)


@app.command()
def pause(
    name: Name, reason: Annotated[str, typer.Option(help="Why; `ratoon jobs why` says it.")], as_json: AsJson = False
) -> None:
    """Let a job rest, for every worker, until it is resumed; a run that is under way goes on."""
    _book().job(name)
    Pauses(open_house().home).pause(name, reason)
    show({"job": name, "paused": reason}, as_json, f"{name} rests")


@app.command()
def resume(name: Name, as_json: AsJson = False) -> None:
    """Let a paused job run again."""
    _book().job(name)
    Pauses(open_house().home).resume(name)
    show({"job": name, "paused": None}, as_json, f"{name} runs again")


def _book(house: House | None = None) -> "Book":
    from ratoon.jobs.book import opened  # SQLAlchemy: not for commands that need no ledger

    return opened(house or open_house(), now)


def _by_hand(at: datetime) -> Slot:
    return Slot(f"by hand at {at.isoformat()}", at, at)


def _utc(said: datetime) -> datetime:
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def _previewed(one: dict[str, object]) -> Iterator[str]:
    command, minutes, memory = one["command"], one["minutes"], one["max_rss"]
    assert isinstance(command, tuple)
    yield f"would run: ratoon {' '.join(command)}"
    if one["plan"]:
        yield f"{one['plan']} ({one['reason']}): {one['rows']} events of {one['users']} users and {one['items']} items"
    yield f"about {minutes:.1f} minutes" if isinstance(minutes, float) else "how long it takes is not known: no run like it yet"
    yield f"up to {memory / 2**20:.0f} MiB" if isinstance(memory, int) else "how much memory it takes is not known"


@contextmanager
def _ending() -> Iterator[None]:
    """SIGTERM ends the body like a key pressed, so that the run ends with it."""
    before = signal(SIGTERM, lambda *_: sys.exit(5))
    try:
        yield
    finally:
        signal(SIGTERM, before)


def _finished(runs: list[Run], as_json: bool) -> None:
    show(runs, as_json, table([brief(one) for one in runs]) if runs else "nothing to make good")
    bad = [one for one in runs if one.status != "ok"]
    if bad:
        sys.stderr.write(f"{bad[0].stderr}\n" if bad[0].stderr else "")
        raise typer.Exit(CODES.get(bad[0].status, Conflict.exit_code))
