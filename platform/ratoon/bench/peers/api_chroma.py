"""Chroma over HTTP; see `api_asking`."""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ratoon.bench.peers.api_asking import Asked, Found, K, ask, asked, await_port, free_port, tell, tuned, whole_http
else:  # as a script it stands beside it, and there is no Ratoon
    from api_asking import Asked, Found, K, ask, asked, await_port, free_port, tell, tuned, whole_http

EFFORTS = (100, 150, 200, 300, 400, 600, 1_000)
BATCH = 2_000
BASE = "/api/v2/tenants/default_tenant/databases/default_database/collections"


class Http:
    """JSON in, JSON out."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def __call__(self, method: str, path: str, body: object) -> dict[str, object]:
        """One request."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            return dict(json.loads(answer.read() or b"{}") or {})


def question(query: np.ndarray) -> dict[str, object]:
    """The body that asks for a query's nearest."""
    return {"query_embeddings": [query.tolist()], "n_results": K, "include": ["distances"]}


def measured(wanted: Asked, port: int, process: "subprocess.Popen[bytes]") -> Found:
    """Fill it, tune it, ask it."""
    http, begun = Http(port), time.perf_counter()
    layout = {"space": "ip", "ef_construction": 200, "max_neighbors": 16, "ef_search": EFFORTS[0]}
    made = http("POST", BASE, {"name": "items", "configuration": {"hnsw": layout}})
    path = f"{BASE}/{made['id']}"
    for first in range(0, len(wanted.items), BATCH):
        part = wanted.items[first : first + BATCH]
        http("POST", f"{path}/add", {"ids": [str(first + row) for row in range(len(part))], "embeddings": part.tolist()})
    build, now = time.perf_counter() - begun, [EFFORTS[0]]

    def search(effort: int, query: np.ndarray) -> list[int]:
        if now[0] != effort:
            http("PUT", path, {"new_configuration": {"hnsw": {"ef_search": effort}}})
            now[0] = effort
        found = http("POST", f"{path}/query", question(query))["ids"]
        return [int(one) for one in found[0]]  # type: ignore[index]

    effort, recall = tuned(wanted, EFFORTS, search)
    bodies = [json.dumps(question(query)).encode() for query in wanted.queries]
    head = f"POST {path}/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    qps, p99, cpu = ask(wanted, port, requests, whole_http, process.pid)
    version = f"Chroma {importlib.metadata.version('chromadb')}"
    return Found(version, f"ef_search {effort}", recall, qps, p99, cpu, build)


def main() -> None:
    """Start a server of its own."""
    wanted, port = asked(), free_port()
    chroma = str(Path(sys.executable).with_name("chroma"))
    with tempfile.TemporaryDirectory() as folder:
        command = [chroma, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            await_port(port)
            tell([measured(wanted, port, process)], wanted.recall)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
