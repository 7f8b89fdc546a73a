"""A small refresh, run as a program: publishes what `events` counts, by the real registry, and speaks like `ratoon refresh`.

It takes no lease, so that the compare-and-swap alone is left between two of them. In the folder: `events` holds a number;
`exit`, if it is there, an exit code to fail with; where `wait` is there at the beginning, it goes on when `go` is; where `keeps`
is there, it keeps a record of itself and its release has a tensor.
"""

import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from ratoon import durable
from ratoon.domain.errors import Conflict
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.release import Release, release_id
from ratoon.domain.report import RefreshReport, Stage
from ratoon.domain.window import Window
from ratoon.registry import FileRegistry


def main(folder: Path) -> int:
    registry = FileRegistry(folder / "releases", "default")
    current, end, wait = registry.current(), int((folder / "events").read_text()), (folder / "wait").exists()
    with (folder / "began").open("a") as began:
        began.write("x")
    if (code := folder / "exit").exists():
        sys.stderr.write("as it was told\n")
        return int(code.read_text())
    while wait and not (folder / "go").exists():
        time.sleep(0.02)
    start = current.window.end if current else 0
    window, outcome = Window(start, end, datetime(2020, 1, 1, tzinfo=UTC)), "skipped"
    if end > start:
        files = {"index.faiss": f"learnt up to {end}".encode()}
        if (folder / "keeps").exists():
            files["item.safetensors"] = save({"same": np.zeros(2), "table": np.array([[1.0, 2.0], [3.0, end]])})
        hashes = {name: durable.sha256(data) for name, data in files.items()}
        parent = current.id if current else ""
        made = release_id(parent=parent, window=window, scope="rows", seed=0, files=hashes)
        try:
            current = registry.publish(Release(made, "default", 0, parent, window, "rows", 2, "dot", "s", 0, (), hashes), files)
        except Conflict as lost:
            sys.stderr.write(f"{lost}\n")
            return 5
        outcome = "published"
    assert current is not None
    plan = RefreshPlan("rows" if outcome == "published" else "skip", f"{end - start} events")
    stages = (Stage("join", 0.1, 0.1, end - start),)
    report = RefreshReport("default", outcome, current.id, current.sequence, plan, window, None, stages)  # type: ignore[arg-type]
    if (folder / "keeps").exists():
        registry.record(report)
    sys.stdout.write(json.dumps(asdict(report), default=datetime.isoformat))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
