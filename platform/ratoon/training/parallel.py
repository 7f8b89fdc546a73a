"""Training by several processes: the leader's calls are repeated to all of them, and every call is taught together."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load, save

from ratoon.domain.errors import StoreError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import TowerSchema
from ratoon.domain.shape import Shape
from ratoon.ports import Files, Lesson, Teaching
from ratoon.training.group import Group
from ratoon.training.settings import Progress, TrainingSettings
from ratoon.training.trainer import TwoTowerTrainer

DONE = b""
"""What the leader says when there will be no more calls."""

FILE, PART, TEACHER = "file ", "part ", "teacher "
"""Before the names of a parent's files, of a lesson's tables, and of the files of each teacher behind its number."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the `Trainer` port.

    Attributes:
        schema: None in `absorb`, which has the model's own.
        files: the parent's, or the model's.
    """

    settings: TrainingSettings
    seed: int
    plan: RefreshPlan
    schema: TowerSchema | None
    files: Files | None
    lesson: Lesson
    teaching: Teaching | None = None

    def made(self, trainer: TwoTowerTrainer) -> Files:
        """The model that comes of it."""
        if self.schema:
            return trainer.train(self.plan, self.schema, self.files, self.lesson, self.teaching)
        return trainer.absorb(self.plan, self.files or {}, self.lesson)

    def packed(self) -> bytes:
        """As bytes, for the other processes."""
        about: dict[str, Any] = {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "plan": asdict(self.plan),
            "schema": self.schema and self.schema.to_json(),
            "files": self.files is not None,
            "share": self.teaching and self.teaching.share,
            "teachers": len(self.teaching.teachers) if self.teaching else 0,
        }
        parts = {PART + part.name: _written(getattr(self.lesson, part.name)) for part in fields(self.lesson)}
        files = {FILE + name: data for name, data in (self.files or {}).items()}
        for number, teacher in enumerate(self.teaching.teachers if self.teaching else ()):
            files |= {f"{TEACHER}{number} {name}": data for name, data in teacher.items()}
        every = {"about": json.dumps(about).encode(), **parts, **files}
        return save({name: torch.from_numpy(np.array(memoryview(data))) for name, data in every.items()})


def unpacked(message: bytes) -> Call:
    """The call that `Call.packed` made bytes of."""
    every = {name: tensor.numpy().tobytes() for name, tensor in load(message).items()}
    about = json.loads(every["about"])
    files = _named(every, FILE)
    teachers = tuple(_named(every, f"{TEACHER}{number} ") for number in range(about["teachers"]))
    parts = {part.name: _read(every[PART + part.name]) for part in fields(Lesson)}
    plan: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in about["plan"].items()}
    return Call(
        TrainingSettings(**about["settings"]),
        about["seed"],
        RefreshPlan(**plan),
        TowerSchema.from_json(about["schema"]) if about["schema"] else None,
        files if about["files"] else None,
        Lesson(**parts),
        Teaching(teachers, about["share"]) if teachers else None,
    )


def _named(every: Mapping[str, bytes], start: str) -> dict[str, bytes]:
    return {name.removeprefix(start): data for name, data in every.items() if name.startswith(start)}


class ParallelTrainer:
    """The `Trainer` port of the leader; see `TwoTowerTrainer`.

    Its models are those of one process, but for the order in which floats are added up.
    """

    def __init__(self, settings: TrainingSettings, seed: int, progress: Progress, group: Group) -> None:
        self._settings, self._seed, self._group, self._progress = settings, seed, group, progress
        self._trainer = TwoTowerTrainer(settings, seed, progress, group)

    def grafted(self, schema: TowerSchema, donor: Files, ids: Mapping[str, Mapping[str, str]]) -> Files:
        """As `TwoTowerTrainer.grafted`; the leader needs nobody for it."""
        return self._trainer.grafted(schema, donor, ids)

    def varied(self, settings: Mapping[str, Any], seed: int | None = None, kept: str | None = None) -> "ParallelTrainer":  # noqa: ARG002
        """As `TwoTowerTrainer.varied`; a group keeps nothing to go on from."""
        source = self._seed if seed is None else seed
        return ParallelTrainer(replace(self._settings, **settings), source, self._progress, self._group)

    def train(
        self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson, teaching: Teaching | None = None
    ) -> Files:
        """As `TwoTowerTrainer.train`; StoreError if another process dies."""
        return self._together(Call(self._settings, self._seed, plan, schema, parent, lesson, teaching))

    def absorb(self, plan: RefreshPlan, model: Files, lesson: Lesson) -> Files:
        """As `TwoTowerTrainer.absorb`; StoreError if another process dies."""
        return self._together(Call(self._settings, self._seed, plan, None, model, lesson))

    def reshaped(self, model: Files, shape: Shape) -> Files:
        """As `TwoTowerTrainer.reshaped`; the leader needs nobody for it."""
        return self._trainer.reshaped(model, shape)

    def averaged(self, models: Sequence[Files]) -> Files:
        """As `TwoTowerTrainer.averaged`, by the leader alone: there is nothing to teach."""
        return self._trainer.averaged(models)

    def _together(self, call: Call) -> Files:
        self._group.call(call.packed())
        return call.made(self._trainer)


@contextmanager
def leading(group: Group) -> Iterator[bool]:
    """Whether this process leads. Any other one teaches along, before the body, until the leader's body is done.

    Raises:
        RatoonError: what the leader's calls raise.
    """
    if group.rank:
        while message := group.called():
            call = unpacked(message)
            call.made(TwoTowerTrainer(call.settings, call.seed, group=group))
        yield False
    else:
        try:
            yield True
        except BaseException:
            # That is the news; whoever has failed with it, or has died, cannot hear that nothing more will come.
            with suppress(StoreError):
                group.call(DONE)
            raise
        group.call(DONE)
    group.leave()


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _read(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
