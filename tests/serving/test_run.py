"""The server process."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from ratoon.domain.errors import UsageError
from ratoon.serving import create_app, serve
from tests.fakes.serving_world import World

SERVE = """
import sys
from pathlib import Path
from ratoon.serving import create_app, serve
from tests.fakes.serving_world import World

world = World.at(Path(sys.argv[1]))
world.registry.release(1)
serve(create_app(world.rooms), port=0, started=lambda port: print(port, flush=True))
world.log.close()
print("stopped", flush=True)
"""


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """`app` under a real server in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))  # loggers stay as other tests know them
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_swaps_fail_and_mix_nothing(world: World) -> None:
    """While twenty releases are swapped in under load no request fails, and every answer comes from one release alone."""
    wrong: list[object] = []
    served: set[int] = set()
    stop = threading.Event()

    def hammer(url: str, user: str) -> None:
        with httpx.Client() as http:
            while not stop.is_set():
                answer = http.post(url + "/v1/retrieve", json={"user_id": user, "k": 10})
                body = answer.json()
                number = body.get("sequence", 0)
                served.add(number)
                scale = number**2 if body.get("source") == "tower" else 0
                expected = [(f"r{number}-i{place}", scale * (10 - place)) for place in range(10)]
                found = [(one["item_id"], one["score"]) for one in body.get("candidates", [])]
                if (answer.status_code, found, body.get("release")) != (200, expected, f"{number:064x}"):
                    wrong.append(body)

    with listening(create_app(world.rooms)) as url:
        threads = [threading.Thread(target=hammer, args=(url, user)) for user in ("known", "known", "nobody")]
        for thread in threads:
            thread.start()
        for number in range(2, 22):
            world.registry.release(number)
            while number not in served and not wrong:
                time.sleep(0.001)
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert served >= set(range(2, 22))


def test_a_server_stops_when_told(tmp_path: Path) -> None:
    """On SIGTERM a server finishes, gives control back to its caller, and the process ends well."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        assert httpx.post(url + "/v1/retrieve", json={"user_id": "u"}, timeout=20).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "stopped\n"
    assert process.returncode == 0


def test_a_taken_port_is_named(world: World) -> None:
    """An address that cannot be listened on is an error that names it and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port}: expected an address that is free.*--port"):
            serve(create_app(world.rooms), port=port)
