"""A training as it is between two passes, on disk: one that was killed goes on from there and ends in the same bytes.

A checkpoint is one file: the SHA-256 of what follows, a line of JSON, and safetensors. It is written after every pass, replaced
by the next and removed at the end; that of a training which is a part of another, such as a teacher's, stays until the other is
done. What it is of is in its key; one of anything else, or with any byte changed, is left alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import torch
from safetensors.torch import load, save
from torch import Tensor

from ratoon import durable
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files, Lesson, Teaching
from ratoon.training.origins import Snapshot
from ratoon.training.settings import TrainingSettings

RULES = 2
"""Which way passes are made and ended: a training that began in another way cannot go on in this one."""

ENDING = ".checkpoint"

FILE = f"passes{ENDING}"

NOW, BEST, STATE = "now", "best", "state"
"""Before the names of tensors: as they are, as they were after the best pass, and what steps remember."""

Losses = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training after some of its passes.

    Attributes:
        losses: see `ratoon.training.model.Model`.
        now: what has moved.
        best: the same after the pass with the lowest loss on the fit rows; None without such rows.
        state: see `ratoon.training.fitting.Fitting.state`.
    """

    losses: Losses
    now: Snapshot
    best: Snapshot | None
    state: Mapping[str, Tensor]


class Checkpoints:
    """The checkpoint of one training.

    Args:
        folder: where it is; of one training at a time.
        key: of everything that decides how the training ends, see `key_of`.
        file: what it is called there.
    """

    def __init__(self, folder: Path, key: str, file: str = FILE) -> None:
        self._file, self._key = folder / file, key

    def read(self) -> tuple[Checkpoint | None, str]:
        """The checkpoint that is there, or none and the reason why what is there is of no use; no reason if nothing is there."""
        if not self._file.exists():
            return None, ""
        digest, _, rest = self._file.read_bytes().partition(b"\n")
        if durable.sha256(rest).encode() != digest:
            return None, "the checkpoint is damaged"
        line, _, tensors = rest.partition(b"\n")
        about = json.loads(line)
        if about["key"] != self._key:
            return None, "the checkpoint is of another training"
        kept = load(tensors)
        best = _unpacked(kept, BEST) if about["best"] else None
        state = {name.removeprefix(f"{STATE}/"): tensor for name, tensor in kept.items() if name.startswith(f"{STATE}/")}
        return Checkpoint(about["losses"], _unpacked(kept, NOW), best, state), ""

    def write(self, checkpoint: Checkpoint) -> None:
        """Replace what is there."""
        tensors = _packed(checkpoint.now, NOW) | {f"{STATE}/{name}": tensor for name, tensor in checkpoint.state.items()}
        if checkpoint.best is not None:
            tensors |= _packed(checkpoint.best, BEST)
        about = {"key": self._key, "losses": checkpoint.losses, "best": checkpoint.best is not None}
        rest = json.dumps(about).encode() + b"\n" + save(tensors)
        durable.write(self._file, durable.sha256(rest).encode() + b"\n" + rest)


def remove(folder: Path) -> None:
    """A training is over: nothing goes on from its checkpoint or its parts', nor from one that was half written when it died."""
    for file in (*folder.glob(f"*{ENDING}"), *folder.glob(f".*{ENDING}.*.new")):
        file.unlink(missing_ok=True)


def key_of(
    plan: RefreshPlan,
    seed: int,
    settings: TrainingSettings,
    schema: TowerSchema,
    parent: Files | None,
    lesson: Lesson,
    teaching: Teaching | None = None,
) -> str:
    """The hash of all that a training's bytes depend on: what is taught to what, how, and the library that computes it."""
    about = [RULES, repr(plan), seed, asdict(settings), schema.to_json(), torch.__version__, torch.cuda.is_available()]
    about += [[len(teaching.teachers), teaching.share]] if teaching else []
    digest = hashlib.sha256(json.dumps(about).encode())
    for files in (parent or {}, *(teaching.teachers if teaching else ())):
        for name, data in sorted(files.items()):
            digest.update(f"{name}:{durable.sha256(data)}\n".encode())
    for part in fields(lesson):
        sink = pa.BufferOutputStream()
        table = getattr(lesson, part.name).combine_chunks()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        digest.update(sink.getvalue())
    return digest.hexdigest()


def _packed(snapshot: Snapshot, prefix: str) -> dict[str, Tensor]:
    rows = {f"{prefix}/rows/{name}": rows.cpu() for name, (rows, _) in snapshot.items() if rows is not None}
    return rows | {f"{prefix}/values/{name}": values.cpu() for name, (_, values) in snapshot.items()}


def _unpacked(tensors: Mapping[str, Tensor], prefix: str) -> Snapshot:
    start = f"{prefix}/values/"
    names = [name.removeprefix(start) for name in tensors if name.startswith(start)]
    return {name: (tensors.get(f"{prefix}/rows/{name}"), tensors[start + name]) for name in names}
