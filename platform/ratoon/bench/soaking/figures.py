"""What was seen, as figures: how long events waited, what failed and whose fault that was. Pure."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from ratoon.bench.soaking.lives import Life
from ratoon.bench.soaking.seen import Published, Seen
from ratoon.bench.soaking.traffic import Asked, Sent, ok

Span = tuple[float, float]


def waits(sent: Sequence[Sent], asked: Sequence[Asked], published: Sequence[Published]) -> list[tuple[float, float]]:
    """For each event that was acknowledged: when it was posted, and seconds until an answer came from a release that has seen it.

    The moment it was posted is that of the attempt which was acknowledged. Events of one request count one by one; those that
    no answer has seen are left out, see `unseen`.
    """
    ends = {one.release.id: one.release.window.end for one in published}
    at, reached = list[float](), list[int]()
    for answer in asked:
        if ok(answer.status) and (end := ends.get(answer.release, 0)) > (reached[-1] if reached else 0):
            at.append(answer.until)
            reached.append(end)
    found = []
    for one in sent:
        if ok(one.status) and (place := bisect_left(reached, one.offset)) < len(reached):
            found += [(one.at, max(0.0, at[place] - one.at))] * (one.accepted + one.duplicates)
    return found


def unseen(sent: Sequence[Sent], asked: Sequence[Asked], published: Sequence[Published]) -> int:
    """How many acknowledged events no answer has seen."""
    acknowledged = sum(one.accepted + one.duplicates for one in sent if ok(one.status))
    return acknowledged - len(waits(sent, asked, published))


def went_back(answers: Sequence[Asked]) -> int:
    """How many answers to questions that were sent after a newer release had answered are from an older one."""
    heard, newest, found = sorted(answers, key=lambda one: one.until), 0, 0
    place = 0
    for one in sorted(answers, key=lambda one: one.at):
        while heard[place].until < one.at:
            newest = max(newest, heard[place].sequence)
            place += 1
        found += one.sequence < newest
    return found


def share(values: Sequence[float], of: float) -> float:
    """A quantile; NaN of nothing."""
    return float(np.quantile(values, of)) if values else float("nan")


def absences(lives: Sequence[Life], asked: Sequence[Asked], seconds: float) -> list[Span]:
    """When the server was the victim: from a blow until its next life first answered; the last one until the end."""
    answers = sorted(one.until for one in asked if ok(one.status))
    found = []
    for one, following in zip(lives, [*lives[1:], None], strict=True):
        if one.struck is None:
            continue
        if following is None:
            found.append((one.struck, seconds))
            continue
        place = bisect_left(answers, following.began)
        found.append((one.struck, answers[place] if place < len(answers) else seconds))
    return found


def failures(seen: Seen) -> tuple[list[Asked | Sent], list[Asked | Sent]]:
    """Requests without a 2xx answer: those while the server was the victim, and the others.

    Before its first answer it cannot be asked; a request belongs to an absence if it overlaps it.
    """
    away = [(0.0, seen.opened), *absences(seen.lives["server"], seen.asked, seen.seconds)]
    excused, others = list[Asked | Sent](), list[Asked | Sent]()
    every: list[Asked | Sent] = [*seen.asked, *seen.sent]
    for one in every:
        if not ok(one.status):
            inside = any(one.at <= end and one.until >= begin for begin, end in away)
            (excused if inside else others).append(one)
    return excused, others


def binned(points: Sequence[tuple[float, float]], seconds: float, count: int, of: float = 0.5) -> list[float | None]:
    """The quantile of the values of each of `count` equal parts of the time; None where there are none.

    Args:
        points: when, and how much.
    """
    parts: list[list[float]] = [[] for _ in range(count)]
    for at, value in points:
        parts[min(int(count * at / seconds), count - 1)].append(value)
    return [share(part, of) if part else None for part in parts]


def per_second(moments: Sequence[float], seconds: float, count: int) -> list[float]:
    """How many a second in each of `count` equal parts of the time."""
    found = np.histogram(moments, bins=count, range=(0.0, seconds))[0]
    return [float(one) for one in found * count / seconds]
