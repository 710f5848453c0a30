"""What holds now: the pool of models, the instance's offers, and what is effective in a group."""

from collections.abc import Collection, Mapping

from appliance.model_selection import tables
from appliance.model_selection.rules import Pool
from appliance.model_selection.rules.offering import offer_of
from appliance.model_selection.rules.pool import make_pool
from appliance.namespaces.rules import Namespace
from appliance.self_hosted_models.usecases import all_models
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog
from gateway.contract.selection import Choice, Effective, Feature, effective


def read_pool(session: Session, catalog: Catalog) -> Pool:
    """Every model that there is."""
    return make_pool(all_models(session), tables.offers.all_offered(session), catalog)


def offers(session: Session, catalog: Catalog) -> Mapping[str, Feature]:
    """What the instance says of each feature of the catalogue, in the catalogue's order."""
    return offers_from(session, read_pool(session, catalog), catalog)


def offers_from(session: Session, pool: Pool, catalog: Catalog) -> Mapping[str, Feature]:
    """The same, for who has the pool."""
    settings = tables.features.all_settings(session)
    return {name: offer_of(name, settings.get(name), pool) for name in catalog.features}


def chain_of(session: Session, namespace: Namespace | None) -> Mapping[int, Mapping[str, Choice]]:
    """The choices of a group and those above it, by group from the top and by feature."""
    ancestry = () if namespace is None else namespace.ancestry
    found = tables.choices.choices_of(session, ancestry)
    return {each: {choice.feature: choice for choice in found.get(each, ())} for each in ancestry}


def effective_in(
    session: Session, namespace: Namespace | None, *, catalog: Catalog, may_switch: bool
) -> Mapping[str, Effective]:
    """What holds for each feature in a group, or for a token of none."""
    chain = chain_of(session, namespace)
    return {
        name: effective(
            offer,
            ((each, choices.get(name)) for each, choices in chain.items()),
            may_switch=may_switch,
        )
        for name, offer in offers(session, catalog).items()
    }


def choices_among(
    session: Session, namespace_ids: Collection[int] | None
) -> Mapping[int, tuple[Choice, ...]]:
    """The choices of these groups, or of all, by group; for the feed."""
    found = tables.choices.choices_of(session, namespace_ids)
    return {each: tuple(choices) for each, choices in found.items()}


def is_restricted(session: Session) -> bool:
    """Whether a gateway that knows of no choices would permit what they forbid."""
    return tables.features.is_any_narrowing(session) or tables.choices.is_any(session)
