"""What a person does with the quarantine: look, put aside, let back in."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ratoon.domain.errors import DataError
from ratoon.features.quality.judging import without
from ratoon.features.quality.ledger import BY_HAND, Entry, Fault, Ledger, Release, entry
from ratoon.features.quality.sift import bring_back
from ratoon.ports import WholeLog


@dataclass(frozen=True)
class Quarantine:
    """Events that break a rule, those of `log` under `folder` (`features/quarantine`)."""

    log: WholeLog
    folder: Path

    def release(self, wanted: Iterable[int] | None = None, *, rule: str | None = None, view: str | None = None) -> int:
        """Let events come back, each once: they are appended to the log again, past the rules that caught them; how many.

        Args:
            wanted: offsets; None for all that `rule` and `view` choose.
            rule: only from this rule: its kind, such as `rate`, or its whole text.
            view: only from rules of this view.

        Raises:
            DataError: an offset that is not in quarantine, or nothing that was chosen is.
        """
        ledger = Ledger(self.folder)
        with ledger.only_one():
            bring_back(self.log, ledger)
            ledger.release(_releases(ledger, wanted, rule, view))
            return bring_back(self.log, ledger)

    def put_aside(self, first: int, last: int, reason: str) -> int:
        """Quarantine the events first <= offset <= last by hand, before they are ingested; how many.

        Raises:
            DataError: some of them are in features already, or there are none.
        """
        ledger = Ledger(self.folder)
        with ledger.only_one():
            reached = ledger.sifted().offset
            if first <= reached:
                raise DataError(
                    f"events {first} to {last}",
                    expected=f"events after offset {reached}, which have not been ingested",
                    found=f"offset {first}",
                    fix="Leave ingested ones out of learning instead: `ratoon resume --leave-out FIRST:LAST`.",
                )
            fault = Fault("", BY_HAND, "quarantine", reason)
            aside = ledger.aside()
            now = self.log.now(lambda newest: without(newest, aside))
            entries = [entry(event, now, [fault]) for event in self.log.read(first - 1, last).to_pylist()]
            if not entries:
                raise DataError(
                    f"events {first} to {last}",
                    expected=f"events up to the log's end at offset {self.log.end()}",
                    found="none",
                    fix="`ratoon status` shows how many events there are.",
                )
            ledger.put_aside(entries)
        return len(entries)

    def listed(self, view: str | None = None) -> list[dict[str, object]]:
        """One row per thing wrong: events, rows of foreign files, and values that ingestion left out."""
        ledger = Ledger(self.folder)
        rows = [*_events(ledger), *_rows(ledger), *_values(ledger)]
        return [row for row in rows if view is None or row["view"] == view]


def _releases(ledger: Ledger, wanted: Iterable[int] | None, rule: str | None, view: str | None) -> list[Release]:
    released = _released(ledger)
    waiting = {offset: one for offset, one in ledger.entries().items() if one.aside and offset not in released}
    chosen = []
    for offset in sorted(waiting) if wanted is None else sorted(set(wanted)):
        if offset not in waiting:
            raise DataError(
                f"event {offset}",
                expected="the offset of an event in quarantine that was not released before",
                found="no such one",
                fix="`ratoon quarantine list` shows them.",
            )
        rules = tuple(fault.rule for fault in waiting[offset].faults if _chosen(fault, rule, view))
        if rules:
            chosen.append(Release(offset, waiting[offset].event_id, _copy_id(waiting[offset]), rules))
    if not chosen:
        raise DataError(
            "quarantine",
            expected=f"events that break {rule or 'a rule'}{f' of view {view}' if view else ''}",
            found="none",
            fix="`ratoon quarantine list` shows what is there.",
        )
    return chosen


def _events(ledger: Ledger) -> list[dict[str, object]]:
    released = _released(ledger)
    return [
        _row(
            str(one.offset), fault.view, _text(fault), fault.action, one.event_id, fault.reason, one.when, one.offset in released
        )
        for one in ledger.entries().values()
        for fault in one.faults
    ]


def _rows(ledger: Ledger) -> list[dict[str, object]]:
    return [
        _row(f"{row['file']}:{row['row']}", row["view"], row["rule"], row["action"], None, row["reason"], row["when"])
        for row in ledger.rows()
    ]


def _values(ledger: Ledger) -> list[dict[str, object]]:
    return [
        _row(
            None,
            value["view"],
            "type",
            "value left out",
            value["event_id"],
            f"{value['field']} is {value['found']}, {value['expected']} is asked",
        )
        for value in ledger.values()
    ]


def _row(
    place: str | None,
    view: str,
    rule: str,
    action: str,
    event_id: str | None,
    reason: str,
    when: str | None = None,
    released: bool = False,
) -> dict[str, object]:
    """One line of the list; `place` is what `release` takes, or where a file's row is."""
    line: dict[str, object] = {"id": place, "view": view, "rule": rule, "action": action, "event_id": event_id}
    return line | {"reason": reason, "when": when, "released": released}


def _copy_id(one: Entry) -> str:
    return f"released:{one.offset}:{one.event_id}"[:256]


def _released(ledger: Ledger) -> set[int]:
    return {release.offset for release in ledger.releases()}


def _text(fault: Fault) -> str:
    return fault.rule.partition(":")[2] or fault.rule


def _chosen(fault: Fault, rule: str | None, view: str | None) -> bool:
    text = _text(fault)
    return (rule is None or rule in (text, text.partition("(")[0], fault.rule)) and view in (None, fault.view)
