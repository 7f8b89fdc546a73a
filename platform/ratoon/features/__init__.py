"""Features: Feast and what surrounds it. Importing `online` or `views` does not import Feast; `store` does."""

from ratoon.features.unchecked import install

install()
