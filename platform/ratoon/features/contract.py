"""From two feature services to the towers' inputs: what each feature is, by its dtype and tags."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, get_args

from feast import FeatureService, FeatureView

from ratoon.domain.errors import DataError
from ratoon.domain.schema import ITEM_TABLE, Entity, Feature, FeatureKind, TowerSchema
from ratoon.features.folds.texts import DIM, EMBED_TAG
from ratoon.features.repository import AGGREGATE_TAG, FeastRepository
from ratoon.features.tags import admission, whole
from ratoon.features.views import JOIN_KEYS, View

ENCODER_TAG, ROLE_TAG, DIM_TAG = "ratoon.encoder", "ratoon.role", "ratoon.dim"
BUCKETS_TAG, NGRAM_TAG = "ratoon.buckets", "ratoon.ngram"
ROLES = ("display", "filter")
LIST_LENGTH = 20
"""The most entries of a list that a tower looks at, unless the tag `ratoon.dim` says otherwise."""
TEXT_LENGTH = 64
"""The most n-grams of a text, words first, that a tower looks at: enough for a title of forty characters."""
BUCKETS = 16_384
"""The rows that a text's n-grams are hashed to, unless the tag `ratoon.buckets` says otherwise: 1 MiB of 16 floats each."""
NGRAM = 3
"""The characters of an n-gram, unless the tag `ratoon.ngram` says otherwise."""

DEFAULTS: dict[str, FeatureKind] = {
    "STRING": "category",
    "INT32": "number",
    "INT64": "number",
    "FLOAT": "number",
    "DOUBLE": "number",
    "BOOL": "number",
    "UNIX_TIMESTAMP": "number",
    "STRING_LIST": "ids",
    "INT32_LIST": "ids",
    "INT64_LIST": "ids",
    "FLOAT_LIST": "vector",
    "DOUBLE_LIST": "vector",
}


class Defined(Protocol):
    """A feature repository, applied or only read."""

    @property
    def project(self) -> str:
        """Feast's project."""

    @property
    def views(self) -> tuple[View, ...]:
        """The feature views."""

    def service(self, name: str) -> FeatureService:
        """A feature service."""

    def feature_view(self, name: str) -> FeatureView:
        """A feature view as Feast has it."""

    def entity_tags(self, entity: Entity) -> Mapping[str, str]:
        """The tags of the entity whose key joins the views of users, or of items."""


def tower_schema(repository: Defined, user_service: str, item_service: str) -> TowerSchema:
    """What the two services feed the towers.

    Raises:
        DataError: naming the feature, when its dtype has no encoder, its tags are wrong or its name is taken.
    """
    roles: dict[str, list[str]] = {role: [] for role in ROLES}
    user = tuple(_features(repository, user_service, "user", {role: [] for role in ROLES}))
    item = tuple(_features(repository, item_service, "item", roles))
    _refuse_twins([*user, *item])
    return TowerSchema(repository.project, user, item, tuple(roles["display"]), tuple(roles["filter"]))


def service_references(repository: FeastRepository, service: str) -> list[str]:
    """Every feature of a service as Feast's `view:feature`."""
    projections = repository.service(service).feature_view_projections
    return [f"{view.name_to_use()}:{field.name}" for view in projections for field in view.features]


def _features(repository: Defined, service: str, entity: Entity, roles: dict[str, list[str]]) -> Iterator[Feature]:
    key = JOIN_KEYS[entity]
    admit, evict = admission(repository.entity_tags(entity), f"entity {entity!r}")
    yield Feature(key, "", entity, "id", vocabulary=key, admit=admit, evict=evict)
    entities = {view.name: view.entity for view in repository.views}
    online = {view.name for view in repository.views if view.online}
    for projection in repository.service(service).feature_view_projections:
        if entities.get(projection.name) != entity:
            raise DataError(
                f"feature service {service!r}",
                expected=f"views of the entity {entity} only",
                found=f"view {projection.name!r} of {entities.get(projection.name, 'an unknown entity')}",
                fix="Move that view to the other service.",
            )
        if entity == "user" and projection.name not in online:
            raise DataError(
                f"feature view {projection.name!r}",
                expected="online=True, as users are embedded when they ask",
                found="online=False",
                fix="Set it in feature_repo/, or take the view out of the service.",
            )
        ttl = repository.feature_view(projection.name).ttl
        for field in projection.features:
            role = field.tags.get(ROLE_TAG, "")
            if role:
                _known(field, ROLE_TAG, role, ROLES)
                roles[role].append(field.name)
            if not role or ENCODER_TAG in field.tags:
                yield _feature(field, projection.name, entity, int(ttl.total_seconds()) if ttl else 0)


