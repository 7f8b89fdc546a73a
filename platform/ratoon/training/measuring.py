"""How fast a device learns, beside how fast its memory would let it; and what a rows refresh of a large catalogue costs.

Users, items and histories are drawn uniformly, which is the worst that can happen to a cache. What is learnt is nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from ratoon.domain.encoding import Encoding, Scale, Vocabulary
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import ITEM_TABLE, Feature, TowerSchema
from ratoon.ports import Lesson
from ratoon.training.devices import CPU, chosen
from ratoon.training.examples import Examples, Items
from ratoon.training.files import dump
from ratoon.training.fitting import Fitting
from ratoon.training.model import Model, fresh
from ratoon.training.places import Place
from ratoon.training.repeatable import generator, repeatable
from ratoon.training.settings import TrainingSettings
from ratoon.training.trainer import TwoTowerTrainer

HISTORY = 20
COPIES, PASSES = 5, 3
FLOAT, CODE = 4, 8
"""Bytes of a number and of a code."""

ADAM = 6
"""Values that an update moves for each it learns: the weight and its two moments, read and written."""

SCHEMA = TowerSchema(
    project="measuring",
    user=(
        Feature("user_id", "", "user", "id", "user_id"),
        Feature("recent_items", "activity", "user", "history", ITEM_TABLE, HISTORY),
    ),
    item=(Feature("item_id", "", "item", "id", ITEM_TABLE), Feature("item_events", "popularity", "item", "count")),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast examples are learnt.

    Attributes:
        rate: examples a second.
        bandwidth: bytes a second that a copy of a large tensor reads and writes.
        touched: bytes an example has to move: its codes and inputs, and its share of the step's weights and their moments.
    """

    rate: float
    bandwidth: float
    touched: float

    @property
    def limit(self) -> float:
        """Examples a second if memory were all that is waited for."""
        return self.bandwidth / self.touched


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a rows refresh cost.

    Attributes:
        seconds: of the whole call, from the parent's files to the new ones.
        peak: most bytes on the GPU; 0 without one.
    """

    seconds: float
    peak: int


def found(settings: TrainingSettings) -> str:
    """The device these settings choose, by its name."""
    device = chosen(settings.device)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor"


def pace(settings: TrainingSettings, items: int, examples: int) -> Pace:
    """Learn `examples` of a tenth as many users as items, pass after pass."""
    with repeatable(settings.threads):
        place, model = Place(settings), _model(items, settings)
        drawn, live = _drawn(items, examples, place.selecting)
        share = torch.full((items + 1,), 1 / items, device=place.selecting)
        compute = place.take(model, model.tensors)
        fitting = Fitting(model, dict.fromkeys(model.tensors), live, share, settings, generator(0, "pace"), compute)
        fitting.epoch(drawn.take(torch.arange(min(examples, settings.batch), device=place.selecting)))
        seconds = median(_timed(lambda: fitting.epoch(drawn), compute.device) for _ in range(PASSES))
        return Pace(examples / seconds, _bandwidth(compute.device), _touched(model, drawn, live, settings))


def refresh(settings: TrainingSettings, items: int, events: int) -> Refreshed:
    """One rows refresh of a model of `items` by `events` interactions, as many replayed, and negatives from all of theirs."""
    with repeatable(settings.threads):
        parent = dump(_model(items, settings), settings)
    source = np.random.default_rng(0)
    new, replay = _interactions(source, items, events), _interactions(source, items, events)
    touched = sorted({*new.column("item_id").to_pylist(), *replay.column("item_id").to_pylist()})
    catalogue = pa.table({"item_id": touched, "item_events": pa.array([1] * len(touched), pa.int64())})
    plan = RefreshPlan("rows", "measured", tuple(sorted(set(new.column("item_id").to_pylist()))))
    lesson = Lesson(new, replay, new.slice(0, 0), catalogue)
    cuda = chosen(settings.device).type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    trainer = TwoTowerTrainer(settings, 0)
    seconds = _timed(lambda: trainer.train(plan, SCHEMA, parent, lesson), chosen(settings.device))
    return Refreshed(seconds, torch.cuda.max_memory_allocated() if cuda else 0)


def _model(items: int, settings: TrainingSettings) -> Model:
    vocabularies = {
        ITEM_TABLE: Vocabulary(tuple(f"i{number}" for number in range(items))),
        "user_id": Vocabulary(tuple(f"u{number}" for number in range(_users(items)))),
    }
    return fresh(SCHEMA, Encoding(vocabularies, {"item_events": Scale(1.0, 1.0)}), 0, settings, CPU)


def _users(items: int) -> int:
    return max(1, items // 10)


def _drawn(items: int, examples: int, device: torch.device) -> tuple[Examples, Items]:
    """Encoded interactions, and the catalogue."""
    source = generator(0, "examples")
    taken = torch.randint(1, items + 1, (examples,), generator=source)
    users = {
        "user_id": torch.randint(1, _users(items) + 1, (examples,), generator=source).to(device),
        "recent_items": torch.randint(1, items + 1, (examples, HISTORY), generator=source).to(device),
    }
    return Examples(users, _items(taken, device), torch.zeros(examples, device=device)), _items(
        torch.arange(1, items + 1), device
    )


def _items(codes: Tensor, device: torch.device) -> Items:
    there = codes.to(device)
    return Items({"item_id": there, "item_events": torch.zeros(len(codes), 2, device=device)}, there)


def _interactions(source: np.random.Generator, items: int, events: int) -> pa.Table:
    def drawn(letter: str, most: int, count: int) -> pa.Array:
        return pa.array([f"{letter}{number}" for number in source.integers(most, size=count).tolist()])

    ends = pa.array(np.arange(0, events * HISTORY + 1, HISTORY, dtype=np.int32))
    return pa.table(
        {
            "user_id": drawn("u", _users(items), events),
            "recent_items": pa.ListArray.from_arrays(ends, drawn("i", items, events * HISTORY)),
            "item_id": drawn("i", items, events),
            "item_events": pa.array([1] * events, pa.int64()),
        }
    )


def _touched(model: Model, drawn: Examples, live: Items, settings: TrainingSettings) -> float:
    """Bytes an example moves at least, for the first batch of `drawn`."""
    size = min(len(drawn), settings.batch)
    batch, draws = drawn.take(torch.arange(size, device=drawn.value.device)), settings.negatives
    codes = torch.cat([batch.items.codes, batch.users["recent_items"].reshape(-1), live.codes[:draws]])
    rows = len(codes.unique()) + len(batch.users["user_id"].unique())
    layers = sum(tensor.numel() for name, tensor in model.tensors.items() if not name.startswith("table."))
    inputs = (HISTORY + 2) * CODE * size + 2 * FLOAT * (size + draws)
    return (ADAM * FLOAT * (rows * settings.dim + layers) + inputs) / size


def _bandwidth(device: torch.device) -> float:
    room = torch.zeros(2**26 if device.type == "cuda" else 2**24, device=device)
    copy = torch.empty_like(room)
    copy.copy_(room)
    return 2 * FLOAT * room.numel() / median(_timed(lambda: copy.copy_(room), device) for _ in range(COPIES))


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds by the wall until `work` is done, on the GPU too."""
    _settled(device)
    begun = time.perf_counter()
    work()
    _settled(device)
    return time.perf_counter() - begun


def _settled(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
