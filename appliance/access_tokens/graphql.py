"""Who asks, and what an access token of theirs would open, in GraphQL."""

from collections.abc import Callable
from functools import cache

import strawberry

from appliance.access_tokens import rules
from appliance.access_tokens.usecases import effective_grant
from appliance.accounts.rules import Access
from appliance.fields.global_ids import UserID
from appliance.fields.resolving import Info, field
from appliance.licensing.rules import Grant
from appliance.namespaces.usecases import default_namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog


@strawberry.type(description="Who asks")
class CurrentUser:
    """A user, and what is granted to them in their default group."""

    id: UserID
    username: str
    name: str
    grant: strawberry.Private[Callable[[], Grant]]

    @field(description="Whether the user may use chat")
    def duo_chat_available(self) -> bool:
        """Some model must be permitted as well, whichever it is."""
        return rules.is_chat_open(self.grant())

    @field(description="Whether the user may use code suggestions")
    def duo_code_suggestions_available(self) -> bool:
        """Some model must be permitted as well, whichever it is."""
        return rules.are_suggestions_open(self.grant())

    @field(description="What the user may add to what they ask in chat")
    def duo_chat_available_features(self) -> list[str]:
        """Names such as `include_file_context`."""
        return rules.chat_contexts(self.grant())


@strawberry.type
class CurrentUserQuery:
    """What a user can ask about themself."""

    @field(
        description="Who asks; open to every personal access token",
        access=Access.SELF,
    )
    def current_user(self, info: Info) -> CurrentUser | None:
        """Never null: there is no asking without a token."""
        user = info.context.caller.user
        return CurrentUser(
            id=UserID(user.id),
            username=user.username,
            name=user.name,
            # Looked up once, and only when one of its fields is asked for.
            grant=cache(lambda: info.context.read(lambda session: _grant(session, info))),
        )


def _grant(session: Session, info: Info) -> Grant:
    user, now = info.context.caller.user, info.context.now
    group = default_namespace(session, user, now=now)
    return effective_grant(session, user, namespace=group, catalog=load_catalog(), now=now)
