"""What groups choose, and what comes of it, as GraphQL's clients see it."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import strawberry

from appliance.fields.connections import Connection, asked_span, connected
from appliance.fields.global_ids import GroupID
from appliance.fields.resolving import field
from appliance.model_selection.graphql.models import (
    AiModelSelectionOfferedModel,
    model_named,
    shown_model,
)
from appliance.model_selection.graphql.names import AiFeatureProviders, AiFeatures
from appliance.model_selection.graphql.shelf import Shelf
from appliance.model_selection.rules import ChoiceView
from appliance.namespaces.rules import Namespace


@strawberry.type(description="A group, whose members share what is chosen in it")
class Group:
    """A group."""

    id: GroupID
    name: str
    path: str
    full_path: str


@strawberry.enum(description="Who can say which model is used")
class AiModelSelectionLevelKind(Enum):
    """Who can say which model is used."""

    INSTANCE = "instance"
    GROUP = "group"


@strawberry.type(description="The level at which something is decided")
class AiModelSelectionLevel:
    """The instance, or a group."""

    kind: AiModelSelectionLevelKind
    group: Group | None


@strawberry.type
class _ChoiceFields:
    """What is the same under both names of a group's setting, and not GitLab's."""

    may_be_changed_by: str = strawberry.field(description="Who may change what is used here")
    locked: bool = strawberry.field(description="Whether the groups below have no choice")
    allowed_model_refs: list[str] | None = strawberry.field(
        description="What this group leaves those below to choose from; null: all it could choose"
    )
    suspended: str | None = strawberry.field(
        description="Why the choice of this group does not count, where it does not"
    )
    view: strawberry.Private[ChoiceView]
    shelf: strawberry.Private[Shelf]

    @field(description="The model that is used in this group")
    def effective_model(self) -> AiModelSelectionOfferedModel | None:
        """None: nothing is assigned, or the feature is disabled."""
        model = self.view.model
        return None if model is None else shown_model(model, self.shelf)

    @field(description="The level that chose the model which is used")
    def effective_level(self) -> AiModelSelectionLevel:
        """This group or one above it, or the instance."""
        return _level(self.view.level)

    @field(description="The level that leaves those below no choice")
    def locked_by(self) -> AiModelSelectionLevel | None:
        """None where `locked` is false."""
        here = self.view.here
        if not here.is_locked:
            return None
        return _level(None if here.locked_at is None else self.shelf.groups.get(here.locked_at))


@strawberry.type(description="A feature as a group sees it")
class AiNamespaceFeatureSetting(_ChoiceFields):
    """A feature; `offered_model_ref` is the group's own choice, None if it inherits."""

    feature: Enum = strawberry.field(graphql_type=AiFeatures)
    title: str
    main_feature: str
    provider: AiFeatureProviders
    release_state: str
    offered_model_ref: str | None
    offered_model_name: str | None

    @field(description="The models that the level above leaves to choose from")
    def offered_models(
        self,
        *,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiModelSelectionOfferedModel]:
        """By ref."""
        span = asked_span(first=first, after=after, last=last, before=before)
        return connected(self.view.choosable, span, lambda each: shown_model(each, self.shelf))


@strawberry.type(description="A feature as a group sees it, under the shipped names")
class AiModelSelectionNamespaceFeatureSetting(_ChoiceFields):
    """A feature; `selected_model` is the group's own choice, None if it inherits."""

    feature: str
    title: str | None
    main_feature: str | None

    @field(description="The model that this group chose")
    def selected_model(self) -> AiModelSelectionOfferedModel | None:
        """Also one that does not count any more."""
        choice = self.view.choice
        return None if choice is None else model_named(choice.model, self.shelf)

    @field(description="The model that is used where this group chooses none")
    def default_model(self) -> AiModelSelectionOfferedModel | None:
        """What holds at the level above."""
        return model_named(self.view.above.model, self.shelf)

    @field(description="The models that the level above leaves to choose from")
    def selectable_models(self) -> list[AiModelSelectionOfferedModel]:
        """By ref."""
        return [shown_model(each, self.shelf) for each in self.view.choosable]

    @field(description="The group")
    def namespace(self) -> Group:
        """The one that was asked about."""
        return _group(self.shelf.group)


def shown_choice(view: ChoiceView, shelf: Shelf) -> AiNamespaceFeatureSetting:
    """A feature as a group sees it."""
    choice = view.choice
    chosen = None if choice is None else shelf.pool.models.get(choice.model)
    return AiNamespaceFeatureSetting(
        feature=AiFeatures(view.name),
        title=view.feature.title,
        main_feature=view.feature.main_feature,
        provider=AiFeatureProviders(view.provider),
        release_state=view.feature.release_state,
        offered_model_ref=None if choice is None else choice.model,
        offered_model_name=None if chosen is None else chosen.name,
        **_both(view, shelf),
    )


def shown_selection(view: ChoiceView, shelf: Shelf) -> AiModelSelectionNamespaceFeatureSetting:
    """The same under the shipped names."""
    return AiModelSelectionNamespaceFeatureSetting(
        feature=view.name,
        title=view.feature.title,
        main_feature=view.feature.main_feature,
        **_both(view, shelf),
    )


def _both(view: ChoiceView, shelf: Shelf) -> Mapping[str, Any]:
    narrowed = None if view.choice is None else view.choice.narrowed_to
    return {
        "may_be_changed_by": view.may_change_by,
        "locked": view.here.is_locked,
        "allowed_model_refs": None if narrowed is None else sorted(narrowed),
        "suspended": view.problem,
        "view": view,
        "shelf": shelf,
    }


def _level(group: Namespace | None) -> AiModelSelectionLevel:
    kind = AiModelSelectionLevelKind.INSTANCE if group is None else AiModelSelectionLevelKind.GROUP
    return AiModelSelectionLevel(kind=kind, group=None if group is None else _group(group))


def _group(group: Namespace) -> Group:
    return Group(id=GroupID(group.id), name=group.name, path=group.path, full_path=group.full_path)
