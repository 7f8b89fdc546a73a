"""Features: Feast and what surrounds it. Importing `online` or `views` does not import Feast; `store` does."""
