"""The command line."""

import sys


def main() -> None:
    """Run the command line; what is answered without reading anything heavy is answered first."""
    from ratoon.cli.idle import answered

    if answered(sys.argv[1:]):
        return
    from ratoon.cli.app import main as run

    run()
