"""Several processes that learn one model, on this machine: forks of the test, joined over gloo as torchrun joins them."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from safetensors.torch import load

from ratoon.config import Paths, Settings
from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import RatoonError
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files, Lesson, Teaching, Trainer
from ratoon.training import Group, ParallelTrainer, TrainingSettings, TwoTowerTrainer, leading
from ratoon.training import group as module
from ratoon.training.parallel import Call, unpacked
from ratoon.wiring import House
from tests.fakes.processes import DONE, FAILED, KILLED, end, start
from tests.training.worlds import FULL, PATH, SCHEMA, SMALL, TITLE, catalogue, interactions, lesson, pathed, rows, titled

WIDE = TowerSchema(SCHEMA.project, (*SCHEMA.user, PATH), (*SCHEMA.item, TITLE))
SHORT = replace(SMALL, epochs=2, optimiser="adamw")

Work = Callable[[Trainer], Files]


def _told(table: pa.Table) -> pa.Table:
    return titled(pathed(table))


def _lesson(users: range, items: range, count: int, fit: int = 0) -> Lesson:
    table = _told(interactions(users, items, count, seed=count))
    return lesson(table, titled(catalogue(items)), fit=table.slice(0, fit))


TAUGHT = _lesson(range(20), range(20), 300, fit=70)
# One more than two batches of 64: in the last step one process has an interaction and the others have none.
NEXT = _lesson(range(15, 25), range(24), 129)


@contextmanager
def _joined() -> Iterator[None]:
    """Where processes that are started inside meet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        patch.setenv("MASTER_PORT", str(port))
        yield


def _member(rank: int, world: int, settings: TrainingSettings, work: Work, folder: Path) -> None:
    """One process from its start to its end, which it writes down."""
    try:
        group = Group(rank, world, rank, "cpu")
        with leading(group) as leads:
            made = work(ParallelTrainer(settings, 7, lambda _what, _done: None, group)) if leads else {}
        for name, data in made.items():
            (folder / name).write_bytes(data)
    except RatoonError as error:
        (folder / f"error {rank}").write_text(f"{type(error).__name__}: {error}")
        raise


def _together(folder: Path, settings: TrainingSettings, work: Work, world: int = 2, fault: str = "") -> list[int]:
    """How each process of a group ended; the last of them runs under `fault`."""
    with _joined():
        members = [
            start(lambda rank=rank: _member(rank, world, settings, work, folder), fault if rank == world - 1 else "")  # type: ignore[misc]
            for rank in range(world)
        ]
        return [end(pid) for pid in members]


def _both(trainer: Trainer) -> Files:
    """A life: from nothing, then a rows refresh, then what is absorbed."""
    first = trainer.train(FULL, WIDE, None, TAUGHT)
    plan = rows(("i003", "i018"))
    return trainer.absorb(plan, trainer.train(plan, WIDE, first, NEXT), _lesson(range(20), range(20), 40))


def _near(made: Path, expected: Files) -> None:
    for name in ("item.safetensors", "user.safetensors"):
        found, wanted = load((made / name).read_bytes()), load(expected[name])
        assert found.keys() == wanted.keys()
        for tensor in wanted:
            assert torch.allclose(found[tensor], wanted[tensor], rtol=1e-3, atol=2e-5), tensor
    assert (made / "encoding.json").read_bytes() == expected["encoding.json"]


@pytest.mark.parametrize(
    ("world", "settings"),
    [
        (2, replace(SHORT, dropout=0.2, gradient_norm=0.5)),
        (3, replace(SHORT, tables="host", row_bound=0.5)),
        (2, replace(SHORT, objective="bce", metric="dot")),
        (2, replace(SHORT, objective="mse", metric="dot")),
    ],
)
def test_many_processes_make_the_model_of_one(tmp_path: Path, world: int, settings: TrainingSettings) -> None:
    """Through full, rows and absorb every tensor is that of a single process, but for the order in which floats are added."""
    assert _together(tmp_path, settings, _both, world) == [DONE] * world
    _near(tmp_path, _both(TwoTowerTrainer(settings, 7)))


def test_the_losses_are_those_of_one_process(tmp_path: Path) -> None:
    """Each pass's loss over the lesson and over the fit rows, parts of batches included, is the single process's."""
    assert _together(tmp_path, SHORT, lambda trainer: trainer.train(FULL, WIDE, None, TAUGHT)) == [DONE, DONE]
    found = json.loads((tmp_path / "model.json").read_text())["losses"]
    wanted = json.loads(TwoTowerTrainer(SHORT, 7).train(FULL, WIDE, None, TAUGHT)["model.json"])["losses"]
    assert len(wanted["train"]) == len(wanted["fit"]) == 2
    assert found == {name: pytest.approx(losses, rel=1e-5) for name, losses in wanted.items()}


