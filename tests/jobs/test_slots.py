"""Slots follow from the schedule and the time alone."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from ratoon.jobs.slots import EPOCH, between, delay, following, upto
from tests.fakes.work import T0, job

MOMENTS = st.datetimes(datetime(2001, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
CRONS = st.sampled_from(["*/7 * * * *", "0 3 * * *", "30 2 1 * *", "0 0 * * 1", "15,45 8-18 * * 1-5"])


@given(MOMENTS, st.integers(1, 100_000))
def test_slots_of_an_interval_stand_on_multiples_of_it(now: datetime, every: int) -> None:
    """The newest slot is the newest multiple of the interval since 1970, its data interval begins at the one before."""
    slot = next(upto(job(every=f"{every} s"), now))
    assert slot.at <= now < slot.at + timedelta(seconds=every)
    assert (slot.at - EPOCH) % timedelta(seconds=every) == timedelta()
    assert slot.at - slot.since == timedelta(seconds=every)


@given(MOMENTS, CRONS)
def test_slots_of_cron_are_a_chain_without_gap(now: datetime, cron: str) -> None:
    """Backwards and forwards cron gives the same slots, and each begins its data where the one before ended."""
    newest, *older = islice(upto(job(cron=cron), now), 5)
    assert newest.at <= now
    assert following(job(cron=cron), newest.at - timedelta(seconds=1)) == newest.at
    after = following(job(cron=cron), now)
    assert after is not None
    assert after > now
    assert next(upto(job(cron=cron), after)).since == newest.at
    assert all(later.since == earlier.at for later, earlier in pairwise([newest, *older]))


def test_a_slot_on_the_minute_is_due_on_the_minute() -> None:
    """At the very moment of a slot it is the newest one, a microsecond before it is not."""
    at = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
    assert next(upto(job(cron="0 3 * * *"), at)).at == at
    assert next(upto(job(cron="0 3 * * *"), at - timedelta(microseconds=1))).at == at - timedelta(days=1)


@given(MOMENTS, st.integers(0, 50))
def test_between_leaves_nothing_out(now: datetime, count: int) -> None:
    """What is between two moments are all slots after the first, oldest first."""
    found = between(job(every="90 s"), now - timedelta(seconds=90 * count), now)
    assert len(found) == count
    assert [slot.at for slot in found] == sorted(slot.at for slot in found)


def test_jitter_is_drawn_by_job_and_slot() -> None:
    """All who ask get the same delay, within the bound, and another job another one."""
    jittery = job(jitter="1 min")
    slots = list(islice(upto(jittery, T0), 50))
    delays = [delay("a", jittery, slot) for slot in slots]
    assert delays == [delay("a", jittery, slot) for slot in slots]
    assert all(timedelta() <= one < timedelta(minutes=1) for one in delays)
    assert len(set(delays)) == 50
    assert delays != [delay("b", jittery, slot) for slot in slots]
    assert delay("a", job(), slots[0]) == timedelta()
