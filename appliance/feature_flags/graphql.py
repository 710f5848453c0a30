"""Which release this is, and which feature flags are on for who asks, in GraphQL."""

import strawberry

from appliance.accounts.rules import Access
from appliance.feature_flags.usecases import enabled_flags
from appliance.fields.resolving import Info, field
from appliance.namespaces.usecases import default_namespace
from appliance.storage.engine import Session
from gateway.contract.headers import SPOKEN_VERSION


@strawberry.type(description="A feature flag, as it is for who asks")
class FeatureFlag:
    """A flag."""

    name: str
    enabled: bool


@strawberry.type(description="What this instance is")
class Metadata:
    """What this instance is."""

    version: str
    revision: str
    enterprise: bool

    @field(description="Whether each of these flags is on; those unknown are off")
    def feature_flags(self, info: Info, names: list[str]) -> list[FeatureFlag]:
        """In the order of the names."""
        on = info.context.read(lambda session: _flags(session, info))
        return [FeatureFlag(name=name, enabled=name in on) for name in names]


@strawberry.type
class FlagsQuery:
    """What can be asked about the instance and its flags."""

    @field(description="What this instance is", access=Access.API)
    def metadata(self, info: Info) -> Metadata | None:
        """The same as over REST."""
        revision = info.context.version
        return Metadata(version=SPOKEN_VERSION, revision=revision, enterprise=True)

    @field(description="Whether a flag is on; an unknown one is off", access=Access.API)
    def feature_flag_enabled(self, info: Info, name: str) -> bool:
        """As in the caller's default group."""
        return name in info.context.read(lambda session: _flags(session, info))


def _flags(session: Session, info: Info) -> frozenset[str]:
    user = info.context.caller.user
    group = default_namespace(session, user, now=info.context.now)
    chain = group.ancestry if group is not None else ()
    return enabled_flags(session, user=user, namespaces=chain)
