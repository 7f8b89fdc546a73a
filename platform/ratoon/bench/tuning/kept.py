"""Where a study is kept: one file, a line for each thing that happened, which whoever is killed leaves as good as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ratoon.domain.errors import StoreError
from ratoon.registry.locks import leased

STUDY = "tune"


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Hold a study; Conflict if another process does."""
    with leased(file.with_suffix(".lock"), f"no other search in {file.name}"):
        yield


def opened(file: Path) -> optuna.Study:
    """The study in a file, or a new one; whoever calls holds it.

    Raises:
        StoreError: the file holds something else, or is damaged.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)  # Optuna's own, of a process that was killed at a line
    _whole(file)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
        return optuna.create_study(study_name=STUDY, storage=storage, direction="maximize", load_if_exists=True)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            str(file), expected="a study of `ratoon upkeep tune`", found=repr(error), fix="Begin anew with --anew."
        ) from error


def _whole(file: Path) -> None:
    """Let go of a line that was only begun: what is added behind it would make it, and the file, unreadable."""
    if not file.exists():
        return
    with file.open("r+b") as lines:
        held = lines.read()
        lines.truncate(held.rfind(b"\n") + 1)
