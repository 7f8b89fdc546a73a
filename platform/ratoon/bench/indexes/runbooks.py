"""Streaming runbooks of the big-ann-benchmarks' NeurIPS'23 track (Simhadri et al. 2024, arXiv:2409.17424): parsed and scaled.

A file holds one or more data sets, each with numbered steps over ranges of ids: insert, delete, replace, search. A range of a
replacement says which ids (`tags_start` to `tags_end`) take which vectors (`ids_start` to `ids_end`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ratoon.domain.errors import DataError

KEYS: Mapping[str, tuple[str, ...]] = {
    "insert": ("start", "end"),
    "delete": ("start", "end"),
    "replace": ("tags_start", "tags_end", "ids_start", "ids_end"),
    "search": (),
}

Kind = Literal["insert", "delete", "replace", "search"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        ids: the items that it is about, as a range; none of a search.
        vectors: where those they get come from: the same range, but of a replacement.
    """

    kind: Kind
    ids: range = range(0)
    vectors: range = range(0)


@dataclass(frozen=True, slots=True)
class Runbook:
    """The steps of one data set.

    Attributes:
        name: of the file, without `_runbook`; data set: what its vectors were.
        span: how many ids and vectors it names.
    """

    name: str
    dataset: str
    steps: tuple[Step, ...]

    @property
    def span(self) -> int:
        """How many vectors it is about."""
        return max((max(step.ids.stop, step.vectors.stop) for step in self.steps), default=0)

    def scaled(self, most: int) -> "Runbook":
        """The same steps over at most so many vectors: every bound falls in proportion, and ranges that vanish do nothing."""
        span = self.span
        if span <= most:
            return self

        def less(ids: range) -> range:
            return range(ids.start * most // span, ids.stop * most // span)

        steps = []
        for step in self.steps:
            ids, vectors = less(step.ids), less(step.vectors)
            even = min(len(ids), len(vectors))  # rounding may leave one of two equal ranges one longer
            steps.append(Step(step.kind, ids[:even], vectors[:even]))
        return Runbook(self.name, self.dataset, tuple(steps))


def read(path: Path) -> Runbook:
    """The largest data set of a file.

    Raises:
        DataError: it is not a runbook; what is wrong and in which step is said.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise _refused(path.name, "YAML", str(error).splitlines()[0]) from error
    if not isinstance(content, dict) or not content:
        raise _refused(path.name, "data sets with numbered steps", repr(content)[:60])
    name = path.stem.removesuffix("_runbook")
    books = [Runbook(name, str(dataset), _steps(path.name, dataset, steps)) for dataset, steps in content.items()]
    return max(books, key=lambda book: book.span)


def _steps(file: str, dataset: object, content: Any) -> tuple[Step, ...]:
    numbers = sorted(key for key in content if isinstance(key, int)) if isinstance(content, dict) else []
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise _refused(f"{file}, {dataset}", "steps numbered from 1", f"{len(numbers)} numbered steps")
    return tuple(_step(f"{file}, {dataset}, step {number}", content[number]) for number in numbers)


def _step(where: str, content: Any) -> Step:
    kind: Any = content.get("operation") if isinstance(content, dict) else None
    if kind not in KEYS:
        raise _refused(where, f"operation: {', '.join(KEYS)}", repr(kind))
    bounds = [content.get(key) for key in KEYS[kind]]
    ranges = [range(*bounds[at : at + 2]) if _fits(*bounds[at : at + 2]) else None for at in range(0, len(bounds), 2)]
    if None in ranges or len({len(one) for one in ranges if one is not None}) > 1:
        wanted = " and ".join(KEYS[kind])
        raise _refused(where, f"{wanted}: whole numbers from 0, rising, as many ids as vectors", str(bounds))
    spans = [one for one in ranges if one is not None]
    return Step(kind, *(spans if len(spans) == 2 else spans * 2))


def _fits(start: Any, end: Any) -> bool:
    return type(start) is int and type(end) is int and 0 <= start < end


def _refused(where: str, expected: str, found: str) -> DataError:
    return DataError(where, expected=expected, found=found, fix="Take the file as the benchmark has it.")