def _feature(field: Any, view: str, entity: Entity, ttl: int) -> Feature:
    dtype = field.dtype.to_value_type().name
    kind = field.tags.get(ENCODER_TAG) or DEFAULTS.get(dtype)
    if kind is None:
        raise DataError(
            f"dtype of feature {field.name!r} in view {view!r}",
            expected=f"one a tower can read: {', '.join(DEFAULTS)}",
            found=dtype,
            fix=f"Change it, or give the field the tag {ROLE_TAG} = display.",
        )
    _known(field, ENCODER_TAG, kind, [name for name in get_args(FeatureKind) if name != "id"])
    _suits(field, view, kind, dtype)
    history, text = kind in ("history", "attention"), kind == "text"
    vocabulary = ITEM_TABLE if history else field.name if kind in ("category", "ids", "text") else ""
    fold = field.tags.get(AGGREGATE_TAG, "")
    buckets, ngram = (_whole(field, view, BUCKETS_TAG, BUCKETS), _whole(field, view, NGRAM_TAG, NGRAM)) if text else (0, 0)
    held = admission(field.tags, f"feature {field.name!r} in view {view!r}", has_rows=kind in ("category", "ids"))
    return Feature(field.name, view, entity, kind, vocabulary, _dim(field, view, kind), ttl, fold, buckets, ngram, *held)


def _suits(field: Any, view: str, kind: FeatureKind, dtype: str) -> None:
    wanted = "String" if kind == "text" else "an Array" if kind in ("history", "attention") else ""
    if wanted and not (dtype == "STRING" if kind == "text" else dtype.endswith("_LIST")):
        raise DataError(
            f"dtype of feature {field.name!r} in view {view!r}",
            expected=f"{wanted}, as its tag {ENCODER_TAG} is {kind}",
            found=dtype,
            fix="Change the one or the other in feature_repo/.",
        )


def _whole(field: Any, view: str, tag: str, default: int) -> int:
    return whole(field.tags.get(tag, str(default)), tag, f"feature {field.name!r} in view {view!r}")


def _dim(field: Any, view: str, kind: FeatureKind) -> int:
    if kind == "text":
        return _whole(field, view, DIM_TAG, TEXT_LENGTH)
    if kind not in ("ids", "history", "attention", "vector"):
        return 0
    made = DIM if EMBED_TAG in field.tags else ""
    stated = field.tags.get(DIM_TAG) or str(field.vector_length or (made if kind == "vector" else LIST_LENGTH))
    if made and stated != str(made):
        raise DataError(
            f"length of vector feature {field.name!r} in view {view!r}",
            expected=f"{made}, as long as the vectors of texts are, or nothing",
            found=repr(stated),
            fix="Take it away in feature_repo/.",
        )
    if stated.isdecimal() and int(stated) > 0:
        return int(stated)
    vector = kind == "vector"
    raise DataError(
        f"length of {'vector' if vector else 'list'} feature {field.name!r} in view {view!r}",
        expected=f"a whole number above 0 in {'Field(vector_length=...) or ' if vector else ''}the tag {DIM_TAG}",
        found=repr(stated),
        fix="State how many numbers each vector has." if vector else "State how many entries of each list a tower looks at.",
    )


def _known(field: Any, tag: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise DataError(
            f"tag {tag} of feature {field.name!r}",
            expected=f"one of {', '.join(allowed)}",
            found=repr(value),
            fix="Correct the tag in feature_repo/.",
        )


def _refuse_twins(features: Iterable[Feature]) -> None:
    seen: dict[str, Feature] = {}
    for feature in features:
        if feature.name in seen:
            raise DataError(
                f"feature {feature.name!r}",
                expected="a name used once in both services",
                found=f"it in views {seen[feature.name].view!r} and {feature.view!r}",
                fix="Rename one of them.",
            )
        seen[feature.name] = feature
