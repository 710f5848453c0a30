"""What an admin says of features for the whole instance."""

from collections.abc import Sequence
from datetime import datetime

from appliance.audit.rules import Actor
from appliance.model_selection.rules import FeatureChange, FeatureView
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


def list_features(session: Session, *, catalog: Catalog) -> Sequence[FeatureView]:
    """Every feature of the catalogue, in its order."""
    raise NotImplementedError


def get_feature(session: Session, feature: str, *, catalog: Catalog) -> FeatureView:
    """One feature.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
    """
    raise NotImplementedError


def change_features(
    session: Session, change: FeatureChange, *, catalog: Catalog, actor: Actor, now: datetime
) -> Sequence[FeatureView]:
    """Sets some features alike, all of them or none; what is as wished already is left alone.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
        InvalidFieldsError: a model that cannot be chosen, or a wish that contradicts itself.
    """
    raise NotImplementedError


def reset_features(
    session: Session, features: Sequence[str], *, catalog: Catalog, actor: Actor, now: datetime
) -> Sequence[FeatureView]:
    """Forgets what was set of some features; what the gateway offers holds again.

    Raises:
        FeatureUnknownError: the catalogue has none of that name.
    """
    raise NotImplementedError


def assign_everywhere(
    session: Session, ref: str, *, catalog: Catalog, actor: Actor, now: datetime
) -> Sequence[str]:
    """Makes a model the default of each feature that it suits and that has no setting."""
    raise NotImplementedError
