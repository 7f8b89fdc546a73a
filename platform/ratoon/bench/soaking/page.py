"""A soak as one HTML file: what held, what was seen over time, every blow, and every run."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import pairwise

from ratoon.bench.faults import Check
from ratoon.bench.soaking.figures import binned, failures, per_second, share, waits
from ratoon.bench.soaking.lives import Life
from ratoon.bench.soaking.seen import Seen
from ratoon.bench.soaking.traffic import ok
from ratoon.pictures import Mark, Span, chart, section, sheet, spans, table

WIDE, HIGH = 1090, 190
PARTS = 90
"""Into how many parts time is divided in charts."""
LISTED = 200
"""Most lines of a table; the newest are shown."""


def page(world: str, seen: Seen, found: Sequence[Check], now: datetime, machine: str) -> str:
    """The whole page.

    Args:
        now: when it was written.
        machine: what it ran on.
    """
    failed = [check for check in found if not check.holds]
    verdict = f"{len(failed)} of {len(found)} checks failed" if failed else f"All {len(found)} checks hold"
    head = (
        f'<header class="{"bad" if failed else "good"}"><p class="soft small">Soak of {escape(world)} · '
        f"{now:%Y-%m-%d %H:%M} UTC · {escape(machine)}</p><h1>{verdict}</h1><p>{escape(_story(seen))}</p></header>"
    )
    parts = [
        section("twelve", "What had to hold", _checked(found)),
        section("twelve", "Seconds from a posted event to an answer whose release has learnt it", _waited(seen)),
        section("twelve", "Who lived when (minutes); red strokes are SIGKILL, dark ones SIGTERM", _lived(seen)),
        section("twelve", "Memory resident, MiB", _weighed(seen)),
        section("twelve", "Asked and answered a second", _answered(seen)),
        section("five", "Blows", _blows(seen)),
        section("seven", "Runs of jobs", _runs(seen)),
    ]
    return sheet(f"Ratoon: soak of {world}", f"{head}{_facts(seen)}<main>{''.join(parts)}</main>")


def _story(seen: Seen) -> str:
    blows = sum(life.struck is not None for lives in seen.lives.values() for life in lives[:-1])
    return (
        f"{sum(one.accepted for one in seen.sent):,} events were posted over {(seen.replayed - seen.opened) / 60:.1f} minutes, "
        f"while server and worker were struck {blows} times; then it settled, and one process learnt the same undisturbed."
    )


def _facts(seen: Seen) -> str:
    waited = [seconds for _, seconds in waits(seen.sent, seen.asked, seen.published)]
    excused, others = failures(seen)
    good = [one.until - one.at for one in seen.asked if ok(one.status)]
    again = sum(one.duplicates for one in seen.sent)
    facts = [
        (
            "Event to candidate",
            f"{share(waited, 0.95):.1f} s",
            f"p95; p50 {share(waited, 0.5):.1f}, p99 {share(waited, 0.99):.1f} s",
        ),
        ("Releases", str(len(seen.published) - 1), f"to watermark {seen.published[-1].release.window.end:,}"),
        ("Answers", f"{len(good):,}", f"p50 {1e3 * share(good, 0.5):.0f} ms, p99 {1e3 * share(good, 0.99):.0f} ms"),
        ("Failed requests", str(len(others)), f"and {len(excused)} while the server was the victim"),
        ("Sent again", f"{again:,}", "events whose acknowledgement was never heard"),
        ("Memory, most", f"{max(one.server for one in seen.memory):.0f} MiB", "of the server"),
        ("Memory, most", f"{max(one.worker for one in seen.memory):.0f} MiB", "of the worker and its runs"),
    ]
    cells = [
        f'<div><dt>{name}</dt><dd class="main">{escape(value)}</dd><dd class="soft small">{escape(more)}</dd></div>'
        for name, value, more in facts
    ]
    return f"<dl>{''.join(cells)}</dl>"


def _checked(found: Sequence[Check]) -> str:
    said = {True: '<b class="good">holds</b>', False: '<b class="bad">FAILED</b>'}
    lines = (f"<li>{said[check.holds]}: {escape(check.name)}<br/>{_soft(check.seen)}</li>" for check in found)
    return f"<ul>{''.join(lines)}</ul>"


def _soft(words: str) -> str:
    return f'<span class="soft small">{escape(words)}</span>'


def _waited(seen: Seen) -> str:
    points = waits(seen.sent, seen.asked, seen.published)
    lines = {"p50": binned(points, seen.seconds, PARTS), "p95": binned(points, seen.seconds, PARTS, 0.95)}
    drawn = chart("event to candidate", _minutes(seen), lines, width=WIDE, height=HIGH, from_zero=True, marks=_fallen(seen))
    told = "By the minute at which they were posted. K: SIGKILL, T: SIGTERM; small letters are the worker's, large the server's."
    return f'{drawn}<p class="soft small">{told}</p>'


def _fallen(seen: Seen) -> dict[int, str]:
    """Part of the time -> the blows that fell in it."""
    words: dict[int, str] = {}
    for name, lives in seen.lives.items():
        for life in lives[:-1]:
            if life.struck is not None:
                at = min(int(PARTS * life.struck / seen.seconds), PARTS - 1)
                word = "K" if "KILL" in life.how else "T"
                words[at] = words.get(at, "") + (word if name == "server" else word.lower())
    return words


def _lived(seen: Seen) -> str:
    minutes = seen.seconds / 60
    rows: dict[str, list[Span]] = {name: [_life(life, seen.seconds) for life in lives] for name, lives in seen.lives.items()}
    rows["runs"] = [
        Span(
            (run.started.timestamp() - seen.began) / 60,
            ((run.ended.timestamp() if run.ended else seen.began + seen.seconds) - seen.began) / 60,
            f"{run.job}: {run.verdict or run.status}",
            3 if run.status == "ok" else 2,
        )
        for run in seen.runs
    ]
    ends = [one.at / 60 for one in seen.published[1:]] + [minutes]
    rows["release"] = [
        Span(one.at / 60, end, f"release {one.release.sequence}, up to {one.release.window.end:,}", 1 + 3 * (number % 2))
        for number, (one, end) in enumerate(zip(seen.published, ends, strict=True))
    ]
    marks: Mapping[str, list[Mark]] = {
        name: [
            Mark(life.struck / 60, f"{life.how} at {life.struck:.1f} s", "KILL" in life.how)
            for life in lives[:-1]
            if life.struck is not None
        ]
        for name, lives in seen.lives.items()
    }
    return spans("who lived when", minutes, rows, width=WIDE, unit="min", marks=marks)


def _life(life: Life, until: float) -> Span:
    end = life.ended if life.ended is not None else until
    return Span(life.began / 60, end / 60, f"{life.began:.1f} s to {end:.1f} s, {life.how or 'to the end'}", 0)


def _weighed(seen: Seen) -> str:
    lines = {
        "server": binned([(one.at, one.server) for one in seen.memory], seen.seconds, PARTS, 1.0),
        "worker, runs": binned([(one.at, one.worker) for one in seen.memory], seen.seconds, PARTS, 1.0),
    }
    return chart("memory", _minutes(seen), lines, width=WIDE, height=HIGH, from_zero=True)


def _answered(seen: Seen) -> str:
    good = [one.at for one in seen.asked if ok(one.status)]
    bad = [one.at for part in failures(seen) for one in part]
    events = [one.at for one in seen.sent for _ in range(one.accepted)]
    lines = {
        "answers": per_second(good, seen.seconds, PARTS),
        "events": per_second(events, seen.seconds, PARTS),
        "failed": per_second(bad, seen.seconds, PARTS),
    }
    return chart("asked and answered", _minutes(seen), lines, width=WIDE, height=HIGH, from_zero=True)


def _minutes(seen: Seen) -> list[str]:
    return [f"{(part + 0.5) * seen.seconds / PARTS / 60:.1f}" for part in range(PARTS)]


def _blows(seen: Seen) -> str:
    struck = [
        (life.struck, name, life.how, life.ended - life.struck, following.began - life.struck)
        for name, lives in seen.lives.items()
        for life, following in pairwise(lives)
        if life.struck is not None and life.ended is not None
    ]
    rows = [
        [f"{at:.1f} s", name, escape(how), f"{died:.2f} s", f"{back:.1f} s"]
        for at, name, how, died, back in sorted(struck)[-LISTED:]
    ]
    return table(["at", "who", "by", "ended after", "started after"], rows)


def _runs(seen: Seen) -> str:
    counted = Counter((run.job, run.verdict or run.status) for run in seen.runs)
    cpu = defaultdict[tuple[str, str], float](float)
    for run in seen.runs:
        cpu[run.job, run.verdict or run.status] += run.cpu_seconds
    rows = [
        [escape(job), escape(verdict), str(count), f"{cpu[job, verdict] / count:.1f} s"]
        for (job, verdict), count in sorted(counted.items())
    ]
    return table(["job", "became", "runs", "CPU each"], rows)
