"""What a template imports where no process can be added: it cannot fork."""

import os


def fork() -> int:
    raise BlockingIOError("no process can be added")


os.fork = fork
