"""`python -m ratoon`."""

from ratoon.cli import main

main()
