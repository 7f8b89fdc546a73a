"""What the files of a Feast repository define, before anything of it is applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from feast import Entity, FeatureService, FeatureView
from feast.repo_contents import RepoContents

from ratoon.domain.errors import DataError
from ratoon.domain.schema import Entity as EntityName
from ratoon.features.views import JOIN_KEYS, View


@dataclass(frozen=True)
class Definitions:
    """One reading of the files.

    Attributes:
        contents: as Feast parsed them, source paths made absolute.
        views: the feature views among them that rows come in by.
    """

    project: str
    contents: RepoContents
    views: tuple[View, ...]

    def service(self, name: str) -> FeatureService:
        """One of the feature services.

        Raises:
            DataError: there is none of this name, or it names its views as strings, which Feast resolves by applying them.
        """
        service = chosen(self.contents.feature_services, name)
        if service._pending_feature_refs:
            raise DataError(
                f"feature service {name!r}",
                expected="views, or selections of them such as view[['feature']]",
                found=f"the names {', '.join(service._pending_feature_refs)}",
                fix="Put the view itself into the service.",
            )
        return service

    def feature_view(self, name: str) -> FeatureView:
        """One of the feature views, as Feast has it."""
        return next(view for view in self.contents.feature_views if view.name == name)

    def entity_tags(self, entity: EntityName) -> Mapping[str, str]:
        """The tags of the entity whose key joins the views of users, or of items."""
        return tagged(self.contents.entities, entity)


def tagged(entities: Iterable[Entity], entity: EntityName) -> Mapping[str, str]:
    """The tags of the entity with that join key; none if there is none, as views without one say themselves."""
    return next((dict(found.tags) for found in entities if found.join_key == JOIN_KEYS[entity]), {})


def chosen(services: Iterable[FeatureService], name: str) -> FeatureService:
    """The service of this name; DataError, naming those there are, if there is none."""
    named = {service.name: service for service in services}
    if name not in named:
        raise DataError(
            f"feature service {name!r}",
            expected="a FeatureService of this name in feature_repo/",
            found=", ".join(sorted(named)) or "none",
            fix="Define it, or name another in ratoon.toml under surfaces.",
        )
    return named[name]
