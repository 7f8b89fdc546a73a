"""A run's figures as TensorBoard reads them: an event file of scalars, in the folder that its record is called after.

The format is TFRecords of protocol buffers: tensorflow/core/lib/io/record_writer.h, and event.proto and summary.proto in
tensorflow/core. Six fields of them are all that scalars need, so they are laid out here: the packages that know the rest take
longer to import than a refresh takes, one of them because it brings torch along.
"""

import struct
from collections.abc import Iterator
from functools import cache

from ratoon.domain.report import Run

EVENTS = "events.out.tfevents.ratoon"
"""TensorBoard looks for files with `tfevents` in their names, and names a run after the folder it finds one in."""

Scalar = tuple[str, int, float]
"""Tag, step and value."""


def scalars(run: Run) -> Iterator[Scalar]:
    """The figures of a run. Losses have the pass as their step; everything else the run's number, which lines runs up."""
    report = run.report
    for name, curve in report.losses.items():
        yield from ((f"loss/{name}", number, loss) for number, loss in enumerate(curve, 1))
    for stage in report.stages:
        yield f"seconds/{stage.name}", run.number, stage.seconds
        yield f"cpu_seconds/{stage.name}", run.number, stage.cpu_seconds
        yield f"rows/{stage.name}", run.number, stage.rows
    if report.verdict:
        yield "index_recall", run.number, report.verdict.index_recall
        for name, slice_ in report.verdict.slices.items():
            yield f"recall_{name}/parent", run.number, slice_.parent
            yield f"recall_{name}/candidate", run.number, slice_.candidate
        for name, side in zip(("parent", "candidate"), report.verdict.breadth or (), strict=False):
            yield f"reach/{name}", run.number, side.reach
            yield f"head/{name}", run.number, side.head
        if report.verdict.pace:
            yield "tower_us/parent", run.number, report.verdict.pace.parent
            yield "tower_us/candidate", run.number, report.verdict.pace.candidate
        for share, mixed in report.verdict.skew.items():
            yield f"recall_mixed/{share}", run.number, mixed.candidate


def events(run: Run) -> bytes:
    """The event file of a run: the same bytes for the same run."""
    at = struct.pack("<Bd", 0x09, run.finished.timestamp())
    said = [at + _bytes(3, b"brain.Event:2")]
    for tag, step, value in scalars(run):
        scalar = _bytes(1, tag.encode()) + struct.pack("<Bf", 0x15, value)
        said.append(at + b"\x10" + _varint(step) + _bytes(5, _bytes(1, scalar)))
    return b"".join(map(_record, said))


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data` (Castagnoli's polynomial, RFC 3720, appendix B.4), which the standard library lacks."""
    table, crc = _table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    """A checksum that is stored beside what it is of is rotated and shifted, as the format asks."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _bytes(number: int, data: bytes) -> bytes:
    """Bytes, text or a message as a field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


@cache
def _table() -> tuple[int, ...]:
    return tuple(_entry(byte) for byte in range(256))


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte
