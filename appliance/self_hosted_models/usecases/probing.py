"""What is stored of a model that is tried again."""

from appliance.errors import NotFoundError
from appliance.self_hosted_models import tables
from appliance.self_hosted_models.rules.probing import StoredModel
from appliance.storage.engine import Session
from appliance.storage.sealing import Sealer


def stored_model(session: Session, model_id: int, *, sealer: Sealer) -> StoredModel:
    """The model with its API key in clear, for having it tried at once.

    Raises:
        NotFoundError: no such model.
    """
    row = tables.model_row(session, model_id)
    if row is None:
        raise NotFoundError(what="Self-Hosted Model")
    api_key = None
    if row.sealed_api_key is not None:
        api_key = sealer.unseal(row.sealed_api_key, tables.place_of(model_id)).decode("ascii")
    model = tables.model_of(row)
    return StoredModel(endpoints=model.endpoints, identifier=model.identifier, api_key=api_key)
