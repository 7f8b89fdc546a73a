"""The processes that learn one model together, as torchrun starts them: their collectives, and what it looks like if one dies.

gloo carries what is in the processor's memory, NCCL what is on GPUs.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import Tensor

from ratoon.domain.errors import StoreError
from ratoon.training.devices import chosen

PATIENCE = timedelta(minutes=5)
"""How long a process waits for the others inside a lesson, where all do the same at the same time."""

IDLE = timedelta(days=7)
"""How long the others wait for the leader's next lesson; if it dies they hear of it at once."""


class Group:
    """All processes of one training; the one of rank 0 leads. Every method is called by all of them, in the same order.

    Args:
        rank, world: which of how many this is.
        local: which on its machine, and so which GPU is its own.
        device: see `TrainingSettings`.

    Raises:
        UsageError: CUDA is asked for, and there is none.
        StoreError: from every method, if another process has died or does not answer for `PATIENCE`.
    """

    def __init__(self, rank: int, world: int, local: int, device: str) -> None:
        self.rank, self.world = rank, world
        cuda = chosen(device).type == "cuda"
        if cuda:
            torch.cuda.set_device(local)
        with self._together():
            backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
            dist.init_process_group(backend, rank=rank, world_size=world, timeout=PATIENCE)
            self._calls = dist.new_group(backend="gloo", timeout=IDLE)

    def part(self, size: int) -> slice:
        """Which of `size` rows are this process's: neighbours, so that all parts in the order of ranks are the whole."""
        return self._parts(size)[self.rank]

    def _parts(self, size: int) -> list[slice]:
        ends = [size * rank // self.world for rank in range(self.world + 1)]
        return [slice(first, last) for first, last in pairwise(ends)]

    def whole(self, part: Tensor, size: int) -> Tensor:
        """The `size` rows of which each process has its `part`."""
        return self._joined(part, [part.stop - part.start for part in self._parts(size)])

    def collected(self, rows: Tensor) -> Tensor:
        """All processes' rows in the order of ranks, however many each has."""
        with self._together():
            sizes = torch.zeros(self.world, dtype=torch.int64, device=rows.device)
            sizes[self.rank] = len(rows)
            dist.all_reduce(sizes)
        return self._joined(rows, sizes.tolist())

    def _joined(self, rows: Tensor, sizes: Sequence[int]) -> Tensor:
        room = rows.new_zeros(max(sizes), *rows.shape[1:])
        room[: len(rows)] = rows
        rooms = [torch.empty_like(room) for _ in sizes]
        with self._together():
            dist.all_gather(rooms, room)
        return torch.cat([found[:size] for found, size in zip(rooms, sizes, strict=True)])

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by the sum of all processes' ones."""
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        with self._together():
            dist.all_reduce(flat)
        for tensor, total in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(total.reshape(tensor.shape))

    def counts(self, sent: Tensor) -> tuple[list[int], list[int]]:
        """How many rows go to each process, and how many come from each; shape (world,), int64."""
        received = torch.empty_like(sent)
        with self._together():
            dist.all_to_all_single(received, sent)
        return sent.tolist(), received.tolist()

    def swapped(self, rows: Tensor, sent: list[int], received: list[int]) -> Tensor:
        """What the others have for this process, in the order of ranks, in exchange for `rows`, which lie in that order."""
        found = rows.new_empty(sum(received), *rows.shape[1:])
        with self._together():
            dist.all_to_all_single(found, rows.contiguous(), received, sent)
        return found

    def copy_leaders(self, tensor: Tensor) -> None:
        """Overwrite `tensor` by the leader's."""
        with self._together():
            dist.broadcast(tensor, 0)

    def call(self, message: bytes) -> None:
        """The leader's half of `called`."""
        with self._together():
            dist.broadcast(torch.tensor([len(message)]), 0, group=self._calls)
            if message:
                dist.broadcast(torch.frombuffer(bytearray(message), dtype=torch.uint8), 0, group=self._calls)

    def called(self) -> bytes:
        """The leader's next message."""
        size = torch.zeros(1, dtype=torch.int64)
        with self._together():
            dist.broadcast(size, 0, group=self._calls)
            message = torch.empty(int(size), dtype=torch.uint8)
            if len(message):
                dist.broadcast(message, 0, group=self._calls)
        return message.numpy().tobytes()

    def leave(self) -> None:
        """Close the connections."""
        dist.destroy_process_group()

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise StoreError(
                f"training process {self.rank}",
                expected=f"{self.world} processes that learn together",
                found=" ".join(str(error).split())[:200],
                fix="Look for the first process that failed, and start them all again.",
            ) from error
