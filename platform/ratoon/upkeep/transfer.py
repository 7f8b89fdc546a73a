"""Transfer: a release that starts from what another catalogue's has learnt.

A home without a release has nothing that a candidate could be made of and judged against: so the first release is a cold one,
published as ever, and the transferred one has to do no worse. What the two have in common comes along: layers, for the inputs
that both read; rows of categories, which stand for values; rows of ids, for those that a file says mean the same. Then
everything learns the source's own history in a few passes, from there and not from nothing.

All refreshes go on from it as from any release; `full` starts again from nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import UsageError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.popularity import FILE, Popularity
from ratoon.domain.schema import ITEM_TABLE, SCHEMA, TowerSchema
from ratoon.domain.upkeep import Point
from ratoon.judging import Pair
from ratoon.ports import Files, Registry
from ratoon.remaking import Remade
from ratoon.upkeep.identities import identities
from ratoon.upkeep.operation import Choosing, Operation
from ratoon.upkeep.relearning import Relearning
from ratoon.workshop import Task, Workshop

PLAN = RefreshPlan("dense", "transferred by upkeep")


@dataclass(frozen=True, slots=True)
class Transfer(Operation):
    """See the module.

    Attributes:
        home: the folder of the other catalogue's state.
        surface: of that home.
        other: the beginning of the id of its release; empty for its current one.
        items, users: see `ratoon.upkeep.identities`.
        passes: over the source's own history, at most.
    """

    name: ClassVar[str] = "transfer"

    home: str
    surface: str = "default"
    other: str = ""
    items: str = ""
    users: str = ""
    passes: int = 3

    def __post_init__(self) -> None:
        """Refuse what nobody can start from."""
        if not self.home:
            raise UsageError("--from", expected="the folder of another home", found="nothing", fix="Name it.")
        if self.passes < 1:
            raise UsageError("--passes", expected="at least 1", found=str(self.passes), fix="Change the option.")

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """The other release, fine-tuned on the source's own history."""
        registry, again = self._registry(shop), Relearning.of(shop, task, source)
        donor = registry.load(registry.get(self.other or None))
        ids = self._ids(donor, again, task.schema)
        trainer = shop.trainer.varied({"passes": self.passes})
        start = trainer.grafted(task.schema, donor, ids)
        model = trainer.train(PLAN, task.schema, start, again.lesson)
        worth, curve = _worth(again, model, donor)
        notes = [f"{len(shared):,} of their {name} are ours" for name, shared in ids.items()]
        notes.append(f"features that both read: {', '.join(_read(start))}")
        told = f"what release {registry.get(self.other or None).id[:12]} of {self.home} has learnt, fine-tuned on its own events"
        return Remade(_priced(again.absorbed(trainer, model), worth), self.said(task, told, curve, notes))

    def _registry(self, shop: Workshop) -> Registry:
        folder = Path(self.home)
        if shop.elsewhere is None or not (folder / "releases" / self.surface).is_dir():
            raise UsageError(
                "--from",
                expected=f"a home with releases of surface {self.surface}",
                found=self.home,
                fix="Name the folder that the other one has as paths.home, and --from-surface.",
            )
        return shop.elsewhere(folder, self.surface)

    def _ids(self, donor: Files, again: Relearning, schema: TowerSchema) -> dict[str, Mapping[str, str]]:
        """Vocabulary of ids -> theirs to ours."""
        theirs = Encoding.from_json(donor["encoding.json"].decode()).vocabularies
        users = set(again.past.column("user_id").to_pylist())
        index = again.source.index
        found: dict[str, Mapping[str, str]] = {
            ITEM_TABLE: identities("--items", self.items, theirs[ITEM_TABLE].rows, lambda item: item in index)
        }
        for feature in schema.user:
            if feature.kind == "id":
                known = theirs[feature.vocabulary].rows if feature.vocabulary in theirs else {}
                found[feature.vocabulary] = identities("--users", self.users, known, users.__contains__)
        return found


def _worth(again: Relearning, model: Files, donor: Files) -> tuple[bytes | None, list[Point]]:
    """What popularity is worth: what the other release says or what the source does, whichever finds more of the fit rows."""
    pair, choosing = again.pair(model), Choosing.of(again.shop, again.task, again.source)
    tried = {"popularity as before": None, "popularity as there": donor.get(FILE) if FILE in pair.model else None}
    found = {name: choosing.relative(_priced(pair, worth)) for name, worth in tried.items()}
    chosen = max(found, key=lambda name: found[name])
    return tried[chosen], [Point(name, pair.disk, recall, name == chosen) for name, recall in found.items()]


def _priced(pair: Pair, worth: bytes | None) -> Pair:
    """The pair, to whose users popularity is worth as much as a file says, or as it was."""
    if worth is None:
        return pair
    weights = Popularity.from_json(worth.decode()).weights
    return replace(pair, model={**pair.model, FILE: worth}, towers=pair.towers.weighed(weights))


def _read(model: Files) -> list[str]:
    schema = TowerSchema.from_json(model[SCHEMA].decode())
    return [feature.name for feature in (*schema.user, *schema.item)]
