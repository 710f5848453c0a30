"""What owners choose for their groups, from what the level above leaves them."""

from collections.abc import Sequence
from datetime import datetime

from appliance.accounts.rules import User
from appliance.model_selection.rules import ChoiceChange, ChoiceView
from appliance.storage.engine import Session
from gateway.contract.catalog import Catalog


def list_choices(
    session: Session, user: User, namespace_id: int, *, catalog: Catalog, now: datetime
) -> Sequence[ChoiceView]:
    """Every feature of the catalogue as a group sees it, in the catalogue's order.

    Raises:
        NotFoundError: no such group, or the user has no role in it.
    """
    raise NotImplementedError


def change_choices(  # noqa: PLR0917  # who, where and what
    session: Session,
    user: User,
    namespace_id: int,
    change: ChoiceChange,
    *,
    catalog: Catalog,
    now: datetime,
) -> Sequence[ChoiceView]:
    """Chooses for some features alike, all of them or none; what is as wished is left alone.

    Raises:
        NotFoundError: no such group, or the user has no role in it.
        AccessLevelNeededError: the user does not own it.
        ModelSwitchingOffError: the flag is off for the user there.
        FeatureUnknownError: the catalogue has none of that name.
        FeatureDisabledError, LockedAboveError: the level above leaves no choice.
        InvalidFieldsError: a model that the level above does not offer.
    """
    raise NotImplementedError


def reset_choices(  # noqa: PLR0917  # who, where and what
    session: Session,
    user: User,
    namespace_id: int,
    features: Sequence[str],
    *,
    catalog: Catalog,
    now: datetime,
) -> Sequence[ChoiceView]:
    """Takes back what a group chose for some features; it inherits again.

    Raises:
        NotFoundError, AccessLevelNeededError, ModelSwitchingOffError: as `change_choices`.
        FeatureUnknownError: the catalogue has none of that name.
    """
    raise NotImplementedError
