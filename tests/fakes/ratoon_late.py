"""`ratoon`, that writes down which modules it imported itself, into the file that the environment names."""

import atexit
import os
import sys
from pathlib import Path

BEFORE = set(sys.modules)
INTO = "RATOON_TEST_IMPORTS"


def told() -> None:
    Path(os.environ[INTO]).write_text(" ".join(sorted(set(sys.modules) - BEFORE)))


if __name__ == "__main__":
    from ratoon.cli import main

    atexit.register(told)
    main()
