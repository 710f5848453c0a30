"""What the fields of one operation say of models, each part read once and only when asked for."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

from appliance.fields.resolving import Context
from appliance.model_selection import usecases
from appliance.model_selection.rules import ChoiceView, FeatureView, Pool
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import get_namespace, namespaces_among
from appliance.self_hosted_models.rules import SelfHostedModel
from appliance.self_hosted_models.usecases import all_models
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog, load_catalog


class Shelf:
    """Shared by all that hangs from one field, so that lists cost no query for each item.

    With `namespace_id` what is said holds in that group; what is read of it without `choices` is
    for those who may know of it.
    """

    def __init__(self, asked: Context, *, namespace_id: int | None = None) -> None:
        self.asked = asked
        self._namespace_id = namespace_id

    @property
    def catalog(self) -> Catalog:
        """What there is to grant."""
        return load_catalog()

    @cached_property
    def features(self) -> Mapping[str, FeatureView]:
        """What the instance says of each feature, in the catalogue's order."""
        found = self.asked.read(
            lambda session: usecases.list_features(session, catalog=self.catalog)
        )
        return {each.name: each for each in found}

    @cached_property
    def choices(self) -> Sequence[ChoiceView]:
        """What the group makes of each feature, in the catalogue's order.

        Raises:
            NotFoundError: no such group, or who asks has no role in it.
        """
        user, now, number = self.asked.caller.user, self.asked.now, self._namespace_id or 0
        return self.asked.read(
            lambda session: usecases.list_choices(
                session, user, number, catalog=self.catalog, now=now
            )
        )

    @cached_property
    def pool(self) -> Pool:
        """Every model there is."""
        return self.asked.read(lambda session: usecases.read_pool(session, self.catalog))

    @cached_property
    def registered(self) -> Mapping[str, SelfHostedModel]:
        """The self-hosted models by ref, oldest first."""
        found = sorted(self.asked.read(all_models), key=lambda each: each.id)
        return {each.ref: each for each in found}

    @cached_property
    def states(self) -> Mapping[str, Literal["ready", "unreachable"] | None]:
        """What present gateways say of the self-hosted models, by ref."""
        refs, asked = list(self.registered), self.asked
        return asked.read(lambda session: asked.models.read_states(session, refs, asked.now))

    @cached_property
    def groups(self) -> Mapping[int, Namespace]:
        """The group and those above it."""
        number = self._namespace_id
        if number is None:
            return {}

        def read(session: Session) -> Mapping[int, Namespace]:
            return namespaces_among(session, get_namespace(session, number).ancestry)

        return self.asked.read(read)

    @property
    def group(self) -> Namespace:
        """The group; only on a shelf of one."""
        return self.groups[self._namespace_id or 0]

    @cached_property
    def why_not_entitled(self) -> Mapping[str, str | None]:
        """For each provider a sentence why it is not entitled here; None: it is."""
        asked, namespace = self.asked, None if self._namespace_id is None else self.group
        return asked.read(
            lambda session: usecases.entitlement(
                session, namespace, catalog=self.catalog, now=asked.now
            )
        )
