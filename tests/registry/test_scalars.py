"""What TensorBoard is shown of a run, read back from the bytes of its event file."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.registry.runs import Runs
from ratoon.registry.scalars import EVENTS, crc32c, events, scalars
from tests.fakes.runs import T0, report, run

Fields = dict[int, list[int | float | bytes]]


def records(data: bytes) -> Iterator[bytes]:
    """The records of a file of TFRecords, each with its two checksums checked."""
    at = 0
    while at < len(data):
        head = data[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        body = data[at + 12 : at + 12 + length]
        for said, checked in ((data[at + 8 : at + 12], head), (data[at + 12 + length : at + 16 + length], body)):
            (stored,) = struct.unpack("<I", said)
            turned = (stored - 0xA282EAD8) & 0xFFFFFFFF
            assert (turned >> 17 | turned << 15) & 0xFFFFFFFF == crc32c(checked)
        yield body
        at += 16 + length


def fields(message: bytes) -> Fields:
    """The fields of a protocol buffer, by number."""
    found: Fields = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value: int | float | bytes
        match key & 7:
            case 0:
                value, at = _varint(message, at)
            case 1:
                value, at = struct.unpack_from("<d", message, at)[0], at + 8
            case 5:
                value, at = struct.unpack_from("<f", message, at)[0], at + 4
            case _:
                length, at = _varint(message, at)
                value, at = message[at : at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return value, at


def shown(data: bytes) -> list[tuple[str, int, float]]:
    """Tag, step and value of each scalar of an event file."""
    first, *rest = map(fields, records(data))
    assert first[3] == [b"brain.Event:2"]
    said = []
    for event in rest:
        (step,), (summary,) = event[2], event[5]
        assert isinstance(step, int)
        assert isinstance(summary, bytes)
        (scalar,) = fields(summary)[1]
        assert isinstance(scalar, bytes)
        (tag,), (value,) = fields(scalar)[1], fields(scalar)[2]
        assert isinstance(tag, bytes)
        assert isinstance(value, float)
        said.append((tag.decode(), step, value))
    return said


def test_every_figure_is_shown() -> None:
    """Losses by pass; seconds, CPU seconds and rows of each stage and recall of parent and candidate by the run's number."""
    read = shown(events(run(300)))
    for one, other in zip(read, scalars(run(300)), strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], rel=1e-6)
    found = {(tag, step): value for tag, step, value in read}
    assert found["loss/train", 1] == pytest.approx(3.5123)
    assert found["loss/fit", 2] == pytest.approx(3.2987)
    assert found["seconds/train", 300] == pytest.approx(1.48)
    assert found["cpu_seconds/absorb", 300] == pytest.approx(0.36)
    assert found["rows/ingest", 300] == 12_345
    assert found["recall_new/parent", 300] == pytest.approx(0.3121)
    assert found["recall_past/candidate", 300] == pytest.approx(0.2869)
    assert found["index_recall", 300] == pytest.approx(0.9987)
    assert len(found) == len(read) == 4 + 3 * 7 + 2 * 2 + 1


def test_a_run_that_did_nothing_shows_its_stages_alone() -> None:
    """Without a verdict and without losses there is nothing of them to show."""
    read = shown(events(run(3, outcome="skipped", verdict=None, losses={})))
    assert {tag.partition("/")[0] for tag, _, _ in read} == {"seconds", "cpu_seconds", "rows"}


def test_each_run_is_a_folder_of_its_own(tmp_path: Path) -> None:
    """The file lies where TensorBoard takes the folder's name for the run's, and is written again with its run."""
    runs = Runs(tmp_path, lambda: T0)
    for expected in (1, 1, 2):
        kept = runs.keep(report(expected), "p", {})
        (path,) = tmp_path.glob(f"{expected:06d}-*/{EVENTS}")
        assert path.parent.with_suffix(".json").exists()
        assert path.read_bytes() == events(kept)
    assert {fields(record)[1][0] for record in records(events(kept))} == {T0.timestamp()}


@given(value=st.integers(0, 2**63 - 1))
def test_any_step_comes_back(value: int) -> None:
    """A step takes as many bytes as it needs."""
    read = shown(events(replace(run(stages=report().stages[:1], verdict=None, losses={}), number=value)))
    assert {step for _, step, _ in read} == {value}


def test_the_checksum_is_the_one_that_is_published() -> None:
    """RFC 3720's examples, and the check value of CRC-32C."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(b"") == 0