def test_rows_that_may_not_move_keep_their_bits(tmp_path: Path) -> None:
    """What a rows plan holds still is bit-identical to the parent, whichever process owns the row."""
    parent = TwoTowerTrainer(SHORT, 7).train(FULL, WIDE, None, TAUGHT)
    assert _together(tmp_path, SHORT, lambda trainer: trainer.train(rows(("i003",)), WIDE, parent, NEXT)) == [DONE, DONE]
    before, after = (
        load(data)["table.item_id"] for data in (parent["item.safetensors"], (tmp_path / "item.safetensors").read_bytes())
    )
    moved = (after[: len(before)] != before).any(1).nonzero()[:, 0].tolist()
    known = Encoding.from_json(parent["encoding.json"].decode()).vocabularies["item_id"].values
    assert moved == [known.index("i003") + 1]
    assert len(after) > len(before)


def test_a_process_that_dies_is_told_by_the_others(tmp_path: Path) -> None:
    """One of three is killed in its second step: the others end at once, each with what to do, and nothing is made."""
    ended = _together(tmp_path, SHORT, _both, world=3, fault="training.step:2")
    assert ended == [FAILED, FAILED, KILLED]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["error 0", "error 1"]
    said = (tmp_path / "error 0").read_text()
    assert re.match(
        r"StoreError: training process 0: expected 3 processes that learn together, found .*\. Look for the first", said
    )


def test_a_process_that_hangs_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one does not take part in a lesson the leader gives up after its patience."""
    monkeypatch.setattr(module, "PATIENCE", timedelta(seconds=2))

    def silent(_group: Group, _message: bytes) -> None:
        """Call nobody."""

    monkeypatch.setattr(Group, "call", silent)
    assert _together(tmp_path, SHORT, lambda trainer: trainer.train(FULL, WIDE, None, TAUGHT)) == [FAILED, FAILED]
    assert "StoreError: training process 0: expected 2 processes that learn together" in (tmp_path / "error 0").read_text()


def test_the_leaders_error_is_everybodys(tmp_path: Path) -> None:
    """A lesson that cannot be taught ends every process with the reason, not with what became of the connection."""
    nothing = _lesson(range(4), range(4), 10)
    empty = replace(nothing, new=nothing.new.slice(0, 0))
    assert _together(tmp_path, SHORT, lambda trainer: trainer.train(FULL, WIDE, None, empty)) == [FAILED, FAILED]
    said = {(tmp_path / f"error {rank}").read_text() for rank in (0, 1)}
    assert len(said) == 1
    assert said.pop().startswith("DataError: lesson: expected interactions to learn from, found none")


def test_a_leader_without_a_lesson_lets_the_others_go(tmp_path: Path) -> None:
    """A plan to skip makes no call, and all end well."""
    assert _together(tmp_path, SHORT, lambda _trainer: {}) == [DONE, DONE]


def test_a_call_is_the_same_after_its_journey() -> None:
    """Settings, plan, schema, files and lesson come out of the bytes as they went in, with and without the optional ones."""
    train = Call(SHORT, 7, rows(("i001", "i002")), WIDE, {"a.json": b"{}", "b": b""}, NEXT)
    absorb = Call(SHORT, 7, rows(()), None, {"a.json": b"{}"}, TAUGHT)
    first = Call(SHORT, 7, FULL, WIDE, None, TAUGHT)
    imitate = replace(first, teaching=Teaching(({"model.json": b"{}"}, {"model.json": b"[]"}), 0.5))
    every = [train, absorb, first, imitate]
    assert [unpacked(call.packed()) for call in every] == every


def test_a_house_is_led_by_the_first_process(tmp_path: Path) -> None:
    """With what torchrun writes into the environment one process runs the flow, and the other ends when that has."""

    def enter(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        with House(Settings(paths=Paths(home=tmp_path))).leading() as leads:
            (tmp_path / f"{rank}").write_text(str(leads))

    with _joined():
        assert [end(pid) for pid in [start(lambda rank=rank: enter(rank)) for rank in (0, 1)]] == [DONE, DONE]  # type: ignore[misc]
    assert [(tmp_path / name).read_text() for name in ("0", "1")] == ["True", "False"]


def test_one_process_alone_leads(tmp_path: Path) -> None:
    """Without torchrun there is nobody to wait for."""
    with House(Settings(paths=Paths(home=tmp_path))).leading() as leads:
        assert leads
