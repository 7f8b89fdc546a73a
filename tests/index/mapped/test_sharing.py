"""Two processes over one file, and many threads over one index."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ratoon import durable
from ratoon.config import Index, Paths, Settings
from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.errors import UsageError
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.wiring import House
from tests.index.mapped.released import batch, drawn, mapped, released
from tests.index.soaking import DIM, ITEMS, Soak

OTHER = """
import json, sys
from pathlib import Path
from tests.index.mapped.released import batch, drawn, mapped

folder = Path(sys.argv[1])
files = {file.name: file.read_bytes() for file in folder.glob("release/*")}
index = mapped(files, folder / "mapped")
index.remove([item for item, _ in index.search(drawn(1), 5)[0]])
index.upsert(batch(list(range(50, 400)), seed=9))
print(json.dumps({"found": index.search(drawn(1), 9)[0], "maps": Path("/proc/self/maps").read_text()}))
"""


def inodes(maps: str, file: Path) -> set[str]:
    """The inodes under which a process maps a file, for reading alone."""
    lines = [line.split() for line in maps.splitlines() if line.endswith(str(file))]
    assert all("w" not in line[1] for line in lines)
    return {line[4] for line in lines}


def test_two_processes_map_one_file(tmp_path: Path) -> None:
    """What one takes away and puts in the other does not see; both map the same pages, and no byte of them has changed."""
    files = released(300, Dial(6, "fp16", 6))
    for name, data in files.items():
        durable.write(tmp_path / "release" / name, data)
    index = mapped(files, tmp_path / "mapped")
    (file,) = (tmp_path / "mapped").glob("*.ivf")
    before, found = durable.sha256_file(file), index.search(drawn(1), 9)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [sys.executable, "-c", OTHER, str(tmp_path)]
    said = json.loads(subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout)
    assert inodes(said["maps"], file) == inodes(Path("/proc/self/maps").read_text(), file) == {str(file.stat().st_ino)}
    assert index.search(drawn(1), 9) == found == FaissIndex.load(files).search(drawn(1), 9)
    assert durable.sha256_file(file) == before
    own = FaissIndex.load(files)
    own.remove([item for item, _ in own.search(drawn(1), 5)[0]])
    own.upsert(batch(list(range(50, 400)), seed=9))
    assert [tuple(pair) for pair in said["found"]] == own.search(drawn(1), 9)[0] != found[0]


@pytest.mark.parametrize("copies", [1, 2])
def test_nothing_is_wrong_in_between(tmp_path: Path, copies: int) -> None:
    """While items come, move and go over the file, no answer has one twice, too few, a stale one or one that was gone."""
    begun = Soak(FaissIndex(DIM, "dot"))
    begun.put(np.random.default_rng(0), np.arange(ITEMS))
    begun.index.rebuild(Dial(50, "fp16", nprobe=20))
    index = mapped(begun.index.snapshot(), tmp_path, IndexPolicy(copies=1 if copies == 1 else 2))
    soak = Soak(index, begun.written, begun.told)
    soak.together([soak._write, soak._read, soak._read, soak._keep], 1.0)
    assert soak.wrong[:5] == []
    assert set(soak.rounds) == {"_write", "_read", "_keep"}
    assert len(soak.seconds) > 100
    ids = index.ids()
    assert np.array_equal(index.vectors(ids), np.array([soak.written[int(item[1:])][-1] for item in ids]))


def test_servers_map_it_if_the_settings_say_so(tmp_path: Path) -> None:
    """With index.mapped servers map their indexes from the home's cache, and nobody else does; CUDA beside it is refused."""
    paths, files = Paths(home=tmp_path), released(30)
    house = House(Settings(paths=paths, index=Index(mapped=True)))
    said = house.served_indexes().load(files).stats()
    assert Path(str(said["file"])).parent == tmp_path / "cache" / "index"
    assert house.index_device.why == "index.mapped shares it among the processes of this machine"
    assert "file" not in house.indexes.load(files).stats()
    both = House(Settings(paths=paths, index=Index(mapped=True, device="cuda")))
    with pytest.raises(UsageError, match='index.mapped: expected an index on the processor, found index.device = "cuda". Set'):
        both.served_indexes()
    assert Settings().index.mapped is False
