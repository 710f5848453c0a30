"""What GraphQL's clients send to say which model is used, and how a refusal reads to them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import strawberry

from appliance.errors import ConflictError, InvalidFieldsError
from appliance.fields.global_ids import GroupID
from appliance.fields.resolving import Context
from appliance.model_selection.errors import ModelSwitchingOffError
from appliance.model_selection.graphql.names import (
    AiFeatureProviders,
    AiFeatures,
    AiModelSelectionFeatures,
    SelfHostedModelID,
    listed,
)
from appliance.self_hosted_models.errors import EndpointNotAllowedError, RefTakenError
from appliance.storage.engine import Session

T = TypeVar("T")
# What a client is told in `errors`; anything else fails the whole field.
EXPECTED = (
    InvalidFieldsError,
    ConflictError,
    ModelSwitchingOffError,
    RefTakenError,
    EndpointNotAllowedError,
)


@strawberry.input(
    description="Which model is used. aiNamespaceFeatureSettingUpdate needs `namespaceId`, "
    "`feature` and `offeredModelRef`; aiFeatureSettingUpdate `features`, `provider`, and with it "
    "`aiSelfHostedModelId` or `offeredModelRef`. What neither needs stays as it is if left out"
)
class AiFeatureSettingUpdateInput:
    """A wish for a group, or one for the instance."""

    namespace_id: strawberry.ID | None = strawberry.UNSET
    feature: Enum | None = strawberry.field(
        default=strawberry.UNSET, graphql_type=AiFeatures | None
    )
    offered_model_ref: str | None = strawberry.field(
        default=strawberry.UNSET,
        description='A model; "" goes back to what the level above says',
    )
    features: list[Enum] | None = strawberry.field(
        default=strawberry.UNSET,
        graphql_type=listed(AiFeatures) | None,
    )
    provider: AiFeatureProviders | None = strawberry.UNSET
    ai_self_hosted_model_id: SelfHostedModelID | None = strawberry.UNSET
    allowed_model_refs: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="What is left to the level below; null: everything"
    )
    locked: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the level below has no choice"
    )
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="Which models groups may choose from, and which is used otherwise")
class AiInstanceFeatureSettingUpsertInput:
    """A wish for the instance; `offered_model_ref` is another name of `default_model_ref`."""

    features: list[Enum] = strawberry.field(graphql_type=listed(AiFeatures))
    provider: AiFeatureProviders | None = strawberry.field(
        default=strawberry.UNSET, description="Said by the default model, if it is left out"
    )
    default_model_ref: str | None = strawberry.UNSET
    offered_model_ref: str | None = strawberry.UNSET
    allowed_model_refs: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="What groups may choose from; null: all that suit"
    )
    locked: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether groups have no choice"
    )
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="Of which features everything that was set is forgotten")
class AiInstanceFeatureSettingDeleteInput:
    """What the gateway offers holds again."""

    features: list[Enum] = strawberry.field(graphql_type=listed(AiFeatures))
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.input(description="Which model a group uses")
class AiModelSelectionNamespaceUpdateInput:
    """A wish for a group; an empty `offered_model_ref` goes back to what the level above says."""

    group_id: GroupID
    features: list[Enum] = strawberry.field(graphql_type=listed(AiModelSelectionFeatures))
    offered_model_ref: str
    client_mutation_id: str | None = strawberry.UNSET


def is_said(value: object) -> bool:
    """Whether a field of an input has a value; null says as little as leaving it out."""
    return value is not strawberry.UNSET and value is not None


def check_said(
    wish: object, *, needed: Collection[str] = (), foreign: Collection[str], belongs_to: str
) -> None:
    """Passes when everything needed is said, and nothing that only another mutation takes.

    Raises:
        InvalidFieldsError: naming each field at fault as clients write it.
    """
    problems = {
        in_graphql(name): "is required" for name in needed if not is_said(getattr(wish, name))
    }
    problems |= {
        in_graphql(name): f"belongs to {belongs_to}; leave it out here"
        for name in foreign
        if is_said(getattr(wish, name))
    }
    if problems:
        raise InvalidFieldsError(problems)


def in_graphql(name: str) -> str:
    """A field's name as clients write it."""
    first, *rest = name.split("_")
    return first + "".join(each.capitalize() for each in rest)


def attempted(
    asked: Context, work: Callable[[Session], T], *, names: Mapping[str, str]
) -> tuple[T | None, list[str]]:
    """What comes of a change, or the sentences why nothing was changed.

    `names` are those of fields that the client knows by another name.
    """
    try:
        return asked.write(work), []
    except EXPECTED as refusal:
        return None, sentences(refusal, names=names)


def sentences(refusal: Exception, *, names: Mapping[str, str]) -> list[str]:
    """Why not, one sentence for each field at fault."""
    if not isinstance(refusal, InvalidFieldsError):
        return [str(refusal)]
    return [f"{names.get(name, name)}: {reason}" for name, reason in refusal.fields.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an input says of what is left to the level below; UNSET says nothing."""

    allowed: Sequence[str] | None = strawberry.UNSET
    locked: bool | None = strawberry.UNSET

    def check_silent(self, reason: str) -> None:
        """Passes when it says nothing.

        Raises:
            InvalidFieldsError: it does, where that makes no sense for `reason`.
        """
        said = {"allowedModelRefs": self.allowed, "locked": self.locked}
        problems = {name: reason for name, value in said.items() if is_said(value)}
        if problems:
            raise InvalidFieldsError(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is left to the level below."""

    allowed: tuple[str, ...] | None = None
    is_locked: bool = False

    def with_said(self, said: Said) -> "Terms":
        """These, but for what an input says."""
        allowed = self.allowed if said.allowed is strawberry.UNSET else said.allowed
        return Terms(
            allowed=None if allowed is None else tuple(allowed),
            is_locked=bool(said.locked) if is_said(said.locked) else self.is_locked,
        )


def check_some(features: Sequence[str]) -> None:
    """Passes when a feature is named.

    Raises:
        InvalidFieldsError: none is.
    """
    if not features:
        raise InvalidFieldsError({"features": "is required"})


def alike(terms: Mapping[str, Terms]) -> Mapping[Terms, tuple[str, ...]]:
    """The features by their terms: those with the same are changed together."""
    found: dict[Terms, tuple[str, ...]] = {}
    for feature, each in terms.items():
        found[each] = (*found.get(each, ()), feature)
    return found
