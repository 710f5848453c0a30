"""Reads a gateway's definitions of its models, in both shapes, and leniently in each entry."""

from typing import Any

import msgspec

from appliance.model_selection.errors import (
    DefinitionsShapeError,
    DefinitionsTooLargeError,
    DefinitionsUnreadableError,
    TooManyModelsError,
)
from appliance.model_selection.rules.definitions.features import FeatureEntries
from appliance.model_selection.rules.definitions.models import ModelEntries
from appliance.model_selection.rules.definitions.notes import Notes
from appliance.model_selection.rules.definitions.values import Reading
from gateway.contract.catalog import Catalog
from gateway.contract.definitions import MAX_DOCUMENT_BYTES, MAX_MODELS


def read_definitions(document: bytes, catalog: Catalog) -> Reading:
    """What a document says: an object of models and features, or a list of models.

    An entry that cannot be used becomes a problem, and the others hold.

    Raises:
        DefinitionsRefusedError: nothing of it can be used.
    """
    content = _content(document)
    notes = Notes()
    models = ModelEntries(notes, catalog)
    features = FeatureEntries(notes, catalog, models)
    match content:
        case list():
            _check_number(content)
            for number, entry in enumerate(content):
                draft = models.read(f"[{number}]", entry, identified_by="id")
                if draft is not None:
                    features.read_names(f"[{number}]", draft, entry.get("features"))
        case {"models": list() as defined, "unit_primitives": list() as named}:
            _check_number(defined)
            for number, entry in enumerate(defined):
                models.read(f"models[{number}]", entry, identified_by="identifier")
            for number, entry in enumerate(named):
                features.read(f"unit_primitives[{number}]", entry)
        case _:
            raise DefinitionsShapeError
    return Reading(
        offers=tuple(draft.offer() for draft in models.drafts.values()),
        problems=notes.all(),
        unread=features.unread(),
    )


def _content(document: bytes) -> Any:
    if len(document) > MAX_DOCUMENT_BYTES:
        raise DefinitionsTooLargeError(MAX_DOCUMENT_BYTES)
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise DefinitionsUnreadableError from cause


def _check_number(models: list[Any]) -> None:
    if len(models) > MAX_MODELS:
        raise TooManyModelsError(len(models), MAX_MODELS)
