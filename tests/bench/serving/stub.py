"""A server of a few lines that answers as it is told, in a thread."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Answering = Callable[[int, bytes], bytes | None]
"""(how many requests came before on all connections, the request) -> bytes to send; None closes the connection."""


def http(status: int = 200, body: bytes = b"{}", more: str = "") -> bytes:
    return f"HTTP/1.1 {status} Told\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@contextmanager
def listening(answering: Answering) -> Iterator[int]:
    """Its port."""
    count, lock = [0], threading.Lock()
    door = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):  # whoever asked may be gone
            while request := connection.recv(65_536):
                with lock:
                    number = count[0]
                    count[0] += 1
                answer = answering(number, request)
                if answer is None:
                    return
                connection.sendall(answer)

    def accept() -> None:
        while True:
            try:
                connection, _ = door.accept()
            except OSError:  # closed
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(door.getsockname()[1])
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
