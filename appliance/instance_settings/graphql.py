"""The instance's settings in GraphQL, under GitLab's names."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.fields.resolving import Info, field, mutation
from appliance.instance_settings.rules import InstanceSettings


@strawberry.type(description="Where the parts of Duo are reached, and how often users may ask")
class DuoSettings:
    """Settings; `updated_at` is None for as long as nothing was set here."""

    ai_gateway_url: str | None
    ai_gateway_timeout_seconds: int | None
    ai_action_api_rate_limit: int
    gateway_public_url: str
    instance_public_url: str
    updated_at: datetime | None


@strawberry.input(description="What is to change; null takes a setting back")
class DuoSettingsUpdateInput:
    """What is left out stays as it is."""

    ai_gateway_url: str | None = strawberry.UNSET
    ai_gateway_timeout_seconds: int | None = strawberry.UNSET
    ai_action_api_rate_limit: int | None = strawberry.UNSET
    gateway_public_url: str | None = strawberry.UNSET
    instance_public_url: str | None = strawberry.UNSET
    client_mutation_id: str | None = strawberry.UNSET


@strawberry.type(description="What came of it: `errors` is empty when all was changed")
class DuoSettingsUpdatePayload:
    """The settings as they are now, changed or not."""

    duo_settings: DuoSettings
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type
class SettingsQuery:
    """What can be asked about the settings."""

    @field(description="Where the parts are reached, and the limits", access=Access.ADMIN)
    def duo_settings(self, info: Info) -> DuoSettings | None:
        """As they are now."""
        return _show(info.context.read(info.context.desk.read))


@strawberry.type
class SettingsMutation:
    """What can be done with settings."""

    @mutation(description="Changes settings, all of them or none", access=Access.ADMIN)
    def duo_settings_update(
        self,
        info: Info,
        wish: Annotated[DuoSettingsUpdateInput, strawberry.argument(name="input")],
    ) -> DuoSettingsUpdatePayload | None:
        """A new address of the gateway is tried first."""
        asked = info.context
        errors: list[str] = []
        try:
            found = asked.wait_for(
                lambda: asked.desk.change(_changes(wish), actor=asked.caller.actor)
            )
        except InvalidFieldsError as refusal:
            errors = [f"{name}: {reason}" for name, reason in refusal.fields.items()]
            found = asked.read(asked.desk.read)
        return DuoSettingsUpdatePayload(
            duo_settings=_show(found),
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )


def _changes(wish: DuoSettingsUpdateInput) -> dict[str, Any]:
    named = {
        "ai_gateway_url": wish.ai_gateway_url,
        "ai_gateway_timeout_seconds": wish.ai_gateway_timeout_seconds,
        "ai_action_api_rate_limit": wish.ai_action_api_rate_limit,
        "gateway_public_url": wish.gateway_public_url,
        "instance_public_url": wish.instance_public_url,
    }
    return {name: value for name, value in named.items() if value is not strawberry.UNSET}


def _show(settings: InstanceSettings) -> DuoSettings:
    addresses = settings.addresses
    return DuoSettings(
        ai_gateway_url=addresses.ai_gateway_url,
        ai_gateway_timeout_seconds=settings.ai_gateway_timeout_s,
        ai_action_api_rate_limit=settings.limits.requests_per_8h,
        gateway_public_url=addresses.gateway_public_url,
        instance_public_url=addresses.instance_public_url,
        updated_at=settings.updated_at,
    )
