"""An organisation with models, groups and people, in which somebody chooses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

from appliance.accounts.rules import User
from appliance.audit.rules import SYSTEM, AuditEvent
from appliance.audit.usecases import list_events
from appliance.feature_flags.usecases import set_flag
from appliance.model_selection import usecases
from appliance.model_selection.rules import (
    ChoiceChange,
    ChoiceView,
    FeatureChange,
    FeatureView,
)
from appliance.model_selection.tables.offers import OfferedFeatureRow, OfferedModelRow
from appliance.model_selection.tables.writing import put_choice
from appliance.namespaces.rules import AccessLevel, Namespace, NewGroup
from appliance.namespaces.tables import add_namespace, namespace_row
from appliance.self_hosted_models.rules import Description, SelfHostedModel
from appliance.self_hosted_models.usecases import change_model, create_model
from appliance.storage.engine import Db, Session
from appliance.storage.outbox import changes_after
from appliance.storage.paging import Page
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import Catalog, load_catalog
from gateway.contract.selection import Choice, Effective, ref_key
from tests.appliance.namespaces.builders import add_group, add_member, add_user
from tests.instance_builders import NOW

T = TypeVar("T")
CHAT = "duo_chat"
CODE = "code_completions"


@dataclass
class Lab:
    """A database with an admin; each method is a transaction of its own."""

    db: Db
    admin: User
    sealer: Sealer
    catalog: Catalog

    def do(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Runs a use case."""
        return self.db.write_blocking(lambda session: work(session, *arguments, **named))

    def model(self, ref: str, **changes: Any) -> SelfHostedModel:
        """Registers a model."""
        said = {
            "ref": ref,
            "name": ref.title(),
            "endpoint": "http://127.0.0.1:1/v1",
            "identifier": ref,
        }
        description = Description(**{**said, **changes})
        return self.do(create_model, description, sealer=self.sealer, actor=SYSTEM, now=NOW)

    def change_model(self, model: SelfHostedModel, **changes: Any) -> None:
        """Changes a model, and nothing of who names it."""
        self.do(self.change_in, model, **changes)

    def change_in(self, session: Session, model: SelfHostedModel, **changes: Any) -> None:
        """The same within a transaction."""
        description = Description(**changes)
        change_model(session, model.id, description, sealer=self.sealer, actor=SYSTEM, now=NOW)

    def offer(
        self, ref: str, *features: str, default_for: Iterable[str] = (), **changes: Any
    ) -> None:
        """Lets the gateway bring a model."""
        fields = {
            "ref": ref,
            "ref_key": ref_key(ref),
            "name": ref.title(),
            "provider": "duo",
            "release_state": "GA",
            "is_served": True,
            "created_at": NOW,
            "updated_at": NOW,
        }

        def work(session: Session) -> None:
            row = OfferedModelRow(**{**fields, **changes})
            session.add(row)
            session.flush()
            for feature in features:
                is_default = feature in default_for
                session.add(
                    OfferedFeatureRow(
                        offered_model_id=row.id or 0,
                        feature=feature,
                        is_default=is_default,
                        is_beta=False,
                    )
                )

        self.do(work)

    def user(self, name: str) -> User:
        """A new user."""
        return add_user(self.db, name)

    def group(self, path: str, *, parent: Namespace | None = None, **fields: Any) -> Namespace:
        """A new group."""
        return add_group(self.db, self.admin, path, parent=parent, **fields)

    def many_groups(self, parent: Namespace, count: int) -> Sequence[int]:
        """New groups right below one, without their stories."""

        def work(session: Session) -> Sequence[int]:
            news = [NewGroup(name=f"n{each}", path=f"n{each}") for each in range(count)]
            rows = [
                add_namespace(
                    session, new, full_path=f"{parent.path}/{new.path}", parent=parent, now=NOW
                )
                for new in news
            ]
            return [row.id or 0 for row in rows]

        return self.do(work)

    def many_choices(self, group_ids: Iterable[int], feature: str, model: str) -> None:
        """The same choice in many groups, without its stories."""

        def work(session: Session) -> None:
            for each in group_ids:
                put_choice(session, each, Choice(feature, model), now=NOW)

        self.do(work)

    def put_below(self, session: Session, group: Namespace, above: Namespace) -> None:
        """Puts a group without any below it elsewhere."""
        row = namespace_row(session, group.id)
        assert row is not None
        row.parent_id, row.root_id, row.depth = above.id, above.root_id, above.depth + 1
        row.ancestry = f"/{'/'.join(map(str, (*above.ancestry, group.id)))}/"
        session.flush()

    def member(self, group: Namespace, name: str, level: AccessLevel) -> User:
        """A new user with a role in a group."""
        user = self.user(name)
        add_member(self.db, self.admin, group, user=user, level=level)
        return user

    def set(self, *features: str, **wish: Any) -> Sequence[FeatureView]:
        """Sets features for the instance."""
        return self.do(
            usecases.change_features,
            FeatureChange(features=features or (CHAT,), **wish),
            catalog=self.catalog,
            actor=self.admin.actor,
            now=NOW,
        )

    def reset(self, *features: str) -> Sequence[FeatureView]:
        """Resets features of the instance."""
        actor, named = self.admin.actor, features or (CHAT,)
        return self.do(usecases.reset_features, named, catalog=self.catalog, actor=actor, now=NOW)

    def feature(self, name: str = CHAT) -> FeatureView:
        """A feature as the instance sees it."""
        return self.do(usecases.get_feature, name, catalog=self.catalog)

    def choose(
        self, group: Namespace, model: str, *features: str, by: User | None = None, **wish: Any
    ) -> Sequence[ChoiceView]:
        """Chooses for a group."""
        change = ChoiceChange(features=features or (CHAT,), model_ref=model, **wish)
        return self.do(
            usecases.change_choices,
            by or self.admin,
            group.id,
            change,
            catalog=self.catalog,
            now=NOW,
        )

    def inherit(
        self, group: Namespace, *features: str, by: User | None = None
    ) -> Sequence[ChoiceView]:
        """Takes back what a group chose."""
        return self.do(
            usecases.reset_choices,
            by or self.admin,
            group.id,
            features or (CHAT,),
            catalog=self.catalog,
            now=NOW,
        )

    def views(self, group: Namespace, *, by: User | None = None) -> Mapping[str, ChoiceView]:
        """Every feature as a group sees it."""
        found = self.do(
            usecases.list_choices, by or self.admin, group.id, catalog=self.catalog, now=NOW
        )
        return {each.name: each for each in found}

    def view(self, group: Namespace, feature: str = CHAT) -> ChoiceView:
        """One feature as a group sees it."""
        return self.views(group)[feature]

    def effective(self, group: Namespace | None, feature: str = CHAT) -> Effective:
        """What holds in a group, or for a token of none."""
        return self.do(usecases.effective_in, group, catalog=self.catalog, may_switch=True)[feature]

    def switch(self, flag: str, *, value: bool) -> None:
        """Sets a flag for everyone."""
        self.do(set_flag, flag, value=value, actor=SYSTEM, now=NOW)

    def events(self, *actions: str) -> list[AuditEvent]:
        """What the audit has of these actions, oldest first."""
        found = self.db.read_blocking(lambda session: list_events(session, Page.asked(1, 100)))
        return [each for each in reversed(found.items) if each.entry.action in actions]

    def entries(self, *actions: str) -> list[dict[str, Any]]:
        """Their details."""
        return [dict(each.entry.details) for each in self.events(*actions)]

    def told(self, topic: str) -> list[dict[str, Any]]:
        """What the outbox has of a topic, oldest first."""
        changes = self.db.read_blocking(lambda session: changes_after(session, 0))
        return [dict(each.payload) for each in changes if each.topic == topic]


@pytest.fixture
def lab(db: Db, sealer: Sealer) -> Lab:
    """Nobody has said anything yet; the models a, b and c are registered."""
    found = Lab(db, add_user(db, "root", is_admin=True), sealer, load_catalog())
    for ref in "abc":
        found.model(ref)
    return found
