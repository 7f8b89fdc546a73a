"""`ratoon bench gpu`: how near training comes to the memory's speed, and what a rows refresh of ten million items costs.

At scale 1 it is for a data-centre GPU, and not run without one. A smaller scale runs on whatever there is, to see that it does.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratoon import durable
from ratoon.bench.row import Row, not_run, told
from ratoon.domain.errors import UsageError

if TYPE_CHECKING:
    from ratoon.training import TrainingSettings

RESULTS = Path(__file__).parent / "results" / "gpu.json"
ITEMS, CATALOGUE, DIM = 1_000_000, 10_000_000, 64
EXAMPLES, EVENTS, BATCH = 2_000_000, 100_000, 8_192

Tell = Callable[[str], None]

PACE, REFRESH = "examples a second", "a `rows` refresh"


def measure(scale: float, stamp: dict[str, str], tell: Tell) -> dict[str, dict[str, Any]]:
    """Measure; group -> stamp and rows. At scale 1 it is kept.

    Raises:
        UsageError: the scale is none.
    """
    from ratoon.training.devices import chosen

    if not 0.0001 <= scale <= 1:
        raise UsageError("--scale", expected="0.0001 to 1", found=str(scale), fix="The figures asked for are of 1.")
    settings = _settings(scale)
    missing = scale == 1 and chosen("auto").type != "cuda"
    rows = _unmeasured() if missing else [*_paces(settings, scale, tell), *_refreshes(settings, scale, tell)]
    found = {"gpu": {**stamp, "rows": [asdict(row) for row in rows]}}
    if scale == 1 and not missing:
        durable.write(RESULTS, json.dumps(found, indent=1).encode() + b"\n")
    return found


def kept() -> dict[str, dict[str, Any]]:
    """What was measured last at scale 1 on a GPU."""
    stored: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return stored


def _settings(scale: float) -> "TrainingSettings":
    from ratoon.training import TrainingSettings

    return TrainingSettings(dim=DIM, batch=max(64, int(BATCH * scale)))


def _ways(settings: "TrainingSettings") -> "dict[str, TrainingSettings]":
    low = replace(settings, precision="bfloat16")
    return {"float32": settings, "bfloat16": low, "bfloat16, tables on the host": replace(low, tables="host")}


def _unmeasured() -> list[Row]:
    why = "no CUDA device; a --scale below 1 runs on the processor"
    return [not_run(f"{PACE}, {ITEMS:,} items x {DIM}", "", why), not_run(f"{REFRESH} of {CATALOGUE:,} items x {DIM}", "", why)]


def _paces(settings: "TrainingSettings", scale: float, tell: Tell) -> list[Row]:
    from ratoon.training import measuring

    items, examples, found = int(ITEMS * scale), int(EXAMPLES * scale), list[Row]()
    for name, way in _ways(settings).items():
        tell(f"{PACE}: {name}")
        pace = measuring.pace(way, items, examples)
        against = (
            f"{pace.limit:,.0f} a second at the memory's speed: {pace.touched:,.0f} bytes each, copies at "
            f"{pace.bandwidth / 1e9:.0f} GB/s on {measuring.found(way)}; batches of {way.batch:,}"
        )
        found.append(told(f"{PACE}, {items:,} items x {DIM}, {name}", pace.rate, "per second", against))
        found.append(told(f"{PACE} / the memory's limit, {name}", pace.rate / pace.limit, "ratio", "1 is as fast as bytes move"))
    return found


def _refreshes(settings: "TrainingSettings", scale: float, tell: Tell) -> list[Row]:
    from ratoon.training import measuring

    items, events, found = int(CATALOGUE * scale), int(EVENTS * scale), list[Row]()
    for name, way in _ways(settings).items():
        tell(f"{REFRESH}: {name}")
        cost = measuring.refresh(way, items, events)
        peak = f", in {cost.peak / 2**30:.1f} GiB of its memory" if cost.peak else ""
        against = f"{events:,} new interactions, as many replayed; files in, files out; on {measuring.found(way)}{peak}"
        found.append(told(f"{REFRESH} of {items:,} items x {DIM}, {name}", cost.seconds, "s", against))
    return found
